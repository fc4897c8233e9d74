"""The calls before the load, and why those that went wrong did."""

from __future__ import annotations

from bench.report.calls import call_rows, mark, stacks_of
from bench.report.document import Facts, Note, Part, Section, Table
from bench.report.folding import MOST_ROWS, fold
from bench.report.text import UNKNOWN
from bench.result import AnswerCause, Result, VerificationLine

_KINDS = {
    "call": "Calls of the scenario",
    "tls-control": "TLS controls",
    "isolation": "Ways past the gateway",
    "matrix": "The request matrix",
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
            summary = f"{_KINDS.get(kind, kind)}: {_passed(lines, here)}"
            parts += fold(_calls(lines, here), summary)
    parts += _causes(result.verification)
    return Section(
        anchor="verification",
        title="Verification",
        lead="Before any load: single calls whose answers are known in advance, with controls that must"
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


MOST_CAUSES = 8
_FAULTS = {
    "resources": "the resources lead there",
    "node": "the right node gives another answer",
    "unplayed": "no node plays the endpoint to which the resources lead",
    "stack": "a stand-in did not do what it was asked to do",
}


def _causes(lines: tuple[VerificationLine, ...]) -> list[Part]:
    """Who gave the wrong answers and why, once for all calls and stacks of which the same is known."""
    found: dict[tuple[tuple[str, str], ...], dict[str, list[str]]] = {}
    for line in lines:
        if not line.passed and line.cause is not None:
            calls = found.setdefault(_facts(line.cause), {})
            calls.setdefault(line.name, []).append(line.stack or "the target")
    if not found:
        return []
    parts: list[Part] = [Note("Why calls went wrong, by the access logs of a stack that logs every request:")]
    parts += [Facts(facts, caption=_calls_of(calls)) for facts, calls in list(found.items())[:MOST_CAUSES]]
    if len(found) > MOST_CAUSES:
        parts.append(Note(f"{len(found) - MOST_CAUSES} more causes are in result.json."))
    return parts


def _facts(cause: AnswerCause) -> tuple[tuple[str, str], ...]:
    facts = (
        ("answered by", cause.hop or "no part has seen the request"),
        (
            "Envoy's flags and details",
            ", ".join(each for each in (cause.flags, cause.reported_details) if each),
        ),
        ("TLS failure", cause.transport_failure),
        ("turned to", cause.upstream),
        ("YAML behind it", "; ".join(cause.where)),
        ("why", f"{_FAULTS[cause.fault]}{f': {cause.explanation}' if cause.explanation else ''}"),
    )
    return tuple((name, value) for name, value in facts if value)


def _calls_of(calls: dict[str, list[str]]) -> str:
    (name, stacks), *others = calls.items()
    more = f" and {len(others)} more {'call' if len(others) == 1 else 'calls'}" if others else ""
    return f"{name} ({', '.join(stacks)}){more}"


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
    # Most answers, or the call's name, name the node anyway.
    is_reported = line.node is None or line.node in line.got or line.node in line.name
    return f"{mark(line)} {line.got}{'' if is_reported else f' ({line.node})'}"
