"""From a scenario to what a stack needs: registry, translated proxies, stack specifications, certificates.

It lies below measuring, because `up` needs it too, and above stack and translation, which know nothing of
each other.
"""

from bench.preparation.demands import unmet_demands
from bench.preparation.known_servers import known_certificates
from bench.preparation.leaving import decision_of
from bench.preparation.material import CERTIFIED_ADDRESS, begin_keys, make_material
from bench.preparation.mesh_dns import virtual_addresses
from bench.preparation.prepared import SAMPLED_LOG, Prepared, Variation, prepare
from bench.preparation.stand_ins import endpoints_of

__all__ = [
    "CERTIFIED_ADDRESS",
    "SAMPLED_LOG",
    "Prepared",
    "Variation",
    "begin_keys",
    "decision_of",
    "endpoints_of",
    "known_certificates",
    "make_material",
    "prepare",
    "unmet_demands",
    "virtual_addresses",
]
