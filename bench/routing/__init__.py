"""Pure: which destination must a request or a connection reach? A second opinion, from the resources alone.

``Router`` compiles resources once; ``request_matrix`` finds the requests that try every rule.
"""

from bench.routing.decision import (
    Branch,
    Decision,
    Delay,
    Delivered,
    Destination,
    Endpoint,
    LocalAnswer,
    Mirror,
    NoConnection,
    Outcome,
    Unjudged,
)
from bench.routing.distribution import judge_distribution
from bench.routing.layer4 import Connection
from bench.routing.matrix import Case, Matrix, request_matrix
from bench.routing.request import Request
from bench.routing.router import Router, route

__all__ = [
    "Branch",
    "Case",
    "Connection",
    "Decision",
    "Delay",
    "Delivered",
    "Destination",
    "Endpoint",
    "LocalAnswer",
    "Matrix",
    "Mirror",
    "NoConnection",
    "Outcome",
    "Request",
    "Router",
    "Unjudged",
    "judge_distribution",
    "request_matrix",
    "route",
]
