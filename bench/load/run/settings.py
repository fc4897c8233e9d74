"""What a plan asks of the Locust processes that carry it out; plans that ask the same can share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from bench.errors import LoadError
from bench.load.plan import LoadPlan

MASTER_PORT: Final = 5557
"""Where remote workers look for their master, unless configured otherwise."""


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """How many processes, and where those of other machines join."""

    workers: int = 1
    """Of this machine."""
    remote_workers: int = 0
    remote_workers_timeout_s: float = 600.0
    master_bind: str = "127.0.0.1"
    master_port: int | None = None

    @classmethod
    def of(cls, plan: LoadPlan) -> Self:
        """Those of *plan*.

        Raises:
            LoadError: more workers than connections.
        """
        total = plan.workers + plan.remote_workers
        if plan.connections.count < total:
            raise LoadError(
                f"{plan.connections.count} connections cannot be shared among {total} workers.",
                remedy="Use more connections or fewer workers.",
            )
        return cls(
            workers=plan.workers,
            remote_workers=plan.remote_workers,
            remote_workers_timeout_s=plan.remote_workers_timeout_s,
            master_bind=plan.master_bind,
            master_port=plan.master_port,
        )

    @property
    def total(self) -> int:
        """All workers."""
        return self.workers + self.remote_workers
