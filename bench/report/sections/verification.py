"""The calls before the load, and why those that went wrong did."""

from __future__ import annotations

from collections.abc import Iterable

from bench.report.calls import call_rows, mark, stacks_of
from bench.report.document import Note, Part, Section, Table
from bench.report.folding import MOST_ROWS, fold
from bench.report.text import UNKNOWN
from bench.result import Result, VerificationLine

_KINDS = {
    "call": "calls of the scenario",
    "tls-control": "TLS controls",
    "isolation": "ways past the gateway",
    "matrix": "the request matrix",
}


def verification(result: Result) -> Section:
    """The calls before the load: one row for each call, one column for each stack; long tables by kind."""
    stacks = stacks_of(result.verification)
    whole = _calls(result.verification, stacks)
    parts: list[Part] = []
    if not whole.rows:
        parts.append(Note("No verification call was made in this run."))
    elif len(whole.rows) <= MOST_ROWS:
        parts.append(whole)
    else:
        for kind in dict.fromkeys(line.kind for line in result.verification):
            lines = tuple(line for line in result.verification if line.kind == kind)
            here = stacks_of(lines)
            summary = f"{_KINDS.get(kind, kind).capitalize()}: {_passed(lines, here)}"
            parts += fold(_calls(lines, here), summary)
    parts += _causes(result.verification)
    return Section(
        anchor="verification",
        title="Verification",
        lead="Before any load: single calls whose answers are known beforehand, with controls that must"
        " fail.",
        parts=tuple(parts),
    )


def _calls(lines: tuple[VerificationLine, ...], stacks: tuple[str, ...]) -> Table:
    rows = call_rows(lines)
    return Table(
        columns=("call", "sent", "expected", *(stack or "got" for stack in stacks)),
        rows=tuple(
            (row.name, row.sent, row.expected, *(_got(row.by_stack.get(stack)) for stack in stacks))
            for row in rows
        ),
        marks=tuple("plain" if row.passed else "bad" for row in rows),
        numbers_from=3 + len(stacks),
    )


_FAULTS = {
    "resources": "the resources lead there",
    "node": "the right node answers otherwise",
    "stack": "a stand-in did not do what it was told",
}


def _causes(lines: tuple[VerificationLine, ...]) -> list[Part]:
    """Who gave each wrong answer and why: one row for all stacks where they agree."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        if line.passed or line.cause is None:
            continue
        cause = line.cause
        row = (
            line.name,
            cause.hop or "nobody",
            _all([cause.flags, cause.told_details]),
            _all([cause.transport_failure]),
            _all([cause.upstream]),
            _all(cause.where),
            f"{_FAULTS[cause.fault]}{f': {cause.explanation}' if cause.explanation else ''}",
        )
        found.setdefault(row, []).append(line.stack or "the target")
    if not found:
        return []
    table = Table(
        columns=(
            "wrong call",
            "stacks",
            "answered by",
            "Envoy's flags and details",
            "TLS failure",
            "turned to",
            "YAML behind it",
            "why",
        ),
        rows=tuple((name, ", ".join(stacks), *rest) for (name, *rest), stacks in found.items()),
        marks=tuple("bad" for _ in found),
        numbers_from=8,
        caption="Why calls went wrong, by the access logs of a stack that logs every request.",
    )
    return list(fold(table, f"Why {len(found)} calls went wrong"))


def _passed(lines: tuple[VerificationLine, ...], stacks: tuple[str, ...]) -> str:
    """How many calls went as they must, for each stack."""

    def of(stack: str) -> str:
        here = [line for line in lines if line.stack == stack]
        return f"{stack or 'the target'} {sum(line.passed for line in here)} of {len(here)}"

    right = sum(line.passed for line in lines)
    return f"{right} of {len(lines)} calls went as they must: {', '.join(of(stack) for stack in stacks)}"


def _got(line: VerificationLine | None) -> str:
    if line is None:
        return UNKNOWN
    # Most answers, or the call's name, tell the node anyway.
    is_told = line.node is None or line.node in line.got or line.node in line.name
    return f"{mark(line)} {line.got}{'' if is_told else f' ({line.node})'}"


def _all(texts: Iterable[str]) -> str:
    return ", ".join(text for text in texts if text) or UNKNOWN
