"""A trial: what was asked for, what came of it, and whether that is good."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bench.analysis.capacity.goal import Goal

_TAIL = 3
"""A soak that is bad all through its last third has collapsed, however well it began."""


class Purpose(StrEnum):
    """Why a trial is made."""

    START = "start"
    """The first one."""
    EXPAND_UP = "expand up"
    """All loads so far are good: how far does that go?"""
    EXPAND_DOWN = "expand down"
    """All loads so far are bad."""
    HALVE = "halve"
    """Between the bounds."""
    CONFIRM_LOWER = "confirm lower"
    """The lower bound of the coarser target needs more seconds."""
    CONFIRM_UPPER = "confirm upper"
    """The upper bound of the coarser target needs more seconds."""
    SECOND_LOOK = "second look"
    """At the upper bound, some time after it was found to be one."""
    SOAK = "soak"
    """Uninterrupted load at the lower bound."""


@dataclass(frozen=True, slots=True)
class Try:
    """The next trial to make."""

    load: float
    """Requests per second."""
    duration_s: float
    purpose: Purpose
    target: int
    """Rung of the ladder, from 0."""
    rest_s: float = 0.0
    """Pause before it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that was made."""

    load: float
    """As it was asked for, requests/s."""
    duration_s: float
    loss: float
    """Share of the due requests that was unsent, failed, misrouted or slower than the limit."""
    purpose: Purpose = Purpose.START
    target: int = 0
    generator_limited: bool = False
    """The generator could not offer this load: a bad trial that says nothing about the target."""
    windows: tuple[float, ...] = field(default=())
    """Of a soak: the loss of each of its equal parts, in order."""

    def is_good(self, goal: Goal) -> bool:
        """Is the loss within the goal?

        A soak is judged by its windows: bad ones may be as frequent as bad trials may be, but it must not end
        in a third that is bad throughout.
        """
        if self.generator_limited:
            return False
        if not self.windows:
            return self.loss <= goal.loss
        bad = [loss > goal.loss for loss in self.windows]
        tail = bad[-max(1, len(bad) // _TAIL) :]
        return sum(bad) <= goal.exceed_ratio * len(bad) and not all(tail)
