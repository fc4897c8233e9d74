"""What a book says at the end: balanced, open, or incomplete, with every difference named."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Level = Literal["counters", "full"]


class Cause(StrEnum):
    """Why two sides of a book may differ although nothing is wrong with the account."""

    RETRY = "retry"
    RESET = "reset"
    TIMEOUT = "timeout"
    OVERFLOW = "overflow (UO)"
    NO_ROUTE = "no route (NR)"
    NO_CLUSTER = "no cluster (NC)"
    NO_HEALTHY_UPSTREAM = "no healthy upstream (UH)"
    UPSTREAM_FAILURE = "upstream failure (UF)"
    DIRECT_ANSWER = "answered by the proxy"
    FAULT_INJECTED = "fault injected (FI)"
    CLIENT_LEFT = "client left (DC)"
    CANCELLED = "cancelled before it had a connection"
    REJECTED = "rejected before routing"
    MIRROR = "mirrored copy"
    NOT_CONNECTED = "never reached the proxy"
    UNSENT = "unsent"
    DRAINED = "drained"
    IN_FLIGHT = "in flight at the end"
    FOREIGN = "not of this run"


class Fault(StrEnum):
    """Why a book cannot be closed: the evidence itself is damaged."""

    COUNTERS_RESET = "counters reset by a restart"
    COUNTERS_MISSING = "counters missing"
    LOG_TRUNCATED = "log truncated or rotated"
    LOG_LINE_BROKEN = "log line broken"
    DUPLICATE_IDS = "duplicate ids"


@dataclass(frozen=True, slots=True)
class Residual:
    """A named part of a difference."""

    cause: Cause
    count: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Something wrong with the evidence."""

    fault: Fault
    detail: str


@dataclass(frozen=True, slots=True)
class Balance:
    """One book: ``left = right + sum of named residuals + unexplained``."""

    book: str
    left_name: str
    left: int | None
    """None: unknown."""
    right_name: str
    right: int | None
    residuals: tuple[Residual, ...] = ()
    damages: tuple[Damage, ...] = ()
    unexplained: int | None = None
    """Requests without a name for their difference; None if a side is unknown. Full level: every single
    request that is wrong counts, so that losses and ghosts never cancel out."""
    examples: tuple[str, ...] = ()
    """Some of the unexplained, in words."""
    remarks: tuple[str, ...] = ()
    """Worth knowing, without weight: clock steps, foreign lines."""

    @property
    def state(self) -> Literal["balanced", "open", "incomplete"]:
        """Balanced only with nothing unexplained on undamaged evidence."""
        if self.damages or self.unexplained is None:
            return "incomplete"
        return "open" if self.unexplained else "balanced"


@dataclass(frozen=True, slots=True)
class Account:
    """All books of one window at one level."""

    level: Level
    balances: tuple[Balance, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether there are books and every one is balanced."""
        return bool(self.balances) and all(balance.state == "balanced" for balance in self.balances)


def balance(
    book: str,
    left: tuple[str, int],
    right: tuple[str, int],
    residuals: list[Residual],
    *,
    damages: tuple[Damage, ...] = (),
    remarks: tuple[str, ...] = (),
) -> Balance:
    """Close a book of two sums: what the named residuals do not cover is unexplained."""
    named = tuple(residual for residual in residuals if residual.count)
    return Balance(
        book,
        left[0],
        left[1],
        right[0],
        right[1],
        named,
        damages,
        left[1] - right[1] - sum(residual.count for residual in named),
        remarks=remarks,
    )


def lost(book: str, left_name: str, right_name: str, damages: tuple[Damage, ...]) -> Balance:
    """A book that cannot be closed at all."""
    return Balance(book, left_name, None, right_name, None, damages=damages)
