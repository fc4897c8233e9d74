"""Questions 1, 2 and 5: the scenario's own rate against both config sources."""

from bench.experiment.steady.flow import BASELINE_S, measure_steady
from bench.experiment.steady.plans import steady_plans

__all__ = [
    "BASELINE_S",
    "measure_steady",
    "steady_plans",
]
