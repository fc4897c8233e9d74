"""What a run proved or missed as test cases, before they have a form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from bench.analysis.verdict import Verdict, judge
from bench.check import Finding, Level
from bench.errors import BenchError
from bench.result import Counts, FaultResult, LimitCheck, Result, TrialResult, VerificationLine

Outcome = Literal["passed", "failed", "error", "skipped"]
"""``failed``: the path did wrong; ``error``: it could not be tried; ``skipped``: nothing was proven."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was tried."""

    name: str
    outcome: Outcome
    message: str = ""
    """Why it did not pass, in one line."""
    details: str = ""
    seconds: float | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases of one kind."""

    name: str
    cases: tuple[Case, ...]

    def count(self, outcome: Outcome) -> int:
        """How many cases ended so."""
        return sum(case.outcome == outcome for case in self.cases)


def suites_of(result: Result) -> tuple[Suite, ...]:
    """Give each proof of a run as a case: calls, answers by trial, accounts, limits, faults, verdict.

    The verdict is a case of its own, so that a run never passes in CI that did not pass.
    """
    verdict = judge(result)
    suites = [
        *(
            Suite(f"verification: {stack or 'path'}", tuple(_call(line) for line in lines))
            for stack, lines in groupby(result.verification, key=lambda line: line.stack)
        ),
        Suite("answers", tuple(_answers(result.trials))),
        Suite("ledger", tuple(_accounts(result.trials))),
        Suite("limits", tuple(_limit(check) for check in result.limits)),
        Suite("faults", tuple(_faults(result))),
        Suite("verdict", (_verdict(result, verdict),)),
    ]
    return tuple(suite for suite in suites if suite.cases)


def suite_of_findings(findings: Sequence[Finding], *, fails_on_warning: bool) -> Suite:
    """Give what ``check`` found; a case that passed where there is nothing."""
    worst = Level.WARNING if fails_on_warning else Level.ERROR
    cases = tuple(
        Case(
            name=" ".join(filter(None, (each.code, each.resource))),
            outcome="failed" if each.level >= worst else "passed",
            message=f"{each.level.word}: {each.reason}",
            details=f"{each.position}: {each.reason}\n{each.remedy}",
            file=each.position.file,
            line=each.position.line,
        )
        for each in findings
    )
    return Suite("check", cases or (Case("nothing found", "passed"),))


def suite_of_error(error: BenchError) -> Suite:
    """Give a command that could not do its job."""
    return Suite("command", (Case("could not run", "error", message=error.what, details=str(error)),))


def _call(line: VerificationLine) -> Case:
    if line.passed:
        return Case(line.name, "passed")
    details = [f"sent      {line.sent}", f"expected  {line.expected}", f"got       {line.got}"]
    if line.cause is not None:
        details += [line.cause.text, line.cause.explanation]
    return Case(line.name, "failed", f"expected {line.expected}, got {line.got}", "\n".join(details))


def _answers(trials: Sequence[TrialResult]) -> Iterator[Case]:
    for trial in trials:
        for subset in trial.subsets or (trial.total,):
            name = f"{trial.experiment}, {trial.name}: {subset.name}"
            yield _counted(name, subset, trial)


def _counted(name: str, counts: Counts, trial: TrialResult) -> Case:
    text = (
        f"{counts.due} due, {counts.answered} answered, {counts.misrouted} misrouted,"
        f" {counts.failed} failed, {counts.unsent} unsent"
    )
    reasons = "\n".join(f"{reason}: {count}" for reason, count in counts.reasons.items())
    wrong = counts.misrouted + counts.failed
    outcome: Outcome = "failed" if wrong else "skipped" if counts.unsent or trial.aborted else "passed"
    why = text if outcome != "passed" else ""
    return Case(name, outcome, why, "\n".join(filter(None, (trial.aborted, reasons))), trial.duration_s)


def _accounts(trials: Sequence[TrialResult]) -> Iterator[Case]:
    for trial in trials:
        if trial.ledger is None:
            continue
        open_books = [book for book in trial.ledger.books if book.unexplained]
        yield Case(
            f"{trial.experiment}, {trial.name}",
            "passed" if trial.ledger.is_balanced else "failed",
            "" if trial.ledger.is_balanced else "the account does not balance",
            "\n".join(f"{book.book}: {book.unexplained} unexplained" for book in open_books),
        )


def _limit(check: LimitCheck) -> Case:
    text = f"limit {check.limit}, measured {check.measured}"
    outcome: Outcome = "passed" if check.passed else "failed" if check.is_proven else "skipped"
    return Case(check.name, outcome, "" if outcome == "passed" else text)


def _faults(result: Result) -> Iterator[Case]:
    if result.faults is None:
        return
    yield from (_fault(fault) for fault in result.faults.faults)
    alarms = result.faults.false_alarms
    yield Case(
        f"{result.faults.clean_runs} clean loads",
        "failed" if alarms else "passed",
        f"{len(alarms)} false alarms" if alarms else "",
        "\n".join(alarms),
    )


def _fault(fault: FaultResult) -> Case:
    if fault.impossible is not None or fault.limited is not None:
        return Case(fault.title, "skipped", fault.impossible or fault.limited or "")
    if fault.detected:
        return Case(fault.title, "passed")
    return Case(
        fault.title, "failed", f"expected {fault.expected}, found {fault.found or 'nothing'}", fault.detail
    )


def _verdict(result: Result, verdict: Verdict) -> Case:
    outcomes: dict[int, Outcome] = {0: "passed", 1: "failed", 3: "skipped"}
    outcome = outcomes.get(verdict.exit_code, "error")
    return Case(
        verdict.state,
        outcome,
        "" if outcome == "passed" else verdict.sentence,
        seconds=result.duration_s,
    )
