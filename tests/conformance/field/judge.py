"""What a case expects against what `explain` predicts and `check` reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.check import Finding, Level
from bench.commands.explanation import explain_folder
from bench.errors import InputError
from bench.explain import Ending, Trace
from bench.explain.trace import Cause
from tests.conformance.field.cases import Call, Case, Expected


@dataclass(frozen=True)
class Judgement:
    """What differs; empty for nothing."""

    calls: int
    differences: tuple[str, ...]


def judge_calls(case: Case) -> Judgement:
    """Hold each request of *case* against `explain`."""
    return Judgement(len(case.calls), tuple(text for call in case.calls for text in _differences(case, call)))


def _differences(case: Case, call: Call) -> Iterator[str]:
    expected = call.expected
    try:
        trace = explain_folder(case.folder, call.url, headers=call.headers, proxy=call.proxy)
    except InputError as error:
        if not (expected.is_not_asked or expected.is_refused):
            yield f"{call.url}: explain refuses: {error}"
        return
    if expected.is_not_asked:
        yield f"{call.url}: expected to be refused; predicted {_outcome(trace)}"
        return
    endings = list(trace.endings())
    if not _fits(expected, endings):
        yield f"{call.url} {' '.join(call.headers)}: expected {expected.text}; predicted {_outcome(trace)}"


def _outcome(trace: Trace) -> str:
    return "; ".join(
        f"{'/'.join(each.proxies)} {each.outcome.status or each.outcome.kind} {each.outcome.flags} "
        f"{each.outcome.reason} [{each.outcome.cause}]"
        for each in trace.endings()
    )


def _fits(expected: Expected, endings: Sequence[Ending]) -> bool:
    outcomes = [each.outcome for each in endings]
    if expected.is_passed_on:
        return all(each.cause is Cause.PASSED_ON for each in outcomes)
    if expected.is_closed:
        return all(each.is_failure for each in outcomes) and _flags_fit(expected, outcomes)
    if expected.status is not None and expected.status != 200:
        return any(each.status == expected.status for each in outcomes) and _flags_fit(expected, outcomes)
    if not all(each.kind == "endpoint" for each in outcomes):
        return False
    if not expected.addresses:
        return True
    found = {_plain(address.address) for each in outcomes for address in each.endpoints}
    wanted = {_plain(address) for address in expected.addresses}
    return bool(found & wanted) or any(each.cause is Cause.PASSED_ON for each in outcomes)


def _plain(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{host.rstrip('.')}:{port}"


def _flags_fit(expected: Expected, outcomes: Sequence[object]) -> bool:
    return not expected.flags or any(expected.flags in getattr(each, "flags", "") for each in outcomes)


def judge_check(case: Case, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Say where `check` should have spoken and did not, and where it spoke and should not have."""
    reported = [each for each in findings if each.level >= Level.WARNING]
    shown = (
        "; ".join(f"{each.level.word} {each.code} {each.resource}: {each.reason}" for each in reported)
        or "nothing"
    )
    wrong: list[str] = []
    errors = [each for each in reported if each.level is Level.ERROR]
    if case.wants_refusal and not errors:
        wrong.append(f"check should refuse ({case.check}); it reports {shown}")
    elif case.wants_error and not errors and "warning" not in case.check:
        wrong.append(f"check should report an error ({case.check}); it reports {shown}")
    elif case.wants_word and not reported:
        wrong.append(f"check should speak ({case.check}); it reports {shown}")
    if case.allows_silence and errors:
        wrong.append(f"check should report no error ({case.check}); it reports {shown}")
    missing = [
        code
        for code in sorted(case.codes)
        if code not in {each.code for each in findings}
        and "would be" not in case.check
        and " or " not in case.check
    ]
    if missing and not case.allows_silence and not errors:
        wrong.append(f"check should report {', '.join(missing)}; it reports {shown}")
    return tuple(wrong)
