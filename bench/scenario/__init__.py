"""What a folder says: scenario, inventory and Istio YAML, read once for every command.

The face has what load processes import, too: the models, and what HTTP takes as text. `load`, `read`,
`folder`, `overrides` and `servers` are asked by name, because they bring the Istio wing along.
"""

from bench.scenario.http_text import body_fault, header_fault, target_fault
from bench.scenario.models import (
    CapacitySearch,
    Credential,
    Expect,
    Handshake,
    Scenario,
    Subset,
    Traffic,
    resources_of,
)
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
    "CapacitySearch",
    "Closed",
    "Connections",
    "Constant",
    "Credential",
    "Expect",
    "Handshake",
    "Jitter",
    "Poisson",
    "Ramp",
    "Scenario",
    "Schedule",
    "Steps",
    "Subset",
    "Traffic",
    "body_fault",
    "header_fault",
    "mean_rate",
    "resources_of",
    "scaled",
    "target_fault",
]
