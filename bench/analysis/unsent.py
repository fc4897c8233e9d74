"""What it says of a run that none of its requests was sent: whose doing was it?"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from bench.result import Counts, Reason, ReasonCode


class Hindrance(StrEnum):
    """What kept requests from being sent."""

    GENERATOR = "generator"
    """It, or its machine, had no means left to send any."""
    REFUSED = "refused"
    """The path took no connection, which no busy machine explains."""
    FULL = "full"
    """No connection became free, or none came about in time."""


_OF_THE_GENERATOR = frozenset(
    {ReasonCode.STOPPED, ReasonCode.WORKER_LOST, ReasonCode.NO_LOCAL_PORT, ReasonCode.TOO_MANY_FILES}
)
_OF_THE_PATH = frozenset(
    {
        ReasonCode.REFUSED,
        ReasonCode.CONNECT_RESET,
        ReasonCode.UNREACHABLE,
        ReasonCode.TLS,
        ReasonCode.CONNECT_FAILED,
    }
)


def is_all_unsent(counts: Counts) -> bool:
    """Whether requests were due, and none of them was sent."""
    return counts.due > 0 and counts.sent == 0


def hindrance_of(counts: Counts) -> tuple[Hindrance, str]:
    """Who kept most requests of *counts* from being sent, and a sentence that says how."""
    reported = Counter({Reason.of(key): count for key, count in counts.reasons.items()})
    found: Counter[Hindrance] = Counter()
    for reason, count in reported.items():
        if reason.code in _OF_THE_GENERATOR:
            found[Hindrance.GENERATOR] += count
        elif reason.code in _OF_THE_PATH:
            found[Hindrance.REFUSED] += count
        else:
            found[Hindrance.FULL] += count
    why = ", ".join(f"{count:,} {reason.text}" for reason, count in reported.most_common(3))
    sentence = f"None of {counts.due:,} due requests was sent ({why or 'no reason is known'})"
    return (found.most_common(1)[0][0] if found else Hindrance.FULL), sentence
