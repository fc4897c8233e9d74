"""What the generator itself costs, over the measured stages."""

from __future__ import annotations

import resource
from collections.abc import Iterable

from bench.load.messages import BucketDelta, UsageSoFar
from bench.load.plan import LoadPlan


class GeneratorUsage:
    """CPU time, context switches, connections, and samples of what is in flight."""

    def __init__(self, plan: LoadPlan) -> None:
        self._measured = {number for number, stage in enumerate(plan.stages) if stage.kind == "measure"}
        self._usage: tuple[float, int] | None = None
        self._cpu_seconds = 0.0
        self._switches = 0
        self._requests = 0
        self._samples = 0
        self._in_flight = 0
        self._queued = 0
        self.connections = 0
        self.connects = 0
        self.reconnects = 0

    def cross(self, stage: int) -> None:
        """*stage* begins: close the account of a measured stage, open that of the next."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        now = (usage.ru_utime + usage.ru_stime, usage.ru_nivcsw)
        if self._usage is not None:
            self._cpu_seconds += now[0] - self._usage[0]
            self._switches += now[1] - self._usage[1]
        self._usage = now if stage in self._measured else None

    def sample(self, in_flight: int, queued: int) -> None:
        """Remember how many requests are on a connection and how many wait for one, for Little's law."""
        if self._usage is not None:
            self._samples += 1
            self._in_flight += in_flight
            self._queued += queued

    def so_far(self, buckets: Iterable[BucketDelta]) -> UsageSoFar:
        """All figures so far; *buckets* are the counts reported with them."""
        self._requests += sum(each.sent for each in buckets if each.stage in self._measured)
        return UsageSoFar(
            cpu_seconds=self._cpu_seconds,
            switches=self._switches,
            requests=self._requests,
            connects=self.connects,
            reconnects=self.reconnects,
            in_flight_sum=self._in_flight,
            queued_sum=self._queued,
            in_flight_samples=self._samples,
            connections=self.connections,
        )
