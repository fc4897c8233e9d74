"""From a scenario to what a stack needs: registry, translated proxies, stack specifications, certificates.

It lies below measuring, because `up` needs it too, and above stack and translation, which know nothing of
each other. A room is imported when something of it is asked for: `check` and `explain` need neither stacks
nor keys, whose libraries cost a tenth of their CPU.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.preparation.demands import unmet_demands
    from bench.preparation.known_servers import known_certificates
    from bench.preparation.leaving import routed
    from bench.preparation.material import CERTIFIED_ADDRESS, begin_keys, make_material
    from bench.preparation.prepared import SAMPLED_LOG, Prepared, Variation, prepare

__all__ = [
    "CERTIFIED_ADDRESS",
    "SAMPLED_LOG",
    "Prepared",
    "Variation",
    "begin_keys",
    "known_certificates",
    "make_material",
    "prepare",
    "routed",
    "unmet_demands",
]

_ROOMS = {
    "CERTIFIED_ADDRESS": "material",
    "SAMPLED_LOG": "prepared",
    "Prepared": "prepared",
    "Variation": "prepared",
    "begin_keys": "material",
    "known_certificates": "known_servers",
    "make_material": "material",
    "prepare": "prepared",
    "routed": "leaving",
    "unmet_demands": "demands",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
