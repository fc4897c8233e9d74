"""Question 4: the highest rate that meets the limits, and what prevents more."""

from bench.experiment.capacity.flow import find_capacity
from bench.experiment.capacity.settings import CapacityOptions
from bench.experiment.capacity.within_run import measure_capacity, planned_s

__all__ = [
    "CapacityOptions",
    "find_capacity",
    "measure_capacity",
    "planned_s",
]
