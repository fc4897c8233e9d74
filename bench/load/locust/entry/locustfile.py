"""The locustfile of ``egress-bench``: one user class that drives the plan it is given."""

from __future__ import annotations

from bench.load.locust import process
from bench.load.locust.user import EgressUser


class PlanUser(EgressUser):
    """Drives the plan named by the environment; workers get it from the master."""

    plan = process.plan_from_environment()
