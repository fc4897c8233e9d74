"""What a scenario may ask for and `run` cannot do yet: refused with its line, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.istio.problem import Problem
from bench.scenario import Scenario


def unsupported(scenario: Scenario, locate: Any) -> Iterator[Problem]:
    """Give each part of *scenario* that cannot be run."""
    traffic = scenario.traffic
    if len(traffic.senders) > 1:
        yield Problem(locate("traffic", "clients"), "several clients cannot drive together.", "Name one.")
    if traffic.gateway is None:
        yield Problem(locate("traffic"), "a path without a gateway cannot be measured.", "Name a gateway.")
    for key, request in traffic.requests.items():
        mixed = next(each for each in traffic.mix if each.key == key)
        if not mixed.is_plain_http or mixed.protocol != "http/1.1" or request.body_base64:
            yield Problem(
                locate("traffic", "requests", key),
                f"request {key}: only plain HTTP/1.1 with a body of text can be driven.",
                "Use http:// without a protocol.",
            )
    for name, node in scenario.nodes.items():
        if (
            node.protocol != "http/1.1"
            or node.size is not None
            or node.delay
            or node.faults
            or node.server_names
        ):
            yield Problem(
                locate("nodes", name), f"node {name}: only plain pages over HTTP/1.1.", "Leave the rest out."
            )
