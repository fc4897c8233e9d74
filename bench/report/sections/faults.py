"""The suite's proof of its own power: which fault was noticed by what, how soon, and how it was named."""

from __future__ import annotations

import statistics

from bench.report.document import Chart, Facts, Figure, Mark, Note, Part, Section, Table
from bench.report.text import UNKNOWN
from bench.result import FaultResult, FaultsResult, Result
from bench.units import format_count


def faults(result: Result, over_time: str | None = None) -> Section:
    """The table of faults, of a run that injected some."""
    proof = result.faults or FaultsResult()
    detected = sum(fault.detected for fault in proof.faults)
    made = [fault for fault in proof.faults if fault.impossible is None]
    left = len(proof.faults) - len(made)
    parts: list[Part] = [
        Facts(
            (
                ("named with their cause", f"{detected} of {len(made)}"),
                *((("not possible here", format_count(left)),) if left else ()),
                ("clean runs", f"{proof.clean_runs}, {proof.clean_requests:,} requests"),
                ("false alarms", format_count(len(proof.false_alarms))),
            )
        ),
        *(Note(f"False alarm: {alarm}.", "bad") for alarm in proof.false_alarms),
        *(Note(f"Generator-limited: {text}.") for text in proof.limited),
    ]
    if over_time is not None:
        parts.append(
            Chart("over-time", "Each second of the loads with a fault, one after the other.", over_time)
        )
    if proof.faults:
        parts.append(_table(proof))
    parts += [
        Note(
            f"{fault.title}: {fault.detail}{_limited(fault)}.{_beside(fault)}",
            "bad" if _mark(fault) == "bad" else "plain",
        )
        for fault in proof.faults
    ]
    return _section(tuple(parts))


def fault_figures(result: Result) -> tuple[Figure, ...]:
    """What is worth reading first of a run that injected faults."""
    proof = result.faults or FaultsResult()
    made = [fault for fault in proof.faults if fault.impossible is None]
    named = sum(fault.detected for fault in made)
    waits = [(fault.noticed_s, fault.title) for fault in proof.faults if fault.noticed_s is not None]
    slowest = max(waits, default=None)
    clean: Mark = "bad" if proof.false_alarms else "good"
    return (
        Figure(
            "faults named",
            f"{named} of {len(made)}",
            "each with its cause",
            "good" if named == len(made) else "bad",
        ),
        Figure(
            "false alarms",
            format_count(len(proof.false_alarms)),
            f"in {format_count(proof.clean_runs)} clean runs, {format_count(proof.clean_requests)} requests",
            clean,
        ),
        Figure(
            "noticed after",
            UNKNOWN if not waits else f"{statistics.median(each for each, _ in waits):.2f} s",
            "median over the faults",
        ),
        Figure(
            "noticed last",
            UNKNOWN if slowest is None else f"{slowest[0]:.2f} s",
            "no fault was noticed" if slowest is None else slowest[1],
        ),
    )


def _limited(fault: FaultResult) -> str:
    return f" (generator-limited: {fault.limited})" if fault.limited is not None else ""


def _beside(fault: FaultResult) -> str:
    """What else the instruments found, and what went wrong before anything was injected."""
    more = f" Also found: {'; '.join(fault.also)}." if fault.also else ""
    if fault.early_alarms:
        more += f" Wrong answers before the injection: {format_count(fault.early_alarms)}."
    return more


def _section(parts: tuple[Part, ...]) -> Section:
    return Section(
        anchor="faults",
        title="Faults",
        lead="Each fault is injected into a running load. The instruments do not know which: the cause is"
        " named from what client, processes, access logs and ledger show. Half a second passes between"
        " two looks at the client; what only logs show is noticed when they are read after the load.",
        parts=parts,
    )


def _table(proof: FaultsResult) -> Table:
    return Table(
        columns=("fault", "named as", "by", "noticed by", "after", "requests", "of"),
        rows=tuple(_row(fault) for fault in proof.faults),
        numbers_from=4,
        marks=tuple(_mark(fault) for fault in proof.faults),
        caption="Seconds from the injection until the first instrument reported it; requests affected.",
    )


def _mark(fault: FaultResult) -> Mark:
    if fault.impossible is not None:
        return "plain"
    return "good" if fault.detected else "bad"


def _row(fault: FaultResult) -> tuple[str, ...]:
    if fault.impossible is not None:
        return (fault.title, "not possible here", *[UNKNOWN] * 5)
    return (
        fault.title,
        fault.found or "nothing",
        fault.named_by or UNKNOWN,
        fault.noticed_by or UNKNOWN,
        UNKNOWN if fault.noticed_s is None else f"{fault.noticed_s:.2f}",
        format_count(fault.requests),
        format_count(fault.of_requests),
    )
