"""What a folder says: scenario, inventory and Istio YAML, read once for every command.

The face has what load processes import, too: the models, and what HTTP takes as text. `load`, `read`,
`folder`, `overrides` and `servers` are asked by name, because they bring the Istio wing along.
"""

from bench.scenario.containers import Resources
from bench.scenario.http_text import body_fault, header_fault, host_of, target_fault
from bench.scenario.mix import ALL_SUBSETS, Traffic
from bench.scenario.models import CapacitySearch, Credential, Handshake, KeyType, Scenario, resources_of
from bench.scenario.nodes import DelayShare, Fault, Node, SizeShare
from bench.scenario.requests import Expect, MixedRequest, Protocol, Request, RequestTls
from bench.scenario.traffic import (
    Closed,
    Connections,
    Constant,
    Jitter,
    Poisson,
    Ramp,
    Schedule,
    Steps,
    mean_rate,
    scaled,
)

__all__ = [
    "ALL_SUBSETS",
    "CapacitySearch",
    "Closed",
    "Connections",
    "Constant",
    "Credential",
    "DelayShare",
    "Expect",
    "Fault",
    "Handshake",
    "Jitter",
    "KeyType",
    "MixedRequest",
    "Node",
    "Poisson",
    "Protocol",
    "Ramp",
    "Request",
    "RequestTls",
    "Resources",
    "Scenario",
    "Schedule",
    "SizeShare",
    "Steps",
    "Traffic",
    "body_fault",
    "header_fault",
    "host_of",
    "mean_rate",
    "resources_of",
    "scaled",
    "target_fault",
]
