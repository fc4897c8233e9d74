"""The traffic of a scenario, as the result shows it."""

from __future__ import annotations

import shlex

from bench.result import MixResult, TrafficResult
from bench.scenario import Closed, Constant, Jitter, MixedRequest, Poisson, Ramp, Schedule, Steps, Traffic


def traffic_of(traffic: Traffic) -> TrafficResult:
    """What each steady trial is asked to send."""
    whole = sum(request.weight for request in traffic.mix)
    return TrafficResult(
        url=traffic.url or traffic.first.url,
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
                name=request.name,
                share=request.weight / whole,
                request=_request_text(request),
                nodes=request.expect.nodes,
            )
            for request in traffic.mix
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


def _request_text(request: MixedRequest) -> str:
    content = request.written.content
    body = ["-d", f"{len(content):,} bytes"] if content else []
    if not request.is_http:
        return shlex.join([request.url, *body])
    headers = [word for name, value in request.headers.items() for word in ("-H", f"{name}: {value}")]
    version = [request.protocol] if request.protocol != "http/1.1" else []
    return shlex.join([request.method, request.url, *version, *headers, *body])
