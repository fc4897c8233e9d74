"""Hosts whose spelling keeps them from working (EB0117): capitals, or a namespace where none may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.istio.problem import Path
from bench.istio.resource import Resource
from bench.message import say


def check_capitals(surroundings: Surroundings) -> Iterator[Finding]:
    """EB0117 for a host with capitals: istiod compares by case, and lowers hosts of VirtualServices only."""
    for resource, path, host in _hosts(surroundings):
        name = host.rpartition("/")[2]
        if name != name.lower():
            yield finding(
                Level.WARNING,
                "EB0117",
                resource,
                path,
                say(RuleCase.CAPITALS, host=name, lowered=name.lower(), wanted=host.lower()),
            )


def _hosts(surroundings: Surroundings) -> Iterator[tuple[Resource[Any], Path, str]]:
    resources = surroundings.resources
    for rule in resources.destination_rules:
        yield rule, ("spec", "host"), rule.spec.host
    for entry in resources.service_entries:
        for index, host in enumerate(entry.spec.hosts):
            yield entry, ("spec", "hosts", index), host


def check_redirect_hosts(surroundings: Surroundings) -> Iterator[Finding]:
    """EB0117 for a host with its namespace on a server that redirects to HTTPS.

    istiod makes a virtual host of that very spelling, which no request asks for.
    """
    for gateway in surroundings.resources.gateways:
        for index, server in enumerate(gateway.spec.servers):
            if server.tls is None or not server.tls.https_redirect:
                continue
            for place, host in enumerate(server.hosts):
                namespace, slash, name = host.rpartition("/")
                if not slash or namespace == "*":
                    continue
                yield finding(
                    Level.WARNING,
                    "EB0117",
                    gateway,
                    ("spec", "servers", index, "hosts", place),
                    say(RuleCase.REDIRECT_BY_NAMESPACE, host=host, name=name),
                )
