"""Routes by claims of a token that nobody checks (IST0149).

Source of the rule: istio ``virtualservice/jwtclaimroute.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings, selects
from bench.istio.hosts import MESH
from bench.istio.models import VirtualService
from bench.istio.problem import Path
from bench.message import say

_CLAIM = "@request.auth.claims"


def check_claims(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0149 for each pod of each gateway without a RequestAuthentication."""
    for virtual_service in surroundings.resources.virtual_services:
        claim = _first_claim(virtual_service.spec)
        if claim is None:
            continue
        key, path = claim
        for name in virtual_service.spec.gateways:
            gateway = None if name == MESH else surroundings.gateway(name, virtual_service.namespace)
            if gateway is None:
                continue
            for workload in surroundings.selected(gateway.spec.selector):
                checked = any(
                    policy.namespace in (workload.namespace, surroundings.root_namespace)
                    and selects(policy.spec.selected_labels, workload.labels)
                    for policy in surroundings.resources.request_authentications
                )
                if not checked:
                    yield finding(
                        Level.ERROR,
                        "IST0149",
                        virtual_service,
                        path,
                        say(
                            RuleCase.UNCHECKED_CLAIM,
                            claim=key,
                            pod=f"{workload.namespace}/{workload.name}",
                            gateway=gateway.title,
                        ),
                    )


def _first_claim(spec: VirtualService) -> tuple[str, Path] | None:
    for number, rule in enumerate(spec.http):
        for index, match in enumerate(rule.match):
            for field, headers in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
                for key in headers:
                    if key.startswith(_CLAIM):
                        return key, ("spec", "http", number, "match", index, field, key)
    return None
