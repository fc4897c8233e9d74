"""What the load was, and how it went where its rate changed: step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.report.document import Facts, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.text import micros, rate, share, some
from bench.result import Latency, Result, TrafficResult
from bench.units import format_count, format_micros

RAMP_PARTS = 8
"""A ramp is shown in this many equal parts."""


def load(result: Result, seconds: pd.DataFrame) -> Section:
    """Rate, connections and mix of the steady trials; steps and ramps part by part.

    Args:
        result: the run.
        seconds: the measured seconds of the steady trials, see ``build``; empty where none were stored.
    """
    found = result.traffic
    if found is None:
        return Section("load", "Load", (Note("This result does not say what the traffic was."),))
    parts: list[Part] = [_facts(found)]
    if (client := _client_facts(result)) is not None:
        parts.append(client)
    mix = Table(
        columns=("kind", "share", "request", "answered by"),
        rows=tuple(
            (each.name, share(each.share), each.request, some(each.nodes) or "a proxy") for each in found.mix
        ),
        numbers_from=4,
        caption="The mix: each request is drawn at random, with a fixed seed, by these shares.",
    )
    parts += fold(mix, f"The mix of {len(found.mix)} kinds of requests")
    parts += _by_part(found, seconds)
    return Section("load", "Load", tuple(parts), "What was asked of the path in each steady trial.")


def _facts(found: TrafficResult) -> Facts:
    kept = "kept open" if found.keep_alive else "one request each"
    if found.requests_per_connection is not None and found.keep_alive:
        kept = f"closed after {found.requests_per_connection:,} requests"
    return Facts(
        (
            ("URL", found.url),
            ("rate", schedule_text(found)),
            ("connections of the client", f"{found.connections:,}, {kept}"),
            ("load processes", format_count(found.workers)),
            ("warm-up, then measured", f"{found.warm_up_s:g} s, then {found.measure_s:g} s"),
        )
    )


def _client_facts(result: Result) -> Facts | None:
    """TLS and bytes as the client itself saw them; None: it spoke plain HTTP alone."""
    generator = result.generator
    if generator is None:
        return None
    rows = []
    if (shaken := generator.client_handshake_time) is not None:
        rows.append(("TLS handshakes of the client", f"{shaken.samples:,}; {_latency(shaken)}"))
    if (first := generator.first_byte_time) is not None:
        rows.append(("exchanges of bytes", f"{first.samples:,}, {rate(generator.exchanges_per_s)}/s"))
        rows.append(("from the connection's start to the first byte", _latency(first)))
        rows.append(("bytes of their answers", format_count(generator.received_bytes)))
    return Facts(tuple(rows)) if rows else None


def _latency(found: Latency) -> str:
    median, p99 = format_micros(found.p50), format_micros(found.p99)
    return f"p50 {median}, p99 {p99}, at most {format_micros(found.maximum)}"


def schedule_text(found: TrafficResult) -> str:
    """The arrival schedule in words."""
    rates = [rate(each) for each in found.rates]
    match found.schedule:
        case "constant":
            return f"{rates[0]} requests/s, evenly spaced"
        case "poisson":
            return f"{rates[0]} requests/s, independent arrivals (Poisson)"
        case "jitter":
            return f"{rates[0]} requests/s, evenly spaced with jitter"
        case "ramp":
            return f"from {rates[0]} to {rates[1]} requests/s in a straight line"
        case "steps":
            return f"{', '.join(rates)} requests/s in equal steps"
        case "closed":
            return "closed loop: each connection sends when its last request is answered"


def _by_part(found: TrafficResult, seconds: pd.DataFrame) -> list[Part]:
    count = {"steps": len(found.rates), "ramp": RAMP_PARTS}.get(found.schedule)
    if not count or seconds.empty:
        return []
    length = found.measure_s / count
    rows = []
    for number in range(count):
        # A second belongs to the part in which it begins.
        inside = seconds[
            (seconds["second"] >= number * length - 1e-9) & (seconds["second"] < (number + 1) * length - 1e-9)
        ]
        rows.append(_row(number, length, found, inside))
    name = "step" if found.schedule == "steps" else "part"
    return [
        Table(
            columns=(name, "seconds", "asked/s", "due", "answered", "not answered", "p50", "slowest"),
            rows=tuple(rows),
            marks=tuple("good" if row[5] == "0" else "bad" for row in rows),
            numbers_from=2,
            caption=f"{name.capitalize()} by {name}, all steady trials together; response time in µs."
            " p50 is the median of the medians of its seconds.",
        )
    ]


def _row(number: int, length: float, found: TrafficResult, inside: pd.DataFrame) -> tuple[str, ...]:
    begin, end = number * length, (number + 1) * length
    if found.schedule == "steps":
        asked = rate(found.rates[number])
    else:
        first, last = found.rates
        ends = [first + (last - first) * place / RAMP_PARTS for place in (number, number + 1)]
        asked = f"{rate(ends[0])} – {rate(ends[1])}"
    median = inside["response_time_p50"].dropna().to_numpy(dtype=float)
    slowest = inside["response_time_max"].dropna().to_numpy(dtype=float)
    return (
        str(number + 1),
        f"{begin:.3g} – {end:.3g}",
        asked,
        format_count(int(inside["due"].sum())),
        format_count(int(inside["answered"].sum())),
        format_count(int(inside["bad"].sum())),
        micros(float(np.median(median)) if median.size else None),
        micros(float(slowest.max()) if slowest.size else None),
    )
