"""The universal scalability law: throughput over workers or replicas, and where it turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from bench.errors import InputError, MeasurementError

REACH = 2.0
"""Beyond this multiple of the largest measured size nothing is predicted."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """``X(n) = rate · n / (1 + contention · (n - 1) + coherence · n · (n - 1))``, N. J. Gunther (2007)."""

    rate: float
    """Of one, requests/s."""
    contention: float
    coherence: float
    largest: float
    """Largest size that was measured."""
    worst_error: float
    """Largest relative residual."""

    @property
    def peak(self) -> float | None:
        """Size beyond which more makes less; None: there is none."""
        if self.coherence <= 0 or self.contention >= 1:
            return None
        return math.sqrt((1 - self.contention) / self.coherence)

    def at(self, size: float) -> float:
        """Throughput at *size*.

        Raises:
            InputError: that is not a size, or lies beyond twice what was measured.
        """
        if not size > 0 or size > REACH * self.largest:
            raise InputError(
                f"the scaling was measured up to {self.largest:g} and predicts nothing at {size:g}.",
                remedy=f"Ask for at most {REACH * self.largest:g}, or measure more.",
            )
        return self._at(size)

    def _at(self, size: float) -> float:
        return self.rate * size / (1 + self.contention * (size - 1) + self.coherence * size * (size - 1))


def fit_scaling(sizes: Sequence[float], throughputs: Sequence[float]) -> Scaling:
    """Fit the law to measured throughputs, by relative error; neither coefficient can be negative.

    Raises:
        MeasurementError: fewer than three different sizes, or a throughput of zero.
    """
    if len(set(sizes)) < 3 or any(not value > 0 for value in (*sizes, *throughputs)):
        raise MeasurementError(
            "the scaling needs throughputs above 0 at three sizes or more.",
            remedy="Measure at one, two and four workers or replicas.",
        )
    n, x = np.array(sizes, dtype=np.float64), np.array(throughputs, dtype=np.float64)
    start = float(np.max(x / n))

    def errors(values: np.ndarray) -> np.ndarray:
        rate, contention, coherence = values
        law = rate * n / (1 + contention * (n - 1) + coherence * n * (n - 1))
        found: np.ndarray = law / x - 1
        return found

    best = least_squares(
        errors,
        (start, 0.01, 0.0001),
        bounds=((0, 0, 0), (np.inf, 1, 1)),
        x_scale=(start, 0.1, 0.01),
        xtol=1e-12,
        ftol=1e-12,
    )
    rate, contention, coherence = (float(value) for value in best.x)
    return Scaling(rate, contention, coherence, float(n.max()), float(np.max(np.abs(errors(best.x)))))
