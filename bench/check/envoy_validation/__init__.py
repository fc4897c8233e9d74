"""What Envoy's own validation says about a translation: why it refuses it, and which YAML is behind it."""

from bench.check.envoy_validation.culprits import culprits, places_named, places_of
from bench.check.envoy_validation.refusal import Refusal, RefusalCode, last_line, read_refusal, refusal_of
from bench.check.envoy_validation.stand_in import STAND_IN_PAIR, STAND_IN_REVOCATIONS

__all__ = [
    "STAND_IN_PAIR",
    "STAND_IN_REVOCATIONS",
    "Refusal",
    "RefusalCode",
    "culprits",
    "last_line",
    "places_named",
    "places_of",
    "read_refusal",
    "refusal_of",
]
