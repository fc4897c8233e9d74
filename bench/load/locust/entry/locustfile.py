"""The locustfile of ``egress-bench``: one user class whose plans come from the process above, one by one."""

from __future__ import annotations

from bench.load.locust.user import EgressUser


class PlanUser(EgressUser):
    """Carries out what the coordinator gives it."""
