"""Question 5, the moment of an update: what a change does to the requests under way, by config source."""

from bench.experiment.update.flow import UpdateOptions, measure_updates

__all__ = ["UpdateOptions", "measure_updates"]
