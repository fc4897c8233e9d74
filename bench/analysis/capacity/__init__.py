"""The search for the highest arrival rate that meets the limits, and what prevents more."""

from bench.analysis.capacity.batch import next_steps
from bench.analysis.capacity.constraint import find_constraints, gateway_alone, is_generators
from bench.analysis.capacity.goal import Goal, Target
from bench.analysis.capacity.loss import Loss, TimeLimit, lost, time_limits
from bench.analysis.capacity.replicas import cost_of_end, replica_shares
from bench.analysis.capacity.search import Capacity, Progress, next_step, progress
from bench.analysis.capacity.setup import Setup
from bench.analysis.capacity.trial import Purpose, Trial, Try

__all__ = [
    "Capacity",
    "Goal",
    "Loss",
    "Progress",
    "Purpose",
    "Setup",
    "Target",
    "TimeLimit",
    "Trial",
    "Try",
    "cost_of_end",
    "find_constraints",
    "gateway_alone",
    "is_generators",
    "lost",
    "next_step",
    "next_steps",
    "progress",
    "replica_shares",
    "time_limits",
]
