"""ServiceEntries whose ports cannot be distinguished (IST0134, IST0177).

Source of the rules: istio ``pkg/config/analysis/analyzers/serviceentry``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import EVERYONE, Surroundings, scopes_of
from bench.istio.models import ServiceEntry
from bench.istio.resource import Resource
from bench.message import say

_NEEDS_ADDRESS = ("", "TCP")


def check_addresses(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0134 for a TCP port without an address: it takes all connections to its port number."""
    for entry in surroundings.resources.service_entries:
        if entry.spec.addresses:
            continue
        for index, port in enumerate(entry.spec.ports):
            if port.protocol.upper() in _NEEDS_ADDRESS:
                yield finding(
                    Level.WARNING,
                    "IST0134",
                    entry,
                    ("spec", "ports", index),
                    say(RuleCase.PORT_WITHOUT_ADDRESS, port=port.number),
                )


Claim = tuple[str, Resource[ServiceEntry], int]
"""A protocol, who says so, and the place among the ports."""


def check_protocols(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0177 once for each entry that gives a host and port another protocol than somebody else."""
    claims: dict[tuple[str, str, int], list[Claim]] = {}
    for entry in surroundings.resources.service_entries:
        for scope in sorted(scopes_of(entry.spec.export_to, entry.namespace)):
            for host in entry.spec.hosts:
                for index, port in enumerate(entry.spec.ports):
                    key = (scope, host, port.number)
                    claims.setdefault(key, []).append((port.protocol.upper(), entry, index))
    reported: set[str] = set()
    for (scope, host, number), own in sorted(claims.items(), key=lambda item: item[0]):
        everyone = own if scope == EVERYONE else [*own, *claims.get((EVERYONE, host, number), ())]
        protocols = sorted({protocol for protocol, _, _ in everyone})
        if len(protocols) < 2:
            continue
        for protocol, entry, index in everyone:
            if entry.title in reported:
                continue
            reported.add(entry.title)
            others = tuple(
                say(
                    RuleCase.PROTOCOL_SAID,
                    title=other.title,
                    protocol=theirs or say(RuleCase.NO_PROTOCOL_SAID),
                )
                for theirs, other, _ in everyone
                if theirs != protocol
            )
            yield finding(
                Level.WARNING,
                "IST0177",
                entry,
                ("spec", "ports", index, "protocol"),
                say(
                    RuleCase.PROTOCOLS_DIFFER,
                    host=host,
                    port=number,
                    protocol=protocol or say(RuleCase.NO_PROTOCOL),
                    others=others,
                ),
            )
