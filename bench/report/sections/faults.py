"""The suite's proof of its own power: which fault was noticed by what, how soon, and how it was named."""

from __future__ import annotations

from bench.report.document import Facts, Mark, Note, Part, Section, Table
from bench.report.text import UNKNOWN
from bench.result import FaultResult, FaultsResult, Result
from bench.units import format_count


def faults(result: Result) -> Section:
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
    ]
    if proof.faults:
        parts.append(_table(proof))
    parts += [
        Note(f"{fault.title}: {fault.detail}.", "bad" if _mark(fault) == "bad" else "plain")
        for fault in proof.faults
    ]
    return _section(tuple(parts))


def _section(parts: tuple[Part, ...]) -> Section:
    return Section(
        anchor="faults",
        title="Faults",
        lead="Each fault is injected into a running load. The instruments are not told which: the cause is"
        " named from what client, processes, access logs and ledger show. What only logs show is noticed when"
        " they are read after the load.",
        parts=parts,
    )


def _table(proof: FaultsResult) -> Table:
    return Table(
        columns=("fault", "named as", "by", "noticed by", "after", "requests", "of"),
        rows=tuple(_row(fault) for fault in proof.faults),
        numbers_from=4,
        marks=tuple(_mark(fault) for fault in proof.faults),
        caption="Seconds from the injection until the first instrument told; requests that were touched.",
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
