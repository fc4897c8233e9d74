"""What a run comes to, in one word and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.analysis.generator_health import GENERATOR_LIMITED
from bench.analysis.ledger import summarise_ledger
from bench.result import FaultsResult, Result, SubsetResult

State = Literal["passed", "limit missed", "aborted", "generator-limited"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a run."""

    state: State
    sentence: str

    @property
    def exit_code(self) -> int:
        """0: all limits met; 1: a limit or a correctness check missed; 2: it could not run to its end."""
        return {"passed": 0, "generator-limited": 0, "limit missed": 1, "aborted": 2}[self.state]


def whole(result: Result) -> SubsetResult | None:
    """The line over all subsets of the steady trials; None before the first one ended."""
    return result.totals[-1] if result.totals else None


def misrouted_anywhere(result: Result) -> int | None:
    """Misrouted requests of all trials; None before the first one ended.

    The handshake trials are no part of the totals: a misroute there must not pass unseen.
    """
    total = whole(result)
    if total is None and not result.trials:
        return None
    return max(sum(trial.total.misrouted for trial in result.trials), total.misrouted if total else 0)


def judge(result: Result) -> Verdict:
    """Judge a run. Wrong answers count as missed even where the scenario sets no limit for them."""
    if result.state == "aborted":
        aborted = f"The run was aborted: {result.reason or 'the reason is not known'}"
        # A wrong answer is a finding, also where the run stopped because of it.
        wrong = _wrong(result)
        return (
            Verdict("limit missed", f"{'; '.join(wrong)}. {aborted}")
            if wrong
            else Verdict("aborted", aborted)
        )
    if result.faults is not None:
        return _judge_faults(result.faults)
    missed = _missed(result)
    limited = [warning for warning in result.warnings if warning.code in GENERATOR_LIMITED]
    if missed:
        also = " The generator was at its own limit, too." if limited else ""
        return Verdict("limit missed", f"{'; '.join(missed)}.{also}")
    if limited:
        return Verdict(
            "generator-limited",
            f"All limits are met, but the generator was at its own limit: {limited[0].message}",
        )
    return Verdict("passed", _passed(result))


def _judge_faults(proof: FaultsResult) -> Verdict:
    """Every fault named, and no alarm without one; what could not be made, or judged, proves nothing."""
    made = [fault for fault in proof.faults if fault.impossible is None]
    missed = [fault.title for fault in made if not fault.detected and fault.limited is None]
    clean = f"{proof.clean_runs} clean runs raised {len(proof.false_alarms) or 'no'} false alarms"
    if left := len(proof.faults) - len(made):
        clean = f"{left} not possible here; {clean}"
    if proof.faults and not made:
        return Verdict("limit missed", f"No fault could be made here: {proof.faults[0].impossible}; {clean}.")
    if missed or proof.false_alarms:
        named = f"{len(missed)} of {len(made)} faults were not named"
        which = f" ({', '.join(missed)})" if missed else ""
        return Verdict("limit missed", f"{named}{which}; {clean}.")
    limited = [fault.title for fault in proof.faults if fault.limited is not None]
    if limited or proof.limited:
        which = ", ".join([*limited, *(f"{len(proof.limited)} clean runs" for _ in proof.limited[:1])])
        return Verdict("generator-limited", f"The machine was too busy to judge {which}; {clean}.")
    return Verdict("passed", f"All {len(made)} faults were noticed and named; {clean}.")


def _wrong(result: Result) -> list[str]:
    """Wrong answers, before and under load."""
    wrong = []
    calls = [
        f"{line.name}, {line.stack}" if line.stack else line.name
        for line in result.verification
        if not line.passed
    ]
    if calls:
        was = "was" if len(calls) == 1 else "were"
        wrong.append(
            f"{len(calls)} of {len(result.verification)} verification calls {was} wrong ({calls[0]})"
        )
    misrouted = misrouted_anywhere(result) or 0
    if misrouted:
        wrong.append(f"{misrouted:,} {'request was' if misrouted == 1 else 'requests were'} misrouted")
    return wrong


def _missed(result: Result) -> list[str]:
    missed = _wrong(result) + [
        f"{check.name} is {check.measured}, limit {check.limit}"
        for check in result.limits
        # Misroutes are told above, limit or not.
        if not check.passed and not (check.name == "misrouted" and misrouted_anywhere(result))
    ]
    account = summarise_ledger(result)
    if account is not None and account.troubles:
        more = f" (and {len(account.troubles) - 1} more)" if len(account.troubles) > 1 else ""
        missed.append(f"the ledger does not balance: {account.troubles[0]}{more}")
    total = whole(result)
    if total is None or total.answered == 0:
        missed.append("no request was answered")
    return missed


def _passed(result: Result) -> str:
    parts = []
    if result.limits:
        count = len(result.limits)
        parts.append("the limit is met" if count == 1 else f"all {count} limits are met")
    if result.verification:
        parts.append(f"all {len(result.verification)} verification calls went where they must")
    parts.append("no request was misrouted")
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."
