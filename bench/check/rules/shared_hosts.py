"""Hosts that both a Service and a ServiceEntry declare (EB0001)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.message import Message, say


def check_shared_hosts(surroundings: Surroundings) -> Iterator[Finding]:
    """EB0001: Istio 1.0 joins the two, Istio 1.22 and later only see the Service.

    Source: istio ``initServiceRegistry`` and the release notes of 1.22.
    """
    is_current = surroundings.semantics == "current"
    for host, declared in surroundings.hosts.items():
        services = [each for each in declared if each.resource.kind == "Service"]
        entries = [each for each in declared if each.resource.kind == "ServiceEntry"]
        if not services or not entries:
            continue
        service = services[-1]
        for entry in entries:
            lost = sorted(set(entry.ports) - set(service.ports))
            where = service.resource.position(("metadata", "name"))
            yield finding(
                Level.WARNING if is_current else Level.INFO,
                "EB0001",
                entry.resource,
                ("spec", "hosts"),
                say(
                    RuleCase.HOST_SHARED,
                    service=service.resource.title,
                    place=where,
                    host=host,
                    fate=_fate(lost, is_current=is_current),
                ),
            )


def _fate(lost: Sequence[int], *, is_current: bool) -> Message:
    if not is_current:
        return say(RuleCase.ENTRY_JOINED)
    if not lost:
        return say(RuleCase.ENTRY_IGNORED)
    if len(lost) == 1:
        return say(RuleCase.PORT_IGNORED, port=lost[0])
    return say(RuleCase.PORTS_IGNORED, ports=tuple(lost))
