"""Hosts that both a Service and a ServiceEntry declare (EB0001)."""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.rules.surroundings import Surroundings


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
            numbers = ", ".join(map(str, lost))
            gone = f"port {numbers} does" if len(lost) == 1 else f"ports {numbers} do"
            ports = f", so its {gone} not exist" if lost else ""
            where = service.resource.position(("metadata", "name"))
            fate = (
                f"Istio 1.22 and later ignore this ServiceEntry{ports}"
                if is_current
                else "Istio 1.0 joins the two, but Istio 1.22 and later ignore this ServiceEntry"
            )
            yield finding(
                Level.WARNING if is_current else Level.INFO,
                "EB0001",
                entry.resource,
                ("spec", "hosts"),
                reason=f"{service.resource.title} ({where}) has the host {host} as well: {fate}.",
                remedy="Give the ServiceEntry a host of its own, or remove the Service.",
            )
