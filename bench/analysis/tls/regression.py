"""CPU of one handshake: regression of CPU time on counts of requests, full and resumed handshakes.

    CPU seconds = base · seconds + request · requests + full · full handshakes + resumed · resumed handshakes

over windows of kept connections at two rates, of full and of resumed handshakes, interleaved. Windows weigh
by the inverse of their own CPU, so that the relative error is minimised. Standard errors are those of
MacKinnon and White (1985), HC3, which hold where the scatter differs between windows; bounds are Student's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from bench.result import Estimate

Term = Literal["base", "request", "full", "resumed"]
TERMS: Final[tuple[Term, ...]] = ("base", "request", "full", "resumed")
_MOST_LEVERAGE: Final = 0.999


@dataclass(frozen=True, slots=True)
class HandshakeWindow:
    """What happened in one window, and what one part used."""

    seconds: float
    requests: int
    full: int
    """Full handshakes."""
    resumed: int
    cpu_s: float

    @property
    def row(self) -> tuple[float, ...]:
        """Amounts in the order of ``TERMS``."""
        return (self.seconds, float(self.requests), float(self.full), float(self.resumed))


def fit_handshakes(windows: Sequence[HandshakeWindow]) -> dict[Term, Estimate]:
    """Cost of each term that occurred: microseconds of CPU, of a second for ``base``.

    Empty where the windows are too few or too much alike to distinguish the terms.
    """
    usable = [window for window in windows if window.cpu_s > 0]
    if not usable:
        return {}
    rows = np.array([window.row for window in usable], dtype=np.float64)
    cpu = np.array([window.cpu_s for window in usable])
    used = [number for number in range(len(TERMS)) if rows[:, number].any()]
    count, terms = len(usable), len(used)
    columns = rows[:, used] / cpu[:, np.newaxis]
    scale = np.linalg.norm(columns, axis=0)
    scaled = columns / scale
    if count <= terms or np.linalg.matrix_rank(scaled, tol=1e-3) < terms:
        return {}
    gram = np.linalg.inv(scaled.T @ scaled)
    best = gram @ scaled.T @ np.ones(count)
    deviations = _deviations(scaled, gram, best)
    reach = float(t.ppf(0.975, count - terms))
    return {
        TERMS[term]: Estimate(
            value=float(best[place] / scale[place] * 1e6),
            low=float((best[place] - reach * deviations[place]) / scale[place] * 1e6),
            high=float((best[place] + reach * deviations[place]) / scale[place] * 1e6),
        )
        for place, term in enumerate(used)
    }


def _deviations(
    columns: NDArray[np.float64], gram: NDArray[np.float64], best: NDArray[np.float64]
) -> list[float]:
    """Standard errors by HC3: each residual by its leverage, as if its window had been left out."""
    errors = 1 - columns @ best
    leverage = np.minimum(np.einsum("ij,jk,ik->i", columns, gram, columns), _MOST_LEVERAGE)
    weights = (errors / (1 - leverage)) ** 2
    covariance = gram @ (columns.T * weights) @ columns @ gram
    return [math.sqrt(max(0.0, float(value))) for value in np.diag(covariance)]
