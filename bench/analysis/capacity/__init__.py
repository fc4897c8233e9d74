"""The search for the highest arrival rate that meets the limits."""

from bench.analysis.capacity.goal import Goal, Target
from bench.analysis.capacity.search import Capacity, Progress, next_step, progress
from bench.analysis.capacity.trial import Purpose, Trial, Try

__all__ = ["Capacity", "Goal", "Progress", "Purpose", "Target", "Trial", "Try", "next_step", "progress"]
