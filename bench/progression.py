"""How far a command is, and what remains: planned seconds held against a clock that is passed in."""

from __future__ import annotations

from collections.abc import Callable

_PRIOR_S = 10.0
"""So many seconds as planned are believed in before stages teach how long they really take."""
_LATEST = 1.5
"""One stage teaches at most that all take this much longer: it may have waited for what others do not."""
_SKIPPED = 0.1
"""A stage that took a smaller part of its plan was not needed, and teaches nothing."""


class Progression:
    """How far a run is: planned seconds, and the seconds that went by in the present stage.

    What remains is planned seconds at the pace that finished stages had: what surrounds a trial takes several
    times as long on a busy machine as on one with nothing else to do.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._planned = self._took = _PRIOR_S
        self._total = 0.0
        self._before = 0.0
        self._stage = 0.0
        self._stage_start = clock()
        self.start = clock()

    def plan(self, total_s: float) -> None:
        """Set the planned seconds of everything."""
        self._total = total_s

    def stage(self, planned_s: float) -> None:
        """Begin a stage: the one before is done, however long it took."""
        took = self._clock() - self._stage_start
        if took > self._stage * _SKIPPED:
            self._planned += self._stage
            self._took += min(took, self._stage * _LATEST)
        self._before += self._stage
        self._stage = planned_s
        self._stage_start = self._clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, by the clock."""
        return self._clock() - self.start

    @property
    def done_s(self) -> float:
        """Planned seconds that are done; a stage that takes longer than planned stops at its end."""
        inside = min(self._clock() - self._stage_start, self._stage)
        return min(self._before + inside, self._total)

    @property
    def total_s(self) -> float:
        """Planned seconds of everything."""
        return self._total

    @property
    def remaining_s(self) -> float:
        """Seconds that are left, at the pace so far."""
        pace = self._took / self._planned
        later = max(self._total - self._before - self._stage, 0.0) * pace
        left = max(min(self._stage, self._total - self._before) * pace, 0.0)
        return later + max(left - (self._clock() - self._stage_start), 0.0)


def format_span(seconds: float) -> str:
    """Write a span for people: ``42 s`` or ``2 min 05 s``."""
    whole = max(round(seconds), 0)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def plain_stage(progression: Progression, text: str, planned_s: float) -> str:
    """One line for a log: seconds since the start, what happens, for how long."""
    span = f" ({format_span(planned_s)})" if planned_s >= 1 else ""
    return f"{progression.elapsed_s:5.0f} s  {text}{span}"


def bar_text(progression: Progression) -> str:
    """What is shown right of the bar."""
    left = progression.remaining_s
    return f"about {format_span(left)} left" if left >= 0.5 else "almost done"
