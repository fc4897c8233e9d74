"""A generator that sends nothing: it plays a plan back in no time, and reports the runner's events."""

import math

from bench.load import Generator, LoadOutcome, Progress, StageEnded, StageOutcome, StageStarted
from bench.measure.bookkeeper import Readings
from bench.measure.meter import Reading
from bench.result import Book, Counts, LedgerBook, LedgerResult, SubsetOutcome
from bench.scenario.traffic import mean_rate
from bench.telemetry.admin import Snapshot
from tests.support.histograms import blob


def counts_of(due, **changes):
    """All answered correctly, but for *changes*, such as ``misrouted=3``."""
    ended = {"unsent": 0, "failed": 0, "misrouted": 0, **changes}
    sent = due - ended["unsent"]
    return Counts(due=due, sent=sent, answered=sent - ended["failed"] - ended["misrouted"], **ended)


class FakeGenerator:
    """Stands in for ``run_load``; *at* gets the plan and each event's name, and may raise or kill."""

    def __init__(self, *, at=lambda plan, moment: None, changes=lambda plan, stage: {}, lag=(100,)):
        self.at = at
        self.changes = changes
        self.lag = lag
        self.plans = []

    def __call__(self, plan, folder, *, on_event=None, stop=None, locust_outputs=None, launcher=None):
        self.plans.append(plan)
        stages = []
        notify = on_event or (lambda _: None)
        for stage in plan.stages:
            notify(StageStarted(stage.name, stage.kind, 0.0))
            self.at(plan, f"{stage.name} starts")
            notify(Progress(stage.name, 0.5, 0.5, due=1, sent=1, answered=1, bad=0, p50=1, p99=1))
            if stop is not None and stop.is_set():
                stages.append(self._stage(plan, stage, 0.5))
                return self._outcome(plan, stages, complete=False)
            stages.append(self._stage(plan, stage, 1.0))
            notify(StageEnded(stage.name, stage.kind, 0.0))
            self.at(plan, f"{stage.name} ends")
        return self._outcome(plan, stages)

    def baseline(self, plan, folder, *, launcher=None):
        """Stands in for ``measure_null_target_baseline``."""
        return self(plan, folder)

    def _stage(self, plan, stage, share):
        due = math.ceil((mean_rate(stage.schedule) or 100) * stage.duration_s * share / len(plan.requests))
        changes = self.changes(plan, stage)
        return StageOutcome(
            name=stage.name,
            kind=stage.kind,
            duration_s=stage.duration_s * share,
            open_loop=True,
            intended=due * len(plan.requests),
            subsets=tuple(
                SubsetOutcome(
                    name=kind.name,
                    counts=counts_of(due, **changes),
                    response_time=blob(*[900] * due),
                    service_time=blob(*[800] * due),
                    lag=blob(*self.lag * due),
                )
                for kind in plan.requests
            ),
        )

    def _outcome(self, plan, stages, *, complete=True):
        generator = Generator(cpu_seconds=0.01, requests=100, workers=plan.workers, connects=1)
        return LoadOutcome(
            stages=tuple(stages),
            generator=generator,
            complete=complete,
            reason=None if complete else "stopped",
        )


class FakeMeter:
    """Reads nothing and costs nothing; *falls* lets the gateway's counters fall under way."""

    def __init__(self, stack, gateway, sidecars=(), *, falls=False):
        self.falls = falls
        self.readings = 0

    def read(self):
        self.readings += 1
        value = 100 - self.readings if self.falls else 0
        return Reading(0, {}, {}, Snapshot("egress", {"cluster.c.ssl.handshake": value}, 0.0, 0))

    def costs(self, before, after, requests, peaks):
        return ()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class FakeBooks:
    """Always balanced."""

    def __init__(self, stack, topology, matcher=None):
        self.level = "counters" if matcher is None else "full"

    def read(self):
        return Readings({}, {}, {})

    def close(self, before, load, outcome):
        book = LedgerBook(
            level="counters",
            book=Book.CLIENT,
            left=1,
            right=1,
            unexplained=0,
            state="balanced",
        )
        return LedgerResult(level="counters", books=(book,), requests=1)
