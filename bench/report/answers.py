"""The five questions of the product, each answered in one sentence from the result alone."""

from __future__ import annotations

from bench.analysis.bounds import misroute_upper_bound
from bench.analysis.capacity_verdict import outcome_of
from bench.analysis.compare import compare_sources
from bench.analysis.handshake import doubts, mode_doubts
from bench.analysis.verdict import misrouted_anywhere, whole, wrong_bodies_anywhere
from bench.report.document import Answer, Figure
from bench.report.text import UNKNOWN, bound, rate, with_unit
from bench.result import (
    HANDSHAKE_KINDS,
    CapacityResult,
    Comparison,
    HandshakeKind,
    HandshakeResult,
    Latency,
    Result,
    SubsetResult,
)
from bench.units import format_count, format_micros

NOT_MEASURED = "Not measured in this run."


def answers(result: Result) -> tuple[Answer, ...]:
    """Correctness, latency, handshake cost, capacity, static or EDS: one sentence each."""
    total = whole(result)
    return (
        _correctness(result, total),
        _latency(result, total),
        _handshake(result.handshake),
        _capacity(result.capacity),
        _config_source(result.comparisons),
    )


def _correctness(result: Result, total: SubsetResult | None) -> Answer:
    calls = len(result.verification)
    right = sum(line.passed for line in result.verification)
    table = f" {right} of {calls} verification calls went where they must." if calls else ""
    if total is None:
        return Answer(
            "Correctness",
            f"Not measured under load in this run.{table}",
            "correctness",
            "bad" if right < calls else "plain",
        )
    misrouted, bodies = misrouted_anywhere(result) or 0, wrong_bodies_anywhere(result)
    elsewhere = ""
    if misrouted > total.misrouted or bodies > total.wrong_bodies:
        elsewhere = (
            f" With warm-ups, handshake trials, search and baseline: {misrouted:,} misrouted, {bodies:,} of a"
            " wrong body."
        )
    is_right = total.answered == total.due > 0 and right == calls and not misrouted and not bodies
    proof = ""
    if total.misrouted == 0 and total.answered:
        proof = f" (with 95 % confidence {bound(misroute_upper_bound(0, total.answered))})"
    return Answer(
        "Correctness",
        f"{total.answered:,} of {total.due:,} due requests were answered by the right subset;"
        f" {total.misrouted:,} misrouted{proof}, {total.failed:,} failed, {total.unsent:,} unsent."
        f"{elsewhere}{table}",
        "correctness",
        "good" if is_right else "bad",
    )


def _latency(result: Result, total: SubsetResult | None) -> Answer:
    if total is None or total.response_time.samples == 0:
        return Answer("Latency", NOT_MEASURED, None)
    time = total.response_time
    rates = list(
        {
            trial.arrival_rate
            for trial in result.trials
            if trial.experiment == "steady" and trial.arrival_rate is not None
        }
    )
    at = f"At {rate(rates[0])} requests/s" if len(rates) == 1 else "Over all steady trials"
    parts = [
        f"{name} of requests within {format_micros(value)}"
        for name, value in (("half", time.p50), ("99 %", time.p99), ("99.9 %", time.p999))
        if value is not None
    ]
    figures = ", ".join(parts) or f"at most {format_micros(time.maximum)}, too few samples for percentiles"
    return Answer(
        "Latency",
        f"{at}: {figures}; slowest {format_micros(time.maximum)}"
        f" (response time, {time.samples:,} samples; the generator's own lag"
        f" {_p99_or_max(total.lag)}).",
        "latency",
    )


def _p99_or_max(latency: Latency) -> str:
    if latency.p99 is not None:
        return f"p99 {format_micros(latency.p99)}"
    return f"at most {format_micros(latency.maximum)}"


def _handshake(found: HandshakeResult | None) -> Answer:
    if found is None or not found.modes:
        return Answer("TLS handshake", NOT_MEASURED, None)
    versions = ", ".join(dict.fromkeys(name for mode in found.modes for name in mode.tls_versions)) or "TLS"
    kinds = " ".join(
        f"A {mode.name} handshake takes {format_micros(mode.handshake_time.p50)} at the median,"
        f" {_p99_or_max(mode.handshake_time)} ({mode.handshake_time.samples:,} samples); a new connection"
        f" with it costs {with_unit(mode.gateway_cpu_us_per_connection, 'µs')} of CPU in the gateway and"
        f" {with_unit(mode.node_cpu_us_per_connection, 'µs')} in the nodes."
        for mode in found.modes
    )
    doubtful = doubts(found)
    caveat = f" Doubtful: {doubtful[0].message}" if doubtful else ""
    return Answer(
        "TLS handshake",
        f"{kinds} With {found.key} keys and {versions}.{caveat}",
        "handshake",
        "bad" if doubtful else "plain",
    )


def _capacity(found: CapacityResult | None) -> Answer:
    if found is None:
        return Answer("Capacity", NOT_MEASURED, None)
    state, sentence = outcome_of(found)
    return Answer("Capacity", sentence, "capacity", "bad" if state == "limit missed" else "plain")


def _config_source(comparisons: tuple[Comparison, ...]) -> Answer:
    blocks = [block for block in compare_sources(comparisons) if block.blocks]
    if not blocks:
        return Answer("Static or EDS", NOT_MEASURED, None)
    reported = [f"{block.label}: {block.wording}." for block in blocks if block.resolved]
    equal = [block for block in blocks if block.judgement.kind == "equivalent"]
    if equal:
        names = ", ".join(block.label for block in equal)
        reported.append(f"Equal within ±{equal[0].judgement.margin * 100:.3g} %: {names}.")
    if reported:
        rest = sum(block.judgement.kind == "not resolved" for block in blocks)
        others = [f"{rest} more {'metric is' if rest == 1 else 'metrics are'} not resolved."] if rest else []
        return Answer("Static or EDS", " ".join(reported + others), "static-eds")
    first = blocks[0]
    static = with_unit(first.static.median if first.static else None, first.unit)
    eds = with_unit(first.eds.median if first.eds else None, first.unit)
    blocks_text = "1 block" if first.blocks == 1 else f"{first.blocks} blocks"
    return Answer(
        "Static or EDS",
        f"No difference is resolved in {blocks_text}: {first.metric} {static} static, {eds} EDS"
        f" ({first.wording.removeprefix('not resolved: ')}). That is not a proof of equality.",
        "static-eds",
    )


def figures(result: Result) -> tuple[Figure, ...]:
    """The numbers to read first; each says what is behind it."""
    total = whole(result)
    time = total.response_time if total else Latency(samples=0)
    samples = f"{time.samples:,} samples"
    misrouted = misrouted_anywhere(result)
    sent = sum(trial.total.sent for trial in result.trials)
    return (
        Figure(
            "misrouted",
            format_count(misrouted),
            f"of {sent:,} sent, all trials",
            "plain" if misrouted is None else "bad" if misrouted else "good",
        ),
        Figure("response time p50", format_micros(time.p50), samples),
        Figure("response time p99", format_micros(time.p99), samples),
        *(_handshake_time(result.handshake, kind) for kind in HANDSHAKE_KINDS),
        *(_handshake_cost(result.handshake, kind) for kind in HANDSHAKE_KINDS),
    )


def _handshake_time(found: HandshakeResult | None, kind: HandshakeKind) -> Figure:
    mode = found.mode(kind) if found is not None else None
    label = f"{kind} handshake p50"
    if mode is None:
        return Figure(label, UNKNOWN, "not measured")
    samples = f"{mode.handshake_time.samples:,} samples"
    value = format_micros(mode.handshake_time.p50)
    if any(mode_doubts(mode)):
        return Figure(label, value, f"{samples}, doubtful", "bad")
    return Figure(label, value, samples)


def _handshake_cost(found: HandshakeResult | None, kind: HandshakeKind) -> Figure:
    mode = found.mode(kind) if found is not None else None
    label = f"CPU, {kind} handshake"
    if mode is None:
        return Figure(label, UNKNOWN, "not measured")
    value = with_unit(mode.gateway_cpu_us_per_connection, "µs")
    if not mode.counts_agree:
        return Figure(label, value, "gateway, doubtful", "bad")
    return Figure(label, value, "gateway, per connection")
