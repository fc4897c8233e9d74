"""Question 5, the moment of an update: what a change does to the requests under way, by config source."""

from bench.experiment.update.flow import UpdateOptions, measure_updates
from bench.experiment.update.ways import UpdateWay, chosen_ways

__all__ = ["UpdateOptions", "UpdateWay", "chosen_ways", "measure_updates"]
