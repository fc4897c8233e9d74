"""Whom an experiment informs of what it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bench.result import RunWarning, VerificationLine


class Observer(Protocol):
    """The part of a console that a running experiment talks to."""

    def plan(self, total_s: float) -> None:
        """Announce how long everything will take, in seconds."""

    def stage(self, text: str, planned_s: float = 0.0) -> None:
        """Say what is happening from now on, and for how many of the planned seconds."""

    def note(self, text: str) -> None:
        """Report a fact that does not change what is happening."""

    def verification(self, calls: Sequence[VerificationLine]) -> None:
        """Show the table of calls before the load."""

    def warning(self, warning: RunWarning) -> None:
        """Report a warning as soon as it is known."""
