"""From a scenario to what a stack needs: registry, translated proxies, stack specifications, certificates.

It lies below measuring, because `up` needs it too, and above stack and translation, which know nothing of
each other. A room is imported when something of it is asked for: `check` and `explain` need neither stacks
nor keys, whose libraries cost a tenth of their CPU.
"""

from typing import TYPE_CHECKING

from bench.lazy_face import lazily

if TYPE_CHECKING:
    from bench.preparation.demands import unmet_demands
    from bench.preparation.foreseen import Foreseen, Foresight, foresee
    from bench.preparation.known_servers import known_certificates
    from bench.preparation.leaving import course_of, routed
    from bench.preparation.material import CERTIFIED_ADDRESS, begin_keys, make_material
    from bench.preparation.mesh_dns import undialled
    from bench.preparation.prepared import SAMPLED_LOG, Prepared, Variation, prepare
    from bench.preparation.stand_ins import missing_stand_ins

__all__ = [
    "CERTIFIED_ADDRESS",
    "SAMPLED_LOG",
    "Foreseen",
    "Foresight",
    "Prepared",
    "Variation",
    "begin_keys",
    "course_of",
    "foresee",
    "known_certificates",
    "make_material",
    "missing_stand_ins",
    "prepare",
    "routed",
    "undialled",
    "unmet_demands",
]

__getattr__ = lazily(
    __name__,
    {
        "CERTIFIED_ADDRESS": "material",
        "Foreseen": "foreseen",
        "Foresight": "foreseen",
        "SAMPLED_LOG": "prepared",
        "Prepared": "prepared",
        "Variation": "prepared",
        "begin_keys": "material",
        "course_of": "leaving",
        "foresee": "foreseen",
        "known_certificates": "known_servers",
        "make_material": "material",
        "missing_stand_ins": "stand_ins",
        "prepare": "prepared",
        "routed": "leaving",
        "undialled": "mesh_dns",
        "unmet_demands": "demands",
    },
)
