"""How much the path carries: bounds, what limits, every load and every trial."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.capacity_verdict import is_of_gateway, name_constraint
from bench.report.capacity_charts import latency_curve
from bench.report.capacity_charts import residuals as residual_plot
from bench.report.document import Chart, Facts, Figure, Mark, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.text import UNKNOWN, micros, rate, share
from bench.result import (
    CapacityResult,
    CapacityTrial,
    CostModel,
    KilledReplica,
    MemoryModel,
    Result,
    ScalingResult,
)
from bench.units import format_bytes, format_count, format_micros


def capacity(result: Result) -> Section:
    """The answer and its evidence, of a run that searched."""
    found = result.capacity
    lead = (
        "Short trials at rates on a grid, judged by sums of good and bad seconds for each rate (MLRsearch,"
        " RFC 9971). A trial is good if what is unsent, failed, misrouted or slower than the limit stays"
        " within its share. The lower bound then carries a soak without a pause."
    )
    if found is None:
        return Section("capacity", "Capacity", (Note("Not measured in this run."),), lead)
    parts: list[Part] = [Facts(_facts(found))]
    parts += [
        Note(f"{'What limits' if not number else 'Also'}: {name_constraint(each)}. {each.evidence}.")
        for number, each in enumerate(found.constraints)
    ]
    if found.constraints and not is_of_gateway(found) and found.gateway_alone is not None:
        parts.append(
            Note(
                "The gateway was not at its limit: the bound is certain for this setup and is not a capacity"
                " of the gateway. By its CPU per request that would carry about"
                f" {rate(found.gateway_alone)} requests/s."
            )
        )
    if found.replicas:
        parts.append(_replicas(found))
    if found.killed is not None:
        parts.append(Note(_killed(found.killed)))
    if found.curve:
        parts += _curve(found)
    if found.scaling is not None:
        parts += _scaling(found.scaling)
    if found.trials:
        parts.append(_by_rate(found))
        parts += fold(_every_trial(found), "Every trial with its verdict and why")
    return Section("capacity", "Capacity", tuple(parts), lead)


def capacity_figures(found: CapacityResult) -> tuple[Figure, ...]:
    """The numbers to read first."""
    first = found.constraints[0] if found.constraints else None
    return (
        Figure("carries", f"{rate(found.lower)}/s", "relevant lower bound", "good" if found.lower else "bad"),
        Figure("no more at", f"{rate(found.upper)}/s", "relevant upper bound"),
        Figure("good answers", f"{rate(found.throughput)}/s", "conditional throughput"),
        Figure(
            "what limits",
            UNKNOWN if first is None else name_constraint(first),
            "no rate was too high" if first is None else first.evidence,
        ),
    )


def _facts(found: CapacityResult) -> tuple[tuple[str, str], ...]:
    soak = "passed" if found.soaked else "not made, or not passed"
    demoted = ", ".join(rate(each) for each in found.demoted)
    return (
        ("limit", found.limit),
        ("relevant lower bound", f"{rate(found.lower)} requests/s"),
        ("relevant upper bound", f"{rate(found.upper)} requests/s"),
        ("conditional throughput", f"{rate(found.throughput)} good answers/s"),
        ("soak at the lower bound", soak),
        *((("refuted by a soak", f"{demoted} requests/s"),) if demoted else ()),
        ("searched between", f"{rate(found.lowest)} and {rate(found.highest)} requests/s"),
        ("trials", f"{len(found.trials)}, {found.spent_s:.0f} s"),
        *((("connections of the client", _connections(found)),) if found.more_connections else ()),
        ("config source", found.config_source),
    )


def _connections(found: CapacityResult) -> str:
    """How many, and why more than the scenario has."""
    first, last = found.more_connections[0], found.more_connections[-1]
    return (
        f"{last.after}; the scenario's {first.before} were all that limited at {rate(first.rate)} requests/s:"
        f" {first.evidence}"
    )


def _curve(found: CapacityResult) -> list[Part]:
    table = Table(
        columns=("requests/s", "good/s", "lost", "p50", "p99"),
        rows=tuple(
            (
                rate(each.rate),
                rate(each.good / each.seconds),
                share(each.lost / each.due if each.due else 0.0),
                micros(each.response_time_p50) if each.response_time_p50 is not None else UNKNOWN,
                micros(each.response_time_p99) if each.response_time_p99 is not None else UNKNOWN,
            )
            for each in found.curve
        ),
        numbers_from=0,
        caption="Latency against arrival rate, open loop, up to beyond the bound; lost: by the limit.",
    )
    drawn = latency_curve(found.curve, found.lower)
    if drawn is None:
        return [table]
    return [
        Chart("latency-curve", "Latency against arrival rate; beyond the bound queues grow.", drawn),
        table,
    ]


def _scaling(found: ScalingResult) -> list[Part]:
    measured = {point.size: point.rate for point in found.points}
    peak = f"turns at {found.peak:.1f}" if found.peak is not None else "does not turn"
    return [
        Note(
            f"Universal scalability law over {found.over}: {rate(found.rate_of_one)} requests/s of one,"
            f" contention {found.contention:.1%}, coherence {found.coherence:.2%}; throughput {peak}; largest"
            f" error {found.worst_error:.1%}. Nothing is predicted beyond twice what was measured."
        ),
        Table(
            columns=(found.over, "measured, requests/s", "by the law", "of linear"),
            rows=tuple(
                (
                    str(size),
                    rate(measured.get(size)),
                    rate(value),
                    f"{value / (size * found.rate_of_one):.0%}",
                )
                for size, value in sorted(found.predicted.items())
            ),
            numbers_from=1,
        ),
    ]


def _replicas(found: CapacityResult) -> Table:
    return Table(
        columns=("gateway", "requests", "share", "from", "to"),
        rows=tuple(
            (
                each.component,
                format_count(each.requests),
                f"{each.share:.1%}",
                f"{each.low:.1%}",
                f"{each.high:.1%}",
            )
            for each in found.replicas
        ),
        numbers_from=1,
        caption=f"What each of {len(found.replicas)} gateways carried over all loads, with the exact"
        f" interval of 95 %; even is {1 / len(found.replicas):.1%}.",
    )


def _killed(killed: KilledReplica) -> str:
    good = (
        "not until the load's end"
        if killed.good_after_s is None
        else f"after {killed.good_after_s} s"
        if killed.good_after_s
        else "at once"
    )
    return (
        f"{killed.component} was killed under {rate(killed.rate)} requests/s: {killed.lost:,} of"
        f" {killed.due:,} requests were lost from then on, and everything was good again {good}."
    )


def _by_rate(found: CapacityResult) -> Table:
    rows = []
    marks: list[Mark] = []
    for each in sorted({trial.rate for trial in found.trials}):
        trials = [trial for trial in found.trials if trial.rate == each]
        good_s = sum(trial.duration_s for trial in trials if trial.good)
        bad_s = sum(trial.duration_s for trial in trials if not trial.good)
        windows = [found.windows[number] for number in {trial.window for trial in trials}]
        gateway = [
            sum(cost.cpu_seconds or 0.0 for cost in window.costs if cost.role == "egress") / window.duration_s
            for window in windows
            if any(cost.role == "egress" and cost.cpu_seconds is not None for cost in window.costs)
        ]
        rows.append(
            (
                rate(each),
                f"{good_s:.0f}",
                f"{bad_s:.0f}",
                _middle([trial.response_time_p50 for trial in trials]),
                _middle([trial.response_time_p99 for trial in trials]),
                share(max(trial.loss for trial in trials)),
                f"{sum(gateway) / len(gateway):.2f}" if gateway else UNKNOWN,
            )
        )
        marks.append("good" if good_s >= bad_s else "bad")
    return Table(
        columns=("requests/s", "good s", "bad s", "p50", "p99", "worst loss", "gateway CPUs"),
        rows=tuple(rows),
        numbers_from=0,
        marks=tuple(marks),
        caption="Latency against arrival rate, open loop: medians over the trials of a rate, microseconds.",
    )


def _middle(values: list[int | None]) -> str:
    known = sorted(value for value in values if value is not None)
    return micros(known[len(known) // 2]) if known else UNKNOWN


def _every_trial(found: CapacityResult) -> Table:
    return Table(
        columns=("no.", "why made", "verdict and why", "requests/s", "s", "due", "p99"),
        rows=tuple(_row(number, trial) for number, trial in enumerate(found.trials, 1)),
        numbers_from=3,
        marks=tuple("good" if trial.good else "bad" for trial in found.trials),
        mark_column=2,
    )


def _row(number: int, trial: CapacityTrial) -> tuple[str, ...]:
    return (
        str(number),
        trial.purpose,
        f"{'✓' if trial.good else '✗'} {trial.why}",
        rate(trial.rate),
        f"{trial.duration_s:.3g}",
        format_count(trial.due),
        format_micros(trial.response_time_p99),
    )


def cost_model(models: Sequence[CostModel], memory: Sequence[MemoryModel] = ()) -> Section:
    """What each part pays for a request, a handshake, a megabyte."""
    lead = (
        "CPU seconds = base · seconds + request · requests + … , non-negative least squares over loads of a"
        " fixed design, relative errors; intervals of 95 % by a wild bootstrap. Terms that moved together"
        " in all loads cannot be separated and are shown as one."
    )
    if not models:
        return Section("cost-model", "Cost model", (Note("Not measured in this run."),), lead)
    rows = [
        (
            model.part,
            " with ".join((term.name, *term.joined_with)).replace("_", " "),
            micros(term.cpu_s * 1e6),
            micros(term.low * 1e6),
            micros(term.high * 1e6),
        )
        for model in models
        for term in model.terms
    ]
    table = Table(
        columns=("part", "for each", "CPU", "from", "to"),
        rows=tuple(rows),
        numbers_from=2,
        caption="Microseconds of CPU; base is for each second, mb for 10^6 bytes of bodies: in of requests,"
        " out of answers.",
    )
    quality = Facts(
        tuple((model.part, _quality(model)) for model in models),
        caption="Quality",
    )
    residuals = Table(
        columns=("part", "requests/s", "CPUs measured", "model minus measured"),
        rows=tuple(
            (model.part, rate(each.rate), f"{each.measured_cpus:.3f}", f"{each.error:+.1%}")
            for model in models
            for each in model.residuals
        ),
        numbers_from=1,
    )
    drawn = residual_plot(models)
    chart = [Chart("residuals", "Model minus measured; one dot is one window.", drawn)] if drawn else []
    return Section(
        "cost-model",
        "Cost model",
        (
            table,
            *([_memory(memory)] if memory else []),
            quality,
            *chart,
            *fold(residuals, "Each window against the model"),
        ),
        lead,
    )


def _memory(models: Sequence[MemoryModel]) -> Table:
    return Table(
        columns=("part", "for each", "memory", "from", "to", "idle", "measured up to"),
        rows=tuple(
            (
                model.part,
                model.each,
                *(format_bytes(max(0.0, value)) for value in (model.bytes_for_each, model.low, model.high)),
                format_bytes(model.base_bytes),
                f"{model.most:,}",
            )
            for model in models
        ),
        numbers_from=2,
        caption="Memory, least squares with intervals of 95 %: Envoy's own count of its heap, resident memory"
        " of a node. A connection is one through the whole path: both ends of a part belong to it.",
    )


def _quality(model: CostModel) -> str:
    errors = [each.error for each in model.residuals]
    reach = f"; errors of {len(errors)} windows {min(errors):+.0%} to {max(errors):+.0%}" if errors else ""
    never = ", ".join(model.never).replace("_", " ") or "nothing"
    return f"condition number {model.condition:.3g}{reach}; not measured: {never}"
