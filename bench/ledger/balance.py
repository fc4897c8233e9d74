"""What a book says at the end: balanced, open, or incomplete, with every difference named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.result import Book, Cause, LedgerDamage, LedgerLevel, LedgerNote


@dataclass(frozen=True, slots=True)
class Residual:
    """A named part of a difference."""

    cause: Cause
    count: int


@dataclass(frozen=True, slots=True)
class Balance:
    """One book: ``left = right + sum of named residuals + unexplained``."""

    book: Book
    left: int | None
    """None: unknown."""
    right: int | None
    residuals: tuple[Residual, ...] = ()
    damages: tuple[LedgerDamage, ...] = ()
    unexplained: int | None = None
    """Requests without a name for their difference; None if a side is unknown. Full level: every single
    request that is wrong counts, so that losses and ghosts never cancel out."""
    examples: tuple[LedgerNote, ...] = ()
    """Some of the unexplained."""
    remarks: tuple[LedgerNote, ...] = ()
    """Worth knowing, without weight: clock steps, foreign lines."""
    nodes: tuple[str, ...] = ()
    """The nodes that it is about, where it is about some."""

    @property
    def state(self) -> Literal["balanced", "open", "incomplete"]:
        """Balanced only with nothing unexplained on undamaged evidence."""
        if self.damages or self.unexplained is None:
            return "incomplete"
        return "open" if self.unexplained else "balanced"


@dataclass(frozen=True, slots=True)
class Account:
    """All books of one window at one level."""

    level: LedgerLevel
    balances: tuple[Balance, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether there are books and every one is balanced."""
        return bool(self.balances) and all(balance.state == "balanced" for balance in self.balances)


def balance(
    book: Book,
    left: int,
    right: int,
    residuals: list[Residual],
    *,
    remarks: tuple[LedgerNote, ...] = (),
    nodes: tuple[str, ...] = (),
) -> Balance:
    """Close a book of two sums: what the named residuals do not cover is unexplained."""
    named = tuple(residual for residual in residuals if residual.count)
    return Balance(
        book,
        left,
        right,
        named,
        unexplained=left - right - sum(residual.count for residual in named),
        remarks=remarks,
        nodes=nodes,
    )


def lost(book: Book, damages: tuple[LedgerDamage, ...], *, nodes: tuple[str, ...] = ()) -> Balance:
    """A book that cannot be closed at all."""
    return Balance(book, None, None, damages=damages, nodes=nodes)


def added_up(residuals: list[Residual]) -> tuple[Residual, ...]:
    """One residual for each cause, those without a count left out."""
    totals: dict[Cause, int] = {}
    for residual in residuals:
        totals[residual.cause] = totals.get(residual.cause, 0) + residual.count
    return tuple(Residual(cause, count) for cause, count in totals.items() if count)
