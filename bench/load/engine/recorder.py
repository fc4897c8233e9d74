"""What a worker remembers: raw clocks for a moment, then bucket counts that can be merged without loss."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bench.analysis.histogram import LENGTH, Ints, bucket_of
from bench.analysis.moments import longest_by_moment
from bench.load.engine.check import Ending, Verdict
from bench.load.engine.request import SEQUENCE_DIGITS
from bench.load.messages import BucketDelta, Delta
from bench.load.outcome import Example
from bench.load.packing import pack, pack_sequences
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason, ReasonCode

FULL: Final = 4 * 4096
"""Clocks in a bucket's buffer after which it should be emptied."""
_MANY: Final = 16
"""Kinds of requests beyond which they are not all counted in every report."""
_FEW: Final = 4 * 512
"""Clocks up to which a bucket may wait then."""
_PATIENCE: Final = 16
"""Reports, of which there are two in a second, after which it waits no longer."""
EXAMPLE_BYTES: Final = 4096
_EXAMPLES: Final = 100


class Bucket:
    """One kind of request in one stage."""

    __slots__ = (
        "add",
        "bad",
        "by_node",
        "clocks",
        "due",
        "ended",
        "endings",
        "kind",
        "kind_index",
        "last_second",
        "reasons",
        "sent",
        "stage",
        "start",
    )

    def __init__(
        self, stage: int, kind_index: int, kind: Any, last_second: int, *, counts_nodes: bool = False
    ) -> None:
        self.stage = stage
        self.last_second = last_second
        self.kind_index = kind_index
        self.kind = kind
        """The engine's prepared request."""
        self.start = 0.0
        """Monotonic time of the stage's start."""
        self.clocks: list[float] = []
        """due, free, sent, done of each right answer, flat; free: when there was a connection for it."""
        self.add: Callable[[tuple[float, float, float, float]], None] = self.clocks.extend
        self.by_node: defaultdict[str, int] | None = defaultdict(int) if counts_nodes else None
        """Right answers by the node that gave them; None where only one node may."""
        self.bad: list[tuple[float, float, float]] = []
        """due, free and sent (NaN if never) of all others."""
        self.due = 0
        self.sent = 0
        self.endings: dict[Ending, int] = {"failed": 0, "misrouted": 0, "unsent": 0}
        self.reasons: dict[Reason, int] = {}
        self.ended: dict[ReasonCode, list[int]] = {}
        """Sequence numbers of all requests without a right answer: those with one are the rest."""

    def clear(self) -> None:
        """Forget what was reported."""
        self.clocks.clear()
        self.bad.clear()
        if self.by_node is not None:
            self.by_node.clear()
        self.due = self.sent = 0
        self.reasons = {}
        self.ended = {}
        self.endings = {"failed": 0, "misrouted": 0, "unsent": 0}


class Recorder:
    """All buckets of one worker, and what they have to report since they were last asked."""

    def __init__(self, plan: LoadPlan, kinds: list[Any]) -> None:
        self._plan = plan
        self.buckets = [
            [
                Bucket(
                    number,
                    index,
                    kind,
                    math.ceil(stage.duration_s) - 1,
                    counts_nodes=len(plan.requests[index].expect.nodes) > 1,
                )
                for index, kind in enumerate(kinds)
            ]
            for number, stage in enumerate(plan.stages)
        ]
        self._has_many = len(kinds) > _MANY
        self._takes = 0
        self._seen: set[tuple[str, Reason]] = set()
        self._examples: list[Example] = []
        self._connects: list[float] = []
        self._handshakes: list[float] = []
        self._first_bytes: list[float] = []
        self._received = 0

    def begin(self, starts: list[float]) -> None:
        """Fix the monotonic start of each stage."""
        for buckets, start in zip(self.buckets, starts, strict=False):
            for bucket in buckets:
                bucket.start = start

    def is_full(self, limit: int) -> bool:
        """Whether a bucket holds *limit* clocks or more."""
        return any(len(bucket.clocks) >= limit for buckets in self.buckets for bucket in buckets)

    def connected(self, seconds: float) -> None:
        """Record the time that one connection took to open."""
        self._connects.append(seconds)

    def shaken(self, seconds: float) -> None:
        """Record the time that one TLS handshake took, from the TCP connection on."""
        self._handshakes.append(seconds)

    def first_byte(self, seconds: float) -> None:
        """Record the time from the start of a connection until the first byte of its answer."""
        self._first_bytes.append(seconds)

    def received(self, count: int) -> None:
        """Count bytes of answers that are not HTTP."""
        self._received += count

    def ended_badly(
        self,
        bucket: Bucket,
        request_id: bytes,
        clocks: tuple[float, float, float],
        verdict: Verdict,
        *,
        request: bytes = b"",
        response: bytes = b"",
    ) -> None:
        """Record request *request_id*, which got no right answer.

        *clocks* are due, free and sent; the latter two NaN if that never was.
        """
        reason = verdict.reason
        bucket.bad.append(clocks)
        bucket.endings[verdict.ending] += 1
        bucket.reasons[reason] = bucket.reasons.get(reason, 0) + 1
        bucket.ended.setdefault(reason.code, []).append(int(request_id[-SEQUENCE_DIGITS:]))
        key = (self._plan.requests[bucket.kind_index].name, reason)
        if key not in self._seen and len(self._seen) < _EXAMPLES:
            self._seen.add(key)
            self._examples.append(
                Example(
                    stage=self._plan.stages[bucket.stage].name,
                    subset=key[0],
                    reason=reason.key,
                    request=request[:EXAMPLE_BYTES].decode("latin-1"),
                    response=response[:EXAMPLE_BYTES].decode("latin-1"),
                )
            )

    def take(self, *, everything: bool = True) -> Delta:
        """Everything since the last call, as counts; the raw clocks are gone afterwards.

        Not *everything*: of many kinds of requests, those with few answers may wait for a later call, since
        counting a bucket costs as much for a few as for some hundred.
        """
        self._takes += 1
        waits = not everything and self._has_many and self._takes % _PATIENCE != 0
        filled = (
            _empty(bucket)
            for buckets in self.buckets
            for bucket in buckets
            if not (waits and len(bucket.clocks) < _FEW)
        )
        delta = Delta(
            buckets=tuple(each for each in filled if each is not None),
            connects=pack(_buckets(np.asarray(self._connects))) if self._connects else None,
            handshakes=pack(_buckets(np.asarray(self._handshakes))) if self._handshakes else None,
            first_bytes=pack(_buckets(np.asarray(self._first_bytes))) if self._first_bytes else None,
            received=self._received,
            examples=tuple(self._examples),
        )
        self._connects.clear()
        self._handshakes.clear()
        self._first_bytes.clear()
        self._received = 0
        self._examples = []
        return delta


def _micros(seconds: Any) -> Ints:
    micros = np.asarray(seconds, dtype=np.float64) * 1e6
    whole: Ints = np.rint(micros, out=micros).astype(np.int64)
    return whole


def _buckets(seconds: Any) -> Ints:
    return bucket_of(_micros(seconds))


def _empty(bucket: Bucket) -> BucketDelta | None:
    """Turn raw clocks into counts and forget them."""
    answered = len(bucket.clocks) // 4
    if not (answered or bucket.bad or bucket.due or bucket.sent):
        return None
    clocks = np.asarray(bucket.clocks, dtype=np.float64).reshape(-1, 4)
    bad = np.asarray(bucket.bad, dtype=np.float64).reshape(-1, 3)
    due, sent, done = clocks[:, 0], clocks[:, 2], clocks[:, 3]
    left = np.concatenate([clocks[:, :3], bad[~np.isnan(bad[:, 2])]]) if bucket.bad else clocks[:, :3]
    # All times in two arrays: of few answers, the calls of numpy are what costs.
    times = _micros(np.stack([done - due, done - sent]))
    lags = _micros(np.stack([left[:, 2] - left[:, 0], left[:, 1] - left[:, 0], left[:, 2] - left[:, 1]]))
    (response, service), (lag, waited, own_lag) = bucket_of(times), bucket_of(lags)
    delta = BucketDelta(
        stage=bucket.stage,
        kind=bucket.kind_index,
        due=bucket.due,
        sent=bucket.sent,
        answered=answered,
        **bucket.endings,
        answered_by=dict(bucket.by_node or {}),
        reasons={reason.key: count for reason, count in bucket.reasons.items()},
        ended={
            code: pack_sequences(np.asarray(numbers, dtype=np.int64))
            for code, numbers in bucket.ended.items()
        },
        # Second and bucket in one number: the response times of the stage are the sum over its seconds.
        response=pack(_seconds(bucket, due) * LENGTH + response),
        service=pack(service),
        lag=pack(lag),
        waited=pack(waited),
        own_lag=pack(own_lag),
        bad_seconds=pack(_seconds(bucket, bad[:, 0])),
        slow_moments=pack(longest_by_moment(sent - bucket.start, times[1])),
        late_moments=pack(longest_by_moment(left[:, 2] - bucket.start, lags[2])),
    )
    bucket.clear()
    return delta


def _seconds(bucket: Bucket, due: Any) -> Ints:
    """Whole seconds from the stage's start; what a closed loop sends at the very end belongs to the last."""
    whole: Ints = np.floor(np.asarray(due) - bucket.start).astype(np.int64)
    return np.clip(whole, 0, bucket.last_second)
