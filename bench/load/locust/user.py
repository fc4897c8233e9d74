"""EgressUser: the engine as a Locust user class, to be subclassed and mixed with ordinary users.

Importing this module imports Locust, which patches the whole process: only Locust processes may do so.
"""

from __future__ import annotations

from typing import Any, ClassVar

from locust import User, constant, task

from bench.load.locust import process
from bench.load.plan import LoadPlan


class EgressUser(User):
    """Drives ``plan``; all users of a class, on all workers, share it and start together.

    With ``shared = False`` each user drives the whole plan for itself from the moment it spawns: then spawn
    rates and a LoadTestShape decide how much load there is.

    A user that spawns after the start has nothing to do and ends. When the plan is done the users end; Locust
    itself goes on if other users are there. The outcome goes to ``<class name>.outcome.json``::

        class Traffic(EgressUser):
            plan = LoadPlan.model_validate_json(Path("plan.json").read_text())
            fixed_count = 1
    """

    abstract: bool = True
    plan: ClassVar[LoadPlan | None] = None
    shared: ClassVar[bool] = True
    wait_time = constant(0)

    @task
    def drive(self) -> None:
        """Take part in the run until it is over."""
        process.of(self.environment).take_part(type(self).__name__)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
