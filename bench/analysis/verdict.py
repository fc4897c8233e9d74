"""What a run comes to, in one word and one sentence.

Exit codes: 0, everything asked for was met; 1, the path did something wrong; 2, the run did not come to its
end; 3, nothing was proven: generator, machine or too few samples were between the path and a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.capacity_verdict import outcome_of
from bench.analysis.generator_health import GENERATOR_FULL, GENERATOR_LIMITED
from bench.analysis.ledger import summarise_ledger
from bench.analysis.unsent import Hindrance, hindrance_of, is_all_unsent
from bench.analysis.variants import sentence_of
from bench.result import (
    CapacityResult,
    Counts,
    FaultsResult,
    LimitCheck,
    Result,
    SharesResult,
    SubsetResult,
    TlsLab,
    UpdateResult,
    VariantsResult,
)

State = Literal[
    "passed",
    "limit missed",
    "wrong answers",
    "control failed",
    "ledger open",
    "aborted",
    "generator-limited",
    "machine disturbed",
    "too few samples",
    "nothing proven",
]

_EXIT_CODES: dict[State, int] = {
    "passed": 0,
    "limit missed": 1,
    "wrong answers": 1,
    "control failed": 1,
    "ledger open": 1,
    "aborted": 2,
    "generator-limited": 3,
    "machine disturbed": 3,
    "too few samples": 3,
    "nothing proven": 3,
}
MACHINE_DISTURBED = frozenset({"machine-disturbed"})
"""Codes of warnings after which times say more about the machine than about the path."""
_BY_THE_PATH_ALONE = frozenset({"misrouted", "failed", "retried"})
"""Limits that neither a late generator nor a busy machine explains."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a run."""

    state: State
    sentence: str

    @property
    def exit_code(self) -> int:
        """0: all met; 1: the path did wrong; 2: it could not run to its end; 3: nothing was proven."""
        return _EXIT_CODES[self.state]


def whole(result: Result) -> SubsetResult | None:
    """The line over all subsets of the steady trials; None before the first one ended."""
    return result.totals[-1] if result.totals else None


def misrouted_anywhere(result: Result) -> int | None:
    """Misrouted requests of all stages of all trials, and of the baseline; None before the first one ended.

    Warm-ups and handshake trials are not part of the totals: a misroute there must not pass unseen.
    """
    searched = result.capacity.misrouted if result.capacity is not None else 0
    if result.tls_lab is not None:
        searched += result.tls_lab.misrouted
    total = whole(result)
    if total is None and not result.trials:
        return searched if result.capacity is not None or result.tls_lab is not None else None
    trials = sum(counts.misrouted for counts in _every_count(result))
    return max(trials, total.misrouted if total else 0) + searched


def wrong_bodies_anywhere(result: Result) -> int:
    """Answers with a wrong body of all stages of all trials, and of the baseline."""
    return sum(counts.wrong_bodies for counts in _every_count(result))


def _every_count(result: Result) -> Iterator[Counts]:
    for trial in result.trials:
        if trial.stages:
            yield from (stage.total for stage in trial.stages)
        else:
            yield trial.total
    if result.generator is not None and result.generator.baseline_counts is not None:
        yield result.generator.baseline_counts


def judge(result: Result) -> Verdict:
    """Judge a run. Wrong answers count as missed even where the scenario sets no limit for them."""
    if result.state == "aborted":
        return _judge_aborted(result)
    if result.faults is not None:
        return _judge_faults(result.faults)
    if result.update is not None:
        return _judge_update(result.update)
    if result.tls_lab is not None and not result.trials:
        return _judge_lab(result, result.tls_lab)
    return (
        # Beside steady trials a search is an answer among others, and no limit that they must meet.
        _judge_capacity(result, result.capacity)
        if result.capacity is not None and not result.trials
        else _judge_complete(result)
    )


def _judge_capacity(result: Result, found: CapacityResult) -> Verdict:
    """A wrong answer at any rate is one, however much the path carries."""
    state, sentence = outcome_of(found)
    if wrong := _wrong(result):
        return Verdict(_wrong_state(result), f"{'; '.join(wrong)}. {sentence}")
    return Verdict(state, sentence)


def _judge_update(found: UpdateResult) -> Verdict:
    """No request failed or went where it must not, whatever changed; and all books agree."""
    count = sum(source.count for source in found.sources)
    requests = sum(source.requests for source in found.sources)
    if not count:
        return Verdict("nothing proven", "No change was made.")
    text = f"{count:,} changes under load, {requests:,} requests"
    failed = sum(source.failed for source in found.sources)
    misrouted = sum(source.misrouted for source in found.sources)
    refused = sum(change.refused is not None for source in found.sources for change in source.changes)
    if misrouted or failed:
        return Verdict("wrong answers", f"{text}: {failed:,} failed, {misrouted:,} misrouted.")
    if refused:
        return Verdict("limit missed", f"{text}: Envoy refused {refused:,} of the changes.")
    differing = [source.way for source in found.sources if not source.balances]
    if differing:
        which = ", ".join(differing)
        return Verdict("ledger open", f"{text}: client, gateway and nodes differ with {which}.")
    return Verdict("passed", f"{text}: none failed, none was misrouted, and all hops counted the same.")


def _judge_lab(result: Result, lab: TlsLab) -> Verdict:
    """A cell below its oracle is an error of the measurement; a misroute is one of the path."""
    # It imports scipy, which takes two seconds, to every command that has a verdict.
    from bench.analysis.tls import judge_lab  # noqa: PLC0415

    fine, sentence = judge_lab(lab)
    if wrong := _wrong(result):
        return Verdict(_wrong_state(result), f"{'; '.join(wrong)}. {sentence}")
    return Verdict("passed" if fine else "limit missed", sentence)


def _judge_aborted(result: Result) -> Verdict:
    """A wrong answer is a finding, also where the run stopped because of it."""
    aborted = f"The run was aborted: {result.reason or 'the reason is not known'}"
    if wrong := _wrong(result):
        # Before any load the reason is the wrong answer itself, with why and what to do.
        text = f"{'; '.join(wrong)}. {aborted}" if result.trials or result.reason is None else result.reason
        return Verdict(_wrong_state(result), text)
    return Verdict("aborted", aborted)


def _judge_complete(result: Result) -> Verdict:
    wrong = _wrong(result)
    missed = [check for check in result.limits if not check.passed and check.is_proven]
    if misrouted_anywhere(result):
        # Reported above, limit or not.
        missed = [check for check in missed if check.name != "misrouted"]
    open_books, damaged = _open_books(result)
    excuse, why = _excuse(result)
    sentence = "; ".join([*wrong, *open_books, *map(_check_text, missed)])
    if wrong or open_books or any(check.name in _BY_THE_PATH_ALONE for check in missed):
        state = _wrong_state(result) if wrong else "ledger open" if open_books else "limit missed"
        return Verdict(state, f"{sentence}.{' ' + why if why else ''}")
    return _judge_unsent(whole(result), excuse, why) or _judge_times(result, missed, sentence, damaged)


def _judge_times(
    result: Result, missed: Sequence[LimitCheck], sentence: str, damaged: Sequence[str]
) -> Verdict:
    """Judge what a late generator or a busy machine may have made."""
    excuse, why = _excuse(result)
    if damaged and not missed:
        return Verdict("nothing proven", f"{damaged[0]}: what it would show is unknown.")
    if excuse == "machine disturbed" and not missed and not _is_generator_limited(result):
        # What is met on a disturbed machine is met on a quiet one.
        excuse = None
    if excuse is not None:
        met = sentence or ("All limits are met" if result.limits else "No request was misrouted")
        met = f"{met}, which proves nothing"
        return Verdict(excuse, f"{met}: {why}")
    if missed:
        return Verdict("limit missed", f"{sentence}.")
    if unproven := [check for check in result.limits if not check.is_proven]:
        return Verdict(
            "too few samples",
            f"{'; '.join(map(_check_text, unproven))}. Measure longer, with more blocks or at a higher rate.",
        )
    return Verdict("passed", _passed(result) if result.variants is None else _compared(result.variants))


def _judge_unsent(total: SubsetResult | None, excuse: State | None, why: str) -> Verdict | None:
    """Nothing was asked, so no answer can be wrong: somebody was in the way. None: something was."""
    if total is None or not is_all_unsent(total):
        return None
    hindrance, sentence = hindrance_of(total)
    if hindrance is Hindrance.GENERATOR:
        return Verdict(excuse or "generator-limited", f"{sentence}, which proves nothing. {why}".rstrip())
    if hindrance is Hindrance.FULL and excuse is not None:
        return Verdict(excuse, f"{sentence}, which proves nothing: {why}")
    return Verdict("limit missed", f"{sentence}.")


def _is_generator_limited(result: Result) -> bool:
    return any(each.code in GENERATOR_LIMITED for each in result.warnings)


def _excuse(result: Result) -> tuple[State | None, str]:
    """What was between the path and a verdict on its times, and the warnings that say so.

    A generator that others keep from the processors is late by their doing; one that fills its own is not.
    """
    limited = [each for each in result.warnings if each.code in GENERATOR_LIMITED]
    disturbed = [each for each in result.warnings if each.code in MACHINE_DISTURBED]
    text = " ".join(each.message for each in [*limited[:1], *disturbed[:1]])
    if limited:
        is_full = any(each.code == GENERATOR_FULL for each in limited)
        return ("machine disturbed" if disturbed and not is_full else "generator-limited"), text
    return ("machine disturbed", text) if disturbed else (None, "")


def _judge_faults(proof: FaultsResult) -> Verdict:
    """Every fault named, and no alarm without one; what could not be made, or judged, proves nothing."""
    made = [fault for fault in proof.faults if fault.impossible is None]
    missed = [fault.title for fault in made if not fault.detected and fault.limited is None]
    clean = f"{proof.clean_runs} clean runs raised {len(proof.false_alarms) or 'no'} false alarms"
    if left := len(proof.faults) - len(made):
        clean = f"{left} not possible here; {clean}"
    if proof.faults and not made:
        return Verdict(
            "nothing proven", f"No fault could be made here: {proof.faults[0].impossible}; {clean}."
        )
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
    if misrouted := misrouted_anywhere(result):
        wrong.append(f"{misrouted:,} {'request was' if misrouted == 1 else 'requests were'} misrouted")
    if bodies := wrong_bodies_anywhere(result):
        wrong.append(f"{bodies:,} {'answer' if bodies == 1 else 'answers'} had a wrong body")
    wrong += [_divided(shares) for shares in result.shares if not shares.fits]
    total = whole(result)
    elsewhere = result.capacity is not None or result.tls_lab is not None
    measured_otherwise = result.faults is not None or (elsewhere and not result.trials)
    is_answered = total is not None and (total.answered > 0 or is_all_unsent(total))
    if result.state == "complete" and not measured_otherwise and not is_answered:
        wrong.append("no request was answered")
    return wrong


def _divided(shares: SharesResult) -> str:
    """The destination that is furthest off, in words."""
    worst = max(shares.shares, key=lambda share: abs(share.observed - share.expected * shares.answers))
    return (
        f"the answers of {shares.subset} are not divided as the weights say: {' and '.join(worst.nodes)} gave"
        f" {worst.observed / shares.answers:.1%} of {shares.answers:,}, expected {worst.expected:.1%}"
        f" (error probability {shares.error_probability:.0e})"
    )


def _wrong_state(result: Result) -> State:
    """Name it after the failed controls if nothing else went wrong."""
    failed = [line for line in result.verification if not line.passed]
    is_only_controls = bool(failed) and all(line.kind == "tls-control" for line in failed)
    under_load = misrouted_anywhere(result) or wrong_bodies_anywhere(result)
    return "control failed" if is_only_controls and not under_load else "wrong answers"


def _check_text(check: LimitCheck) -> str:
    return f"{check.name} is {check.measured}, limit {check.limit}"


def _open_books(result: Result) -> tuple[list[str], list[str]]:
    """What the ledger says against the path, and what it cannot say because a book is damaged."""
    account = summarise_ledger(result)
    if account is None:
        return [], []
    troubles = [each for each in account.troubles if each not in account.damaged]
    return _summed_up("the ledger does not balance", troubles), _summed_up(
        "The ledger is damaged", account.damaged
    )


def _summed_up(heading: str, troubles: Sequence[str]) -> list[str]:
    more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
    return [f"{heading}: {troubles[0]}{more}"] if troubles else []


def _compared(found: VariantsResult) -> str:
    return f"{sentence_of(found)} No request was misrouted."


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
