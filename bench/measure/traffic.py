"""The traffic of a scenario, as the result tells it."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from bench.result import MixResult, TrafficResult
from bench.scenario import Closed, Constant, Jitter, Poisson, Ramp, Schedule, Steps, Subset, Traffic


def traffic_of(traffic: Traffic) -> TrafficResult:
    """What each steady trial is asked to send."""
    whole = sum(subset.weight for subset in traffic.subsets.values())
    return TrafficResult(
        url=traffic.url,
        schedule=traffic.schedule.kind,
        rates=_rates(traffic.schedule),
        connections=traffic.connections.count,
        keep_alive=traffic.connections.keep_alive,
        requests_per_connection=traffic.connections.requests_per_connection,
        workers=traffic.workers,
        warm_up_s=traffic.warm_up_s,
        measure_s=traffic.measure_s,
        mix=tuple(
            MixResult(
                name=name,
                share=subset.weight / whole,
                request=_request(traffic, subset),
                nodes=subset.expect.nodes,
            )
            for name, subset in traffic.subsets.items()
        ),
    )


def _rates(schedule: Schedule) -> tuple[float, ...]:
    match schedule:
        case Constant() | Poisson() | Jitter():
            return (schedule.arrival_rate,)
        case Ramp():
            return schedule.from_rate, schedule.to_rate
        case Steps():
            return schedule.rates
        case Closed():
            return ()


def _request(traffic: Traffic, subset: Subset) -> str:
    base = urlsplit(traffic.url)
    url = f"{base.scheme}://{base.netloc}{subset.path or traffic.path}"
    headers = [word for name, value in subset.headers.items() for word in ("-H", f"{name}: {value}")]
    body = ["-d", f"{len(subset.body):,} characters"] if subset.body else []
    return shlex.join([subset.method, url, *headers, *body])
