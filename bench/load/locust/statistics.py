"""Feeds Locust's own statistics in batches, so that its web UI, CSV and HTML show what the engine does.

One ``StatsEntry.extend`` for each report costs nothing per request; Locust's figures keep Locust's rounding.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from locust.env import Environment
from locust.stats import StatsEntry, StatsError, bucket_response_time

from bench.analysis.histogram import LENGTH, count_distinct, highest_of
from bench.load.messages import BucketDelta, Delta
from bench.load.packing import unpack
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason


def feed(environment: Environment, plan: LoadPlan, delta: Delta) -> None:
    """Add what *delta* holds to the statistics of this Locust process."""
    stats = environment.stats
    for each in delta.buckets:
        request = plan.requests[each.kind]
        name = f"{request.path} [{request.name}]"
        batch = _batch(stats, name, request.method, each)
        if batch is not None:
            stats.entries[name, request.method].extend(batch)
            stats.total.extend(batch)
        for key, count in each.reasons.items():
            _fail(stats, name, request.method, Reason.of(key).text, count)


def _batch(stats: Any, name: str, method: str, delta: BucketDelta) -> StatsEntry | None:
    numbers, counts = unpack(delta.response)
    bad = delta.failed + delta.misrouted + delta.unsent
    if not numbers.size and not bad:
        return None
    batch = StatsEntry(stats, name, method)
    # Locust keys its one-second counts by Unix time.
    second = int(time.time())
    answered = int(counts.sum())
    batch.num_requests = answered + bad
    batch.num_none_requests = bad
    batch.num_failures = bad
    batch.num_reqs_per_sec[second] = answered + bad
    if bad:
        batch.num_fail_per_sec[second] = bad
    batch.last_request_timestamp = second
    if answered:
        millis = highest_of(numbers % LENGTH) / 1000
        batch.total_response_time = float((millis * counts).sum())  # type: ignore[assignment]
        batch.min_response_time = float(millis.min())  # type: ignore[assignment]
        batch.max_response_time = float(millis.max())  # type: ignore[assignment]
        rounded = count_distinct(np.rint(millis).astype(np.int64), counts)
        for value, count in zip(*(part.tolist() for part in rounded), strict=True):
            key = bucket_response_time(value)
            batch.response_times[key] = batch.response_times.get(key, 0) + count
    return batch


def _fail(stats: Any, name: str, method: str, reason: str, count: int) -> None:
    """As ``RequestStats.log_error``, *count* times at once."""
    key = StatsError.create_key(method, name, reason)
    entry = stats.errors.get(key)
    if entry is None:
        entry = stats.errors[key] = StatsError(method, name, reason)
    entry.occurrences += count
