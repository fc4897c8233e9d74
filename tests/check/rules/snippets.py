"""YAML that the tests of the rules build on, and what the analyzer reports about it."""

from __future__ import annotations

import textwrap

from bench.check.finding import Finding
from bench.check.rules.analyze import analyze
from bench.check.rules.surroundings import Surroundings
from bench.istio.inventory import Inventory
from bench.istio.load import survey_text

INVENTORY = {
    "proxies": {
        "client": {"role": "sidecar", "ip": "10.1.0.5"},
        "egress": {
            "role": "gateway",
            "namespace": "edge",
            "labels": {"istio": "egress"},
            "ip": "10.1.0.9",
        },
    }
}


def findings_in(text: str, inventory: dict[str, object] | None = None) -> tuple[Finding, ...]:
    """Analyze YAML; without an inventory only its Pods exist."""
    survey = survey_text(textwrap.dedent(text).lstrip("\n"), "in.yaml")
    known = None if inventory is None else Inventory.model_validate(inventory)
    return analyze(Surroundings(survey.resources, known), survey.problems)


def reported(text: str, inventory: dict[str, object] | None = None) -> list[str]:
    """Write findings as ``CODE Kind namespace/name:line``."""
    return [f"{each.code} {each.resource}:{each.position.line}" for each in findings_in(text, inventory)]


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1, labels: {v: "1"}}]
---
"""
"""Ten lines, so that what follows begins at line 11 (after dedent)."""

RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.test]
  http:
"""


def route(*lines: str) -> str:
    """Give an entry and a VirtualService with these lines below ``http``."""
    return ENTRY.lstrip("\n") + RULE.lstrip("\n") + "".join(f"  {line}\n" for line in lines)


TO = "route: [{destination: {host: api.test, port: {number: 80}}}]"

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec:
  selector: {istio: egress}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["shop/*.test"]
---
apiVersion: v1
kind: Service
metadata: {name: egress, namespace: edge}
spec:
  selector: {istio: egress}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
"""

DR = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.test
"""
