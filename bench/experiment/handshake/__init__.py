"""Question 3: what a new upstream connection costs, with full and with resumed handshakes."""

from bench.experiment.handshake.flow import measure_handshakes
from bench.experiment.handshake.plans import handshake_plans, handshake_variations

__all__ = [
    "handshake_plans",
    "handshake_variations",
    "measure_handshakes",
]
