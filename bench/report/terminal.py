"""A result on one screen: plain lines, at most 24 of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.capacity_verdict import name_constraint
from bench.analysis.compare import compare_sources, source_word
from bench.analysis.generator_health import GENERATOR_LIMITED
from bench.analysis.handshake import mode_doubts
from bench.analysis.ledger import summarise_ledger
from bench.analysis.part_costs import cpu_us_of_part, parts_of
from bench.analysis.variants import judge_variants
from bench.analysis.verdict import MACHINE_DISTURBED, judge
from bench.report.calls import call_rows, mark, stacks_of
from bench.report.sections.update import advice, median_accepted_s
from bench.report.text import UNKNOWN, bound, micros, rate, with_unit
from bench.result import (
    Estimate,
    HandshakeResult,
    Latency,
    Result,
    Storm,
    SubsetResult,
    TlsLab,
    VerificationLine,
)
from bench.units import format_count, format_micros

WIDTH = 80
_NBSP = "\N{NO-BREAK SPACE}"
_NARROW = 10
"""Columns of a stack in the table of calls."""
_MOST_METRICS = 6
WEIGHTY = GENERATOR_LIMITED | MACHINE_DISTURBED
"""Codes of warnings that say what the figures are worth."""
MOST_CELLS = 8
"""Cells of the handshake lab on one screen; the report has all."""
MOST_SUBSETS = 3
"""More lines of subsets than this do not fit one screen; those with losses come first."""


def verdict_lines(result: Result) -> list[str]:
    """The verdict, at most three lines; more where it is all that there is, since it says what to do."""
    verdict = judge(result)
    head = f"{verdict.state.upper()}  "
    return textwrap.wrap(
        head + verdict.sentence,
        WIDTH,
        subsequent_indent=" " * len(head) if len(head) < 16 else "  ",
        # Names of files stay whole, to be copied.
        break_on_hyphens=False,
        max_lines=3 if result.totals else 14,
        placeholder=" …",
    )


def summary_lines(result: Result, report: Path | None) -> list[str]:
    """Verdict, counts, times, costs and where the report is; at most 24 lines."""
    lines = [*verdict_lines(result), ""]
    if result.totals:
        lines += [*_count_lines(result.totals), ""]
    lines += _share_lines(result)
    lines += _fault_lines(result)
    lines += _capacity_lines(result)
    lines += _update_lines(result)
    lines += _lab_lines(result.tls_lab) if result.tls_lab is not None else []
    lines += _time_lines(result)
    lines += _cost_lines(result)
    lines += _source_lines(result)
    lines += _variant_lines(result)
    lines += _ledger_lines(result)
    if result.warnings:
        # What a verdict hangs on comes first; the report has them all.
        ordered = sorted(result.warnings, key=lambda each: each.code not in WEIGHTY)
        first = ordered[0].message
        more = f" (and {len(result.warnings) - 1} more)" if len(result.warnings) > 1 else ""
        lines.append(_cut(f"{'warning':<15}{first}", WIDTH - len(more)) + more)
    if report is not None:
        lines.append(f"{'report':<15}{report}")
    return [line.replace(_NBSP, " ") for line in lines]


def _cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def _count_lines(totals: Sequence[SubsetResult]) -> list[str]:
    parts, whole = list(totals[:-1]), totals[-1]
    # sorted() is stable: without losses the order of the scenario stays.
    worst_first = sorted(parts, key=lambda part: part.answered - part.due)
    shown = worst_first[: MOST_SUBSETS - 1] if len(parts) > MOST_SUBSETS else parts
    columns = ("due", "sent", "answered", "unsent", "failed", "misrouted")
    lines = [f"{'subset':<15}" + "".join(f"{name:>10}" for name in columns)]
    for part in (*shown, whole):
        counts = (part.due, part.sent, part.answered, part.unsent, part.failed, part.misrouted)
        lines.append(f"{_cut(part.name, 14):<15}" + "".join(f"{format_count(count):>10}" for count in counts))
    if len(shown) < len(parts):
        lines[-1:-1] = [f"… and {len(parts) - len(shown)} more in the report"]
    return lines


def _share_lines(result: Result) -> list[str]:
    """How the answers of each subset are divided, those that are not as expected first."""
    lines = []
    for found in sorted(result.shares, key=lambda each: each.fits)[:MOST_SUBSETS]:
        parts = "  ".join(
            f"{'+'.join(each.nodes)} {each.observed / found.answers:.1%} ({each.expected:.1%})"
            f"{'' if each.fits else ' ✗'}"
            for each in found.shares
        )
        lines.append(_cut(f"{_cut('shares ' + found.subset, 14):<15}{parts}"))
    return [*lines, ""] if lines else []


def _time_lines(result: Result) -> list[str]:
    rows: list[tuple[str, Latency]] = []
    if result.totals:
        whole = result.totals[-1]
        rows += [
            ("response time", whole.response_time),
            ("service time", whole.service_time),
            ("lag", whole.lag),
        ]
    if result.handshake is not None:
        rows += [
            (f"TLS, {mode.name}{' ?' if any(mode_doubts(mode)) else ''}", mode.handshake_time)
            for mode in result.handshake.modes
        ]
    if not rows:
        return []
    columns = ("samples", "p50", "p90", "p99", "p99.9", "max")
    lines = [" " * 15 + "".join(f"{name:>10}" for name in columns)]
    for name, latency in rows:
        values = (latency.p50, latency.p90, latency.p99, latency.p999, latency.maximum)
        lines.append(
            f"{name:<15}{latency.samples:>10,}" + "".join(f"{format_micros(value):>10}" for value in values)
        )
    return lines


def _lab_lines(lab: TlsLab) -> list[str]:
    """The lab's cells, as many as fit, and how far its predictions are off."""
    lines = []
    if lab.cells:
        lines.append(f"{'handshake, µs':<42}{'Envoy p50':>10}{'CPU gateway':>14}{'CPU nodes':>14}")
        for cell in lab.cells[:MOST_CELLS]:
            name = f"{cell.key} {cell.tls_version.removeprefix('TLSv')} {cell.kind}"
            name += "" if cell.client_certificate else ", no client cert."
            time = micros(cell.handshake_us.value if cell.handshake_us is not None else None)
            lines.append(
                f"{name:<42}{time:>10}{_spread(cell.gateway_cpu_us):>14}{_spread(cell.node_cpu_us):>14}"
            )
        if len(lab.cells) > MOST_CELLS:
            lines.append(f"… and {len(lab.cells) - MOST_CELLS} more cells in the report")
        lines.append("")
    off = [each.points_off for each in lab.reuse if each.points_off is not None]
    if off:
        lines.append(f"{'reuse':<15}{max(off):.1f} points off the prediction at most, {len(off)} settings")
    errors = [abs(each.error) for each in lab.pools if each.error is not None]
    if errors:
        lines.append(f"{'handshakes/s':<15}{max(errors):.1%} off the law at most, {len(errors)} mixes")
    lines += [f"{'storm':<15}{each.event}: {_back(each)}, queue {each.deepest_queue}" for each in lab.storms]
    if lab.mesh is not None and lab.mesh.sidecar_adds_us is not None:
        adds = _spread(lab.mesh.sidecar_adds_us), _spread(lab.mesh.gateway_adds_us)
        lines.append(f"{'mesh mTLS':<15}adds {adds[0]} µs at the sidecar, {adds[1]} µs at the gateway")
    return [_cut(line) for line in lines] + ([""] if lines else [])


def _back(storm: Storm) -> str:
    if storm.recovered_s is None:
        return "p99 not back within the run"
    return f"p99 back after {with_unit(storm.recovered_s, 's')}"


def _spread(found: Estimate | None) -> str:
    """A figure with its half-width."""
    if found is None:
        return UNKNOWN
    return f"{micros(round(found.value))} ±{micros(round((found.high - found.low) / 2))}"


def _cost_lines(result: Result) -> list[str]:
    lines = []
    cpu = cpu_per_request(result)
    if cpu:
        parts = "  ".join(f"{name}{_NBSP}{micros(value)}" for name, value in cpu)
        lines += textwrap.wrap(
            f"{'CPU µs/request':<15}{parts}",
            WIDTH,
            subsequent_indent=" " * 15,
            max_lines=2,
            placeholder=" …",
        )
    if result.handshake is not None:
        lines.append(_cut(f"{'new connection':<15}{_set_up(result.handshake)}"))
    return lines


def cpu_per_request(result: Result) -> list[tuple[str, float | None]]:
    """CPU time per request over the steady trials, µs, for each part in order of appearance."""
    steady = [trial for trial in result.trials if trial.experiment == "steady"]
    return [(name, cpu_us_of_part(steady, name)) for name in parts_of(steady)]


def _set_up(handshake: HandshakeResult) -> str:
    """What a new connection costs by kind of handshake; fits the rest of a line."""
    costs = ", ".join(
        f"{mode.name} {with_unit(mode.gateway_cpu_us_per_connection, 'µs')}"
        f"/{with_unit(mode.node_cpu_us_per_connection, 'µs')}"
        if mode.counts_agree
        else f"{mode.name} doubtful"
        for mode in handshake.modes
    )
    return f"CPU gateway/nodes: {costs}"


def _source_lines(result: Result) -> list[str]:
    blocks = [block for block in compare_sources(result.comparisons) if block.blocks]
    if not blocks:
        return []
    shown = (
        [block for block in blocks if block.resolved]
        or [block for block in blocks if block.judgement.kind == "equivalent"]
        or blocks
    )[:1]
    lines = []
    for block in shown:
        static = with_unit(block.static.median if block.static else None, block.unit)
        eds = with_unit(block.eds.median if block.eds else None, block.unit)
        lines += textwrap.wrap(
            f"{f'{block.baseline} / {source_word(block.candidate)}':<15}{block.metric} {static} / {eds};"
            f" {block.wording}",
            WIDTH,
            subsequent_indent=" " * 15,
            drop_whitespace=True,
            max_lines=2,
            placeholder=" …",
        )
    return lines


def _update_lines(result: Result) -> list[str]:
    """One line for each config source, and when to use which."""
    if result.update is None:
        return []
    lines = ["source       changes  accepted  requests  failed  misrouted  closed"]
    for source in result.update.sources:
        accepted = median_accepted_s(source)
        closed = sum(change.connections_closed for change in source.changes)
        took = "–" if accepted is None else f"{accepted * 1000:.0f} ms"
        lines.append(
            f"{source_word(source.way):<12}{source.count:>8,}{took:>10}{source.requests:>10,}"
            f"{source.failed:>8,}{source.misrouted:>11,}{closed:>8,}"
        )
    return [*lines, *textwrap.wrap(advice(result.update), WIDTH)]


def _fault_lines(result: Result) -> list[str]:
    """One line for each fault."""
    if result.faults is None:
        return []
    lines = [f"  {'fault':<34}{'noticed':>8} {'requests':>9}  named as"] if result.faults.faults else []
    for fault in result.faults.faults:
        if fault.impossible is not None:
            lines.append(_cut(f"– {_cut(fault.title, 33):<34}{'–':>8} {'–':>9}  not possible here"))
            lines += textwrap.wrap(
                f"{fault.impossible}.", WIDTH, initial_indent="    ", subsequent_indent="    "
            )
            continue
        after = "–" if fault.noticed_s is None else f"{fault.noticed_s:.2f} s"
        sign = "✓" if fault.detected else "✗"
        summary = (
            f"{sign} {_cut(fault.title, 33):<34}{after:>8} {fault.requests:>9,}  {fault.found or 'nothing'}"
        )
        lines.append(_cut(summary))
    proof = result.faults
    lines.append(f"{'clean runs':<15}{proof.clean_runs}, {len(proof.false_alarms)} false alarms")
    return lines


def _capacity_lines(result: Result) -> list[str]:
    """Bounds and what limits."""
    found = result.capacity
    if found is None or not found.trials:
        return []
    bounds = f"{rate(found.lower)} requests/s carried, {rate(found.upper)} too many"
    soak = "soak passed" if found.soaked else "no soak passed"
    lines = [
        _cut(f"{'capacity':<15}{bounds}; {soak}"),
        _cut(f"{'trials':<15}{len(found.trials)}, {found.spent_s:.0f} s; limit: {found.limit}"),
    ]
    for number, each in enumerate(found.constraints[:3]):
        lines += textwrap.wrap(
            f"{'limits' if not number else '':<15}{name_constraint(each)}: {each.evidence}",
            WIDTH,
            subsequent_indent=" " * 15,
            max_lines=2,
            placeholder=" …",
        )
    return lines


def _variant_lines(result: Result) -> list[str]:
    """Baseline and candidates, metric by metric: as many as fit the screen."""
    if result.variants is None:
        return []
    lines = [
        _cut(f"{each.name:<15}{', '.join(each.settings) or 'the scenario as it is'}")
        for each in result.variants.variants
    ]
    judged = [each for each in judge_variants(result.variants) if each.blocks.scope == "load"]
    for each in judged[:_MOST_METRICS]:
        values = " / ".join(with_unit(value, each.blocks.unit) for value in each.medians)
        lines += textwrap.wrap(
            f"A / {each.blocks.candidate:<11}{each.blocks.metric} {values}; {each.wording}",
            WIDTH,
            subsequent_indent=" " * 15,
            max_lines=2,
            placeholder=" …",
        )
    return lines


def _ledger_lines(result: Result) -> list[str]:
    account = summarise_ledger(result)
    if account is None:
        return []
    summary = f"{account.level}: {account.balanced} of {account.trials} balance"
    summary += f", {account.unexplained:,} unexplained"
    if account.misroute_upper_bound is not None:
        summary += f"; misroutes {bound(account.misroute_upper_bound)} at 95 %"
    if account.named:
        summary += f"; {', '.join(f'{cause.text} {count:,}' for cause, count in account.named.items())}"
    return [_cut(f"{'ledger':<15}{summary}")]


_MANY_ROWS = 40
_FEW_ROWS = 20
"""Of more rows than these, so many right ones are shown: one screen."""


def verification_lines(calls: Sequence[VerificationLine]) -> list[str]:
    """The calls before the load as a table of 80 columns, one line for each call and a column for each stack.

    A wrong answer is shown in full below its line. Of many calls only the first right ones are shown, and all
    wrong ones.
    """
    stacks = stacks_of(calls)
    rows = call_rows(calls)
    right = [row for row in rows if all(line.passed for line in row.by_stack.values())]
    left_out = {id(row) for row in right[_FEW_ROWS:]} if len(rows) > _MANY_ROWS else set()
    room = WIDTH - _NARROW * len(stacks)
    name_width = max(room // 2, 14)
    widths = (name_width, max(room - name_width, 14))
    lines = [_cells(("call", "expected"), widths) + "".join(_narrow(stack or "got") for stack in stacks)]
    for row in rows:
        if id(row) in left_out:
            continue
        found = [row.by_stack.get(stack) for stack in stacks]
        lines.append(
            _cells((row.name, row.expected), widths)
            + "".join(_narrow(f"{mark(line)} {line.got if line else ''}") for line in found)
        )
        lines += [
            f"  {f'{line.stack}: ' if line.stack else ''}sent {_flat(line.sent)};"
            f" expected {_flat(line.expected)}; got {_flat(line.got)}"
            f"{f'; {_flat(line.cause.text)}' if line.cause is not None else ''}"
            for line in found
            if line is not None and not line.passed
        ]
    if left_out:
        lines.append(f"… and {len(left_out)} more calls, all answered as they must be; the report has them")
    return [line.rstrip() for line in lines]


def _cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(
        f"{_cut(_flat(text), width - 1):<{width}}" for text, width in zip(texts, widths, strict=True)
    )


def _narrow(text: str) -> str:
    """The sign and the status, or as much of a reason as there is room for."""
    words = " ".join(text.split()[:2])
    return f"{_cut(words, _NARROW - 1):<{_NARROW}}"


def _flat(text: str) -> str:
    return " ".join(text.split())
