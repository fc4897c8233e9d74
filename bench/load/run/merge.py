"""Puts together what the workers reported, without loss, and shows that nothing vanished."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.analysis.histogram import LENGTH, Histogram, count_distinct
from bench.analysis.moments import keep_longest, split_moments
from bench.errors import LoadError
from bench.load.engine import schedule
from bench.load.engine.arrivals import Share, due_by_kind, salt_of, stage_starts
from bench.load.messages import BucketDelta, Delta, UsageSoFar
from bench.load.outcome import EndedIds, Example, Generator, LoadOutcome, LostShare, Second, StageOutcome
from bench.load.packing import pack_sequences, unpack, unpack_sequences
from bench.load.plan import LoadPlan
from bench.result import Counts, SubsetOutcome
from bench.result.reasons import Reason, ReasonCode
from bench.scenario import Closed

LOST: Final = Reason(ReasonCode.WORKER_LOST).key
"""Reason of requests of which it is unknown whether they were sent."""
_STOPPED: Final = Reason(ReasonCode.STOPPED).key
ENDED_KEPT: Final = 100_000_000
"""Ids of requests that ended badly which are kept of one stage; beyond, they are only counted."""
_NUMBERS: Final = ("due", "sent", "answered", "failed", "misrouted", "unsent")


@dataclass(slots=True)
class _Bucket:
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NUMBERS, 0))
    answered_by: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    slow_moments: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Ended:
    """Ids of one stage by the way in which they ended."""

    packed: dict[ReasonCode, list[str]] = field(default_factory=dict)
    """As they came: unpacked they are a hundred times as large."""
    kept: int = 0
    has_all: bool = True

    def add(self, code: ReasonCode, packed: str) -> None:
        size = unpack_sequences(packed).size
        if self.kept + size > ENDED_KEPT:
            self.has_all = False
            return
        self.kept += size
        self.packed.setdefault(code, []).append(packed)

    def ended_ids(self) -> tuple[EndedIds, ...]:
        return tuple(
            EndedIds(code=code, sequences=pack_sequences(np.concatenate([*map(unpack_sequences, parts)])))
            for code, parts in sorted(self.packed.items())
        )


@dataclass(slots=True)
class _Second:
    answered: int = 0
    bad: int = 0
    tally: Histogram | None = field(default_factory=Histogram)
    """None once the second is old and only its figures are kept."""
    p50: int | None = None
    maximum: int | None = None


@dataclass(slots=True)
class _Worker:
    share: Share
    name: str
    due: dict[tuple[int, int], int] = field(default_factory=dict)
    """What it has reported as due, per stage and kind."""
    reports: int = 0
    usage: UsageSoFar | None = None


class Merger:
    """Takes deltas in any order of workers; gives progress at any time and the outcome at the end."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._buckets = {
            (stage, kind): _Bucket()
            for stage in range(len(plan.stages))
            for kind in range(len(plan.requests))
        }
        self._ended = [_Ended() for _ in plan.stages]
        self._waited = [Histogram() for _ in plan.stages]
        self._own_lag = [Histogram() for _ in plan.stages]
        self._late_moments: list[dict[int, int]] = [{} for _ in plan.stages]
        self._seconds: dict[tuple[int, int], _Second] = {}
        self._open: set[tuple[int, int]] = set()
        """Seconds to which something may still be added."""
        self._latest = 0.0
        self._workers: dict[str, _Worker] = {}
        self._connects = Histogram()
        self._handshakes = Histogram()
        self._first_bytes = Histogram()
        self._received = 0
        self._examples: dict[tuple[str, str], Example] = {}
        self._recent = Histogram()
        self._lost: list[str] = []
        self._gone: list[str] = []
        """Ids of the lost workers."""
        self._starts = stage_starts(plan)

    def add_worker(self, worker: str, share: Share, name: str | None = None) -> None:
        """Expect deltas of *worker*, which takes *share* of the schedule."""
        self._workers[worker] = _Worker(share, name or worker)

    def add(self, worker: str, delta: Delta) -> None:
        """Merge one delta.

        Raises:
            LoadError: a delta before this one has been lost on its way.
        """
        known = self._workers[worker]
        known.reports += 1
        if delta.number not in (None, known.reports):
            raise LoadError(f"worker {known.name}: report {known.reports} did not arrive.")
        for each in delta.buckets:
            key = (each.stage, each.kind)
            self._add_bucket(key, each)
            known.due[key] = known.due.get(key, 0) + each.due
        if delta.connects is not None:
            self._connects.add(*unpack(delta.connects))
        if delta.handshakes is not None:
            self._handshakes.add(*unpack(delta.handshakes))
        if delta.first_bytes is not None:
            self._first_bytes.add(*unpack(delta.first_bytes))
        self._received += delta.received
        for example in delta.examples:
            self._examples.setdefault((example.subset, example.reason), example)
        if delta.usage is not None:
            known.usage = delta.usage

    def lose(self, worker: str, detail: str, until_s: float | None = None) -> str:
        """Account for a vanished worker: what it had sent failed, the rest is unsent, reason ``LOST``.

        Args:
            worker: its id.
            detail: what is known of it.
            until_s: the run was cut here (seconds from its start); None: the schedule's end.

        Returns:
            The line that names it.
        """
        known = self._workers[worker]
        missing = 0
        for stage in range(len(self._plan.stages)):
            for kind, due in enumerate(due_by_kind(self._plan, known.share, stage, until_s)):
                key = (stage, kind)
                gone = due - known.due.get(key, 0)
                if gone > 0:
                    bucket = self._buckets[key]
                    bucket.numbers["due"] += gone
                    known.due[key] = due
                    missing += gone
        line = f"{known.name}: {detail}; {missing} requests that it did not report count as unsent"
        self._lost.append(line)
        self._gone.append(worker)
        return line

    def _add_bucket(self, key: tuple[int, int], delta: BucketDelta) -> None:
        bucket = self._buckets[key]
        for name in _NUMBERS:
            bucket.numbers[name] += getattr(delta, name)
        for node, count in delta.answered_by.items():
            bucket.answered_by[node] = bucket.answered_by.get(node, 0) + count
        for reason, count in delta.reasons.items():
            bucket.reasons[reason] = bucket.reasons.get(reason, 0) + count
        for code, sequences in delta.ended.items():
            self._ended[key[0]].add(code, sequences)
        bucket.service.add(*unpack(delta.service))
        bucket.lag.add(*unpack(delta.lag))
        self._waited[key[0]].add(*unpack(delta.waited))
        self._own_lag[key[0]].add(*unpack(delta.own_lag))
        keep_longest(bucket.slow_moments, split_moments(unpack(delta.slow_moments)[0]))
        keep_longest(self._late_moments[key[0]], split_moments(unpack(delta.late_moments)[0]))
        numbers, counts = unpack(delta.response)
        seconds, buckets = np.divmod(numbers, LENGTH)
        for second in count_distinct(seconds)[0].tolist():
            here = seconds == second
            bucket.response.add(buckets[here], counts[here])
            self._recent.add(buckets[here], counts[here])
            entry = self._second(key[0], second)
            entry.answered += int(counts[here].sum())
            if entry.tally is not None:
                entry.tally.add(buckets[here], counts[here])
        for second, count in zip(*(part.tolist() for part in unpack(delta.bad_seconds)), strict=True):
            self._second(key[0], second).bad += count

    def progress(self) -> dict[str, Any]:
        """Counts so far, and percentiles (µs) since the last call."""
        totals = {name: sum(bucket.numbers[name] for bucket in self._buckets.values()) for name in _NUMBERS}
        recent = {"p50": self._recent.percentile(50), "p99": self._recent.percentile(99)}
        self._recent = Histogram()
        return {
            "due": totals["due"],
            "sent": totals["sent"],
            "answered": totals["answered"],
            "bad": totals["failed"] + totals["misrouted"] + totals["unsent"],
            **recent,
        }

    def _second(self, stage: int, second: int) -> _Second:
        key = (stage, second)
        entry = self._seconds.get(key)
        if entry is None:
            entry = self._seconds[key] = _Second()
            self._open.add(key)
            at = self._starts[stage] + second
            if at > self._latest:
                self._latest = at
                self._settle(at - self._plan.connections.read_timeout_s - 5)
        return entry

    def _settle(self, before_s: float) -> None:
        """Reduce seconds that are over for good to their two figures: memory stays constant."""
        for key in [key for key in self._open if self._starts[key[0]] + key[1] < before_s]:
            self._open.remove(key)
            entry = self._seconds[key]
            if entry.answered and entry.tally is not None:
                entry.p50 = entry.tally.percentile(50)
                entry.maximum = entry.tally.percentile(100)
            entry.tally = None

    def outcome(self, reason: str | None = None) -> LoadOutcome:
        """The merged outcome; *reason* says why the run was cut short, None if it was not.

        Raises:
            LoadError: the books do not balance, which would be a fault in the generator.
        """
        self._settle(float("inf"))
        stages = tuple(self._stage(number, reason) for number in range(len(self._plan.stages)))
        seconds = tuple(
            Second(
                stage=self._plan.stages[stage].name,
                second=second,
                due=entry.answered + entry.bad,
                answered=entry.answered,
                bad=entry.bad,
                response_time_p50=entry.p50,
                response_time_max=entry.maximum,
            )
            for (stage, second), entry in sorted(self._seconds.items())
        )
        return LoadOutcome(
            stages=stages,
            generator=self._generator(),
            examples=tuple(self._examples.values()),
            seconds=seconds,
            lost_shares=tuple(
                LostShare(index=self._workers[worker].share.index, total=self._workers[worker].share.total)
                for worker in self._gone
            ),
            lost_workers=tuple(self._lost),
            complete=reason is None,
            reason=reason,
        )

    def _stage(self, number: int, reason: str | None) -> StageOutcome:
        stage = self._plan.stages[number]
        subsets = []
        for kind, request in enumerate(self._plan.requests):
            bucket = self._buckets[number, kind]
            counts = self._balanced(bucket, f"{stage.name}, {request.name}", strict=reason is None)
            subsets.append(
                SubsetOutcome(
                    name=request.name,
                    counts=counts,
                    response_time=bucket.response.encode(),
                    service_time=bucket.service.encode(),
                    lag=bucket.lag.encode(),
                )
            )
        intended = schedule.count(stage.schedule, stage.duration_s, salt=salt_of(self._plan, number))
        due = sum(subset.counts.due for subset in subsets)
        if intended is not None and self._workers and all(w.share.total == 1 for w in self._workers.values()):
            # Users that do not share: each has the whole schedule for itself.
            intended *= len(self._workers)
        if reason is None and intended is not None and due != intended:
            raise LoadError(f"stage {stage.name}: {intended} requests were planned and {due} became due.")
        return StageOutcome(
            name=stage.name,
            kind=stage.kind,
            duration_s=stage.duration_s,
            open_loop=not isinstance(stage.schedule, Closed),
            intended=due if intended is None else intended,
            subsets=tuple(subsets),
            waited=self._waited[number].encode(),
            own_lag=self._own_lag[number].encode(),
            slow_moments={
                request.name: moments
                for kind, request in enumerate(self._plan.requests)
                if (moments := self._buckets[number, kind].slow_moments)
            },
            late_moments=self._late_moments[number],
            ended=self._ended[number].ended_ids(),
            has_all_ended=self._ended[number].has_all,
        )

    def _balanced(self, bucket: _Bucket, where: str, *, strict: bool) -> Counts:
        """Check that each due request has exactly one ending; with lost workers the rest is unsent."""
        numbers = dict(bucket.numbers)
        reasons = dict(bucket.reasons)
        ended = numbers["answered"] + numbers["failed"] + numbers["misrouted"]
        if self._lost or not strict:
            why = LOST if self._lost else _STOPPED
            # Sent, and the worker died before it could say what came back; or due, and nothing is known.
            in_flight = max(0, numbers["sent"] - ended)
            gone = max(0, numbers["due"] - numbers["sent"] - numbers["unsent"])
            numbers["failed"] += in_flight
            numbers["unsent"] += gone
            ended += in_flight
            if in_flight + gone:
                reasons[why] = reasons.get(why, 0) + in_flight + gone
        if numbers["due"] != numbers["sent"] + numbers["unsent"] or numbers["sent"] != ended:
            raise LoadError(f"the generator's books do not balance ({where}): {numbers}.")
        return Counts(
            **numbers,
            answered_by=dict(sorted(bucket.answered_by.items())),
            reasons=dict(sorted(reasons.items())),
        )

    def _generator(self) -> Generator:
        usages = [worker.usage for worker in self._workers.values() if worker.usage is not None]
        # The workers' means add up: each saw its own connections.
        means = [each.in_flight_sum / each.in_flight_samples for each in usages if each.in_flight_samples]
        queued = [each.queued_sum / each.in_flight_samples for each in usages if each.in_flight_samples]
        return Generator(
            cpu_seconds=sum(each.cpu_seconds for each in usages),
            requests=sum(each.requests for each in usages),
            workers=len(self._workers),
            connects=sum(each.connects for each in usages),
            connect_time=self._connects.encode() if self._connects.total else None,
            handshake_time=self._handshakes.encode() if self._handshakes.total else None,
            first_byte_time=self._first_bytes.encode() if self._first_bytes.total else None,
            received_bytes=self._received if self._first_bytes.total else None,
            involuntary_context_switches=sum(each.switches for each in usages) if usages else None,
            mean_in_flight=sum(means) if means else None,
            mean_queued=sum(queued) if queued else None,
            connections=sum(each.connections for each in usages) or None,
            in_flight_samples=sum(each.in_flight_samples for each in usages) or None,
            reconnects=sum(each.reconnects for each in usages),
        )
