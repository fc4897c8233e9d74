"""Whether the clock behind a log was set while it was written.

Proxies log a request when it ends, by the time when it began, so single lines lag behind others for as long
as requests last. A clock that was set back shows in all lines from then on: in whole blocks of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEP_S = 5.0
"""Smaller steps are not distinguished from requests that overtake each other."""
_BLOCK = 50
_SMALLEST_REST = 10
_MICROSECONDS_FROM = 1e11
"""Seconds since the epoch have 10 digits for another 260 years."""


class ClockWatch:
    """Takes the times of a log in the order of its lines."""

    def __init__(self) -> None:
        self.steps = 0
        self.largest_s = 0.0
        self._latest = -np.inf
        self._rest: npt.NDArray[np.float64] = np.zeros(0)

    def add(self, times: npt.NDArray[np.float64]) -> None:
        """The next lines: seconds or microseconds since the epoch."""
        seconds = np.where(times > _MICROSECONDS_FROM, times / 1e6, times)
        pending = np.concatenate([self._rest, seconds])
        whole = pending.size // _BLOCK * _BLOCK
        self._rest = pending[whole:]
        for latest in pending[:whole].reshape(-1, _BLOCK).max(axis=1):
            self._block(float(latest))

    def end(self) -> None:
        """No more lines."""
        if self._rest.size >= _SMALLEST_REST:
            self._block(float(self._rest.max()))

    def _block(self, latest: float) -> None:
        behind = self._latest - latest
        if behind > STEP_S:
            self.steps += 1
            self.largest_s = max(self.largest_s, behind)
            self._latest = latest
        else:
            self._latest = max(self._latest, latest)
