"""Windows of measured load as equations: what happened in each, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

TERMS: Final = ("base", "request", "full_handshake", "resumed_handshake", "mb_in", "mb_out")
"""CPU seconds = base · seconds + request · requests + full_handshake · … + mb_out · MB out."""

APART: Final = 30.0
"""Condition number above which terms cannot be distinguished. Belsley, Kuh and Welsch (1980): 30 and more is
collinearity that harms; the columns are scaled to one length first."""
_SHARE: Final = 0.5
"""Share of a term's variance that a near dependency must hold for the term to be part of it."""


@dataclass(frozen=True, slots=True)
class Window:
    """One measured load."""

    seconds: float
    requests: float
    full_handshakes: float = 0.0
    resumed_handshakes: float = 0.0
    mb_in: float = 0.0
    """Megabytes (10^6) of request bodies."""
    mb_out: float = 0.0
    """Megabytes of answers' bodies."""
    cpu_s: float = 0.0
    """What the part used."""

    @property
    def row(self) -> tuple[float, ...]:
        """Amounts in the order of ``TERMS``."""
        return (
            self.seconds,
            self.requests,
            self.full_handshakes,
            self.resumed_handshakes,
            self.mb_in,
            self.mb_out,
        )

    @property
    def mix(self) -> dict[str, float]:
        """Amount per second by term, without the base: what ``predict`` takes."""
        return {name: amount / self.seconds for name, amount in zip(TERMS[1:], self.row[1:], strict=True)}


@dataclass(frozen=True, slots=True)
class Design:
    """The equations after what cannot be distinguished was joined."""

    groups: tuple[tuple[int, ...], ...]
    """Terms (indices into ``TERMS``) of each column; more than one: they moved together."""
    columns: Matrix
    """A row for each window, a column for each group: the amount of the group's first term; the
    others moved along at one ratio."""
    condition: float
    """Of the columns as they were given, scaled to one length."""


def design_of(windows: Sequence[Window]) -> Design:
    """Join terms until all can be distinguished; terms that never occurred have no column."""
    rows = np.array([window.row for window in windows], dtype=np.float64)
    groups: list[tuple[int, ...]] = [
        (index,) for index in range(len(TERMS)) if rows.size and rows[:, index].any()
    ]
    columns = rows[:, [group[0] for group in groups]] if groups else np.zeros((len(windows), 0))
    first = condition_of(columns)
    while len(groups) > 1 and condition_of(columns) > APART:
        joined = _entangled(columns)
        keep = [number for number in range(len(groups)) if number not in joined[1:]]
        groups[joined[0]] = tuple(index for number in joined for index in groups[number])
        groups = [groups[number] for number in keep]
        columns = columns[:, keep]
    return Design(tuple(groups), columns, first)


def condition_of(columns: Matrix) -> float:
    """Largest by smallest singular value of the columns, each scaled to length one; infinite: dependent."""
    if not columns.shape[1]:
        return 1.0
    if columns.shape[0] < columns.shape[1]:
        return float("inf")
    values = np.linalg.svd(_scaled(columns), compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 1e-12 * values[0] else float("inf")


def _scaled(columns: Matrix) -> Matrix:
    scaled: Matrix = columns / np.linalg.norm(columns, axis=0)
    return scaled


def _entangled(columns: Matrix) -> list[int]:
    """Columns that take part in the nearest dependency, by their shares of variance; at least two."""
    scaled = _scaled(columns)
    _, values, right = np.linalg.svd(scaled, full_matrices=True)
    padded = np.zeros(columns.shape[1])
    padded[: len(values)] = values
    floor = max(float(padded[0]) * 1e-12, 1e-300)
    parts = (right / np.maximum(padded, floor)[:, np.newaxis]) ** 2
    shares = parts[-1] / parts.sum(axis=0)
    found = [number for number in range(columns.shape[1]) if shares[number] > _SHARE]
    if len(found) < 2:
        found = sorted(int(number) for number in np.argsort(-np.abs(right[-1]))[:2])
    return found
