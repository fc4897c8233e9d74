"""What a search is after: which trial is good, how sure a bound must be, and what it may cost."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from bench.errors import InputError


@functools.lru_cache(maxsize=64)
def _grid(lowest: float, highest: float, width: float) -> tuple[int, float]:
    """Index of the highest load, and the logarithm of the ratio of neighbours."""
    whole = math.log(highest / lowest)
    top = math.ceil(whole / math.log1p(width) - 1e-9)
    return top, whole / top if top else math.log1p(width)


@dataclass(frozen=True, slots=True)
class Target:
    """One rung of the ladder from coarse to fine: how near two bounds must be, and how well proven."""

    steps: int
    """Lower and upper bound lie at most this many steps of the grid apart."""
    duration_sum_s: float
    """Seconds of trials at one load that settle what it is."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The search goal of RFC 9971, for requests: a load is good if its trials mostly keep the loss in bounds.

    Loads are requests per second and lie on a grid of equal ratios, so that trials meet the same load again.
    """

    lowest: float
    """The lowest load worth a trial, requests/s."""
    highest: float
    """The highest load within reach, requests/s."""
    start: float
    """Where to begin; the nearer to the answer, the sooner it comes. Held within the two above."""
    loss: float = 0.01
    """Goal loss ratio: a trial is good if at most this share of the due requests is lost."""
    exceed_ratio: float = 0.5
    """Goal exceed ratio: at a good load at most this share of the seconds may be bad."""
    width: float = 0.01
    """Goal width: what upper and lower bound may differ by, relative to the lower."""
    duration_sum_s: float = 21.0
    """Goal duration sum: seconds of trials that settle a load. Fewer, if the rest could not change it."""
    trial_s: float = 1.0
    """Goal final trial duration; shorter trials count less."""
    trial_requests: int = 1000
    """A trial at a low load lasts until this many requests were due, so that its loss means something."""
    soak_s: float = 10.0
    """Uninterrupted load at the lower bound, at the end; 0: no soak."""
    rest_s: float = 5.0
    """Pause before the second look at an upper bound, where no soak lies between."""
    most_trials: int = 300
    """Bound of the search in count."""
    most_s: float = 240.0
    """Bound of the search in seconds of trials, soak included."""

    def __post_init__(self) -> None:
        """Refuse what no search can end with.

        Raises:
            InputError: a value is out of its range.
        """
        for name, value in (("lowest rate", self.lowest), ("highest rate", self.highest)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(
                    f"the {name} of a capacity search is {value:g} requests/s.",
                    remedy="Give a finite rate above 0.",
                )
        if self.highest < self.lowest:
            raise InputError(
                f"the highest rate of a capacity search, {self.highest:g} requests/s, is below the lowest,"
                f" {self.lowest:g} requests/s.",
                remedy="Give a highest rate above the lowest one.",
            )
        ratios = (
            ("width", self.width, 1e-4),
            ("exceed ratio", self.exceed_ratio, 0.0),
            ("loss", self.loss, 0),
        )
        for name, value, least in ratios:
            if not least <= value < 1:
                raise InputError(
                    f"the {name} of a capacity search is {value:g}.",
                    remedy=f"Give a share from {least:g} to below 1.",
                )
        if not 0 < self.trial_s <= self.duration_sum_s or not 0 <= self.soak_s < math.inf:
            raise InputError(
                f"trials of {self.trial_s:g} s, a duration sum of {self.duration_sum_s:g} s and a soak of"
                f" {self.soak_s:g} s do not fit together.",
                remedy="Trials are longer than 0 and at most as long as the duration sum.",
            )

    @property
    def ladder(self) -> tuple[Target, ...]:
        """Targets from coarse to fine: one trial a load, a few, and all that the goal asks for."""
        few = max(self.trial_s, self.duration_sum_s / 3)
        return (Target(4, self.trial_s), Target(1, few), Target(1, self.duration_sum_s))

    @property
    def top(self) -> int:
        """Index of the highest load of the grid; the lowest has 0."""
        return _grid(self.lowest, self.highest, self.width)[0]

    @property
    def _step(self) -> float:
        """Logarithm of the ratio of neighbours: the width, or a little less, to end at the highest."""
        return _grid(self.lowest, self.highest, self.width)[1]

    @property
    def doubling(self) -> int:
        """Steps of the grid that double a load."""
        return max(1, round(math.log(2) / self._step))

    def load(self, index: int) -> float:
        """Load number *index* of the grid, in requests/s with five digits; the last one is the highest."""
        return (
            self.highest if index >= self.top else float(f"{self.lowest * math.exp(self._step * index):.5g}")
        )

    def index(self, load: float) -> int:
        """The place on the grid that is nearest to *load*."""
        near = round(math.log(max(load, self.lowest) / self.lowest) / self._step)
        return min(max(near, 0), self.top)

    def duration_s(self, load: float) -> float:
        """How long a trial at *load* lasts: enough requests, but never more than settles the load alone."""
        return min(max(self.trial_s, self.trial_requests / load), max(self.trial_s, self.duration_sum_s / 2))
