"""Question 3: what a new upstream connection costs, with full and with resumed handshakes."""

from bench.experiment.handshake.flow import measure_handshakes
from bench.experiment.handshake.lab import PARTS, LabOptions, run_lab
from bench.experiment.handshake.plans import handshake_plans, handshake_variations

__all__ = [
    "PARTS",
    "LabOptions",
    "handshake_plans",
    "handshake_variations",
    "measure_handshakes",
    "run_lab",
]
