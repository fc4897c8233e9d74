"""Metrics for node_exporter's textfile collector, in OpenMetrics' text form.

All are gauges of one finished run; seconds, bytes and ratios, as Prometheus' conventions ask. What is
unknown is left out, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from bench.analysis.ledger import summarise_ledger
from bench.analysis.verdict import judge
from bench.result import Latency, Result
from bench.units import MICROS_PER_SECOND

_PREFIX = "egress_bench_"
_QUANTILES = (("p50", "0.5"), ("p90", "0.9"), ("p99", "0.99"), ("p999", "0.999"), ("maximum", "1"))


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def metrics_of(result: Result) -> str:
    """Write the metrics of a run; each has the label ``scenario``."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for sample in _samples(result):
        names = ("scenario", *(name for name, _ in sample.labels))
        if sample.name not in gauges:
            gauges[sample.name] = Gauge(_PREFIX + sample.name, sample.help, names, registry=registry)
        gauges[sample.name].labels(result.scenario, *(value for _, value in sample.labels)).set(sample.value)
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


def _samples(result: Result) -> Iterator[_Sample]:
    yield _Sample("exit_code", "0 passed, 1 failed, 2 aborted, 3 nothing proven", judge(result).exit_code)
    started = datetime.fromisoformat(result.started_at).timestamp()
    yield _Sample("started_timestamp_seconds", "When the run started", started)
    yield from _requests(result)
    yield from _costs(result)
    ledger = summarise_ledger(result)
    if ledger is not None:
        yield _Sample("ledger_unexplained", "Requests that no account explains", ledger.unexplained)
    calls = len(result.verification)
    if calls:
        yield _Sample("verification_calls", "Calls before the load", calls)
        failed = sum(not line.passed for line in result.verification)
        yield _Sample("verification_calls_failed", "Calls that were not answered as expected", failed)
    if result.capacity is not None:
        for bound in ("lower", "upper"):
            value = getattr(result.capacity, bound)
            if value is not None:
                text = "Bound of the capacity in requests per second"
                yield _Sample("capacity_requests_per_second", text, value, (("bound", bound),))


def _requests(result: Result) -> Iterator[_Sample]:
    for subset in result.totals:
        of = ("subset", subset.name)
        for outcome in ("due", "sent", "answered", "unsent", "failed", "misrouted"):
            labels = (of, ("outcome", outcome))
            yield _Sample("requests", "Requests of the measured stages", getattr(subset, outcome), labels)
        clocks: tuple[tuple[str, str, Latency], ...] = (
            ("response_time_seconds", "From due to answered", subset.response_time),
            ("service_time_seconds", "From sent to answered", subset.service_time),
        )
        for name, text, latency in clocks:
            for field, quantile in _QUANTILES:
                value = getattr(latency, field)
                if value is not None:
                    yield _Sample(name, text, value / MICROS_PER_SECOND, (of, ("quantile", quantile)))


def _costs(result: Result) -> Iterator[_Sample]:
    for trial in result.trials:
        for cost in trial.costs:
            labels = (("experiment", trial.experiment), ("trial", trial.name), ("component", cost.component))
            if cost.cpu_us_per_request is not None:
                seconds = cost.cpu_us_per_request / MICROS_PER_SECOND
                yield _Sample("cpu_seconds_per_request", "CPU of a part per request", seconds, labels)
            if cost.memory_bytes is not None:
                yield _Sample("memory_bytes", "Peak memory of a part", cost.memory_bytes, labels)
