"""When each request is due, and of which kind it is: pure, seeded, in chunks.

Due times are absolute (seconds from the stage's start) and never depend on what happened before, so a late
generator cannot shift its own schedule. All workers compute the same sequence and each takes every n-th
request; together they are the whole schedule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.scenario import Closed, Constant, Jitter, Poisson, Ramp, Schedule, Steps

CHUNK: Final = 1024
"""Due times computed at a time: small enough not to delay a request, large enough to cost nothing."""
_BLOCK: Final = 64
_KINDS: Final = 8

Floats = npt.NDArray[np.float64]
Kinds = npt.NDArray[np.int64]


def due_times(
    schedule: Schedule, duration_s: float, *, salt: int = 0, chunk: int = CHUNK
) -> Iterator[Floats]:
    """Due times of an open-loop *schedule* in seconds from its start, ascending, all below *duration_s*.

    The schedule's own seed and *salt* together decide every random gap.
    """
    match schedule:
        case Constant(arrival_rate=rate):
            yield from _spaced(rate, duration_s, chunk)
        case Poisson(arrival_rate=rate, seed=seed):
            yield from _poisson(rate, (seed, salt), duration_s, chunk)
        case Jitter(arrival_rate=rate, seed=seed):
            random = np.random.default_rng((seed, salt))
            for due in _spaced(rate, duration_s, chunk):
                moved = due + random.uniform(-0.5, 0.5, due.size) / rate
                yield np.clip(moved, 0.0, math.nextafter(duration_s, 0.0))
        case Ramp(from_rate=start, to_rate=end):
            yield from _ramp(start, end, duration_s, chunk)
        case Steps(rates=rates):
            part = duration_s / len(rates)
            for number, rate in enumerate(rates):
                for due in _spaced(rate, part, chunk):
                    yield due + number * part
        case Closed():
            raise ValueError("a closed loop has no due times")


def count(schedule: Schedule, duration_s: float, *, salt: int = 0) -> int | None:
    """How many requests *schedule* holds; None for a closed loop, which holds as many as are answered."""
    match schedule:
        case Constant(arrival_rate=rate) | Jitter(arrival_rate=rate):
            return _number(rate, duration_s)
        case Steps(rates=rates):
            return sum(_number(rate, duration_s / len(rates)) for rate in rates)
        case Ramp(from_rate=start, to_rate=end):
            return _number((start + end) / 2, duration_s)
        case Poisson(arrival_rate=rate, seed=seed):
            return sum(_slot_counts(rate, (seed, salt), duration_s))
        case Closed():
            return None


def kinds(weights: Sequence[float], seed: int, chunk: int = CHUNK) -> Iterator[Kinds]:
    """Endless kind numbers, seeded: each block holds the weights' shares, in random order.

    A block is 64 requests for up to 8 kinds, 128 for up to 16, and so on.
    """
    random = np.random.default_rng(seed)
    block = _BLOCK * -(-len(weights) // _KINDS)
    lot = -(-CHUNK // block)
    numbers = np.tile(np.arange(len(weights), dtype=np.int64), lot)
    portions = _portions(weights, block)
    pending = np.zeros(0, dtype=np.int64)
    while True:
        drawn = [pending]
        size = pending.size
        while size < chunk:
            # Always drawn in the same lots, so that the chunk size does not change the sequence.
            counts = list(chain.from_iterable(islice(portions, lot)))
            blocks = np.repeat(numbers, counts).reshape(lot, block)
            drawn.append(random.permuted(blocks, axis=1).ravel())
            size += drawn[-1].size
        sequence = np.concatenate(drawn)
        pending = sequence[chunk:]
        yield sequence[:chunk]


def turns(due: Floats, groups: int, slice_s: float, seed: int) -> Kinds:
    """Whose turn it is at each of *due*, in seconds from the stage's start: a number below *groups*.

    Each group has one slice of *slice_s* in every round; the order of a round depends on *seed* and the
    round's number.
    """
    # What is due at the very edge belongs to the slice that begins, however its quotient is rounded.
    slices = np.floor(due / slice_s + 1e-9).astype(np.int64)
    rounds, places = np.divmod(slices, groups)
    found = np.empty(due.size, dtype=np.int64)
    for number in np.unique(rounds).tolist():
        here = rounds == number
        found[here] = np.random.default_rng((seed, number)).permutation(groups)[places[here]]
    return found


def _portions(weights: Sequence[float], block: int) -> Iterator[list[int]]:
    """How many of each kind the next block holds. Plain Python: numpy costs ten times as much for few."""
    total = sum(weights)
    shares = [weight / total * block for weight in weights]
    owed = [0.0] * len(shares)
    while True:
        owed = [debt + share for debt, share in zip(owed, shares, strict=True)]
        whole = [max(0, math.floor(debt)) for debt in owed]
        # Largest remainders fill the block; what is taken too early is owed back.
        by_remainder = sorted(range(len(owed)), key=lambda kind: whole[kind] - owed[kind])
        missing = block - sum(whole)
        if missing < 0:
            # Of very many kinds a whole block may be owed back.
            by_remainder = [kind for kind in reversed(by_remainder) if whole[kind]]
        for kind in by_remainder[: abs(missing)]:
            whole[kind] += 1 if missing > 0 else -1
        owed = [debt - taken for debt, taken in zip(owed, whole, strict=True)]
        yield whole


def _number(rate: float, duration_s: float) -> int:
    """How many i have i / rate < duration."""
    number = math.ceil(rate * duration_s - 1e-9)
    return max(number, 1)


def _spaced(rate: float, duration_s: float, chunk: int) -> Iterator[Floats]:
    number = _number(rate, duration_s)
    for first in range(0, number, chunk):
        yield np.arange(first, min(first + chunk, number), dtype=np.float64) / rate


def _poisson(rate: float, seed: tuple[int, int], duration_s: float, chunk: int) -> Iterator[Floats]:
    """In slots, so that the number of all is known without drawing each.

    How many fall into a slot is Poisson, and given that they lie in it uniformly (Ross, Stochastic Processes,
    1996, theorem 2.3.1).
    """
    slot_s = _slot_s(rate)
    random = np.random.default_rng((*seed, 1))
    for slot, number in enumerate(_slot_counts(rate, seed, duration_s)):
        start = slot * slot_s
        due = start + np.sort(random.uniform(0.0, min(slot_s, duration_s - start), number))
        due = np.minimum(due, math.nextafter(duration_s, 0.0))
        for first in range(0, number, chunk):
            yield due[first : first + chunk]


def _slot_counts(rate: float, seed: tuple[int, int], duration_s: float) -> Iterator[int]:
    """How many requests each slot of a Poisson schedule holds."""
    slot_s = _slot_s(rate)
    random = np.random.default_rng((*seed, 0))
    slots = math.ceil(duration_s / slot_s)
    for first in range(0, slots, CHUNK):
        starts = np.arange(first, min(first + CHUNK, slots)) * slot_s
        yield from random.poisson(rate * np.minimum(slot_s, np.maximum(duration_s - starts, 0.0))).tolist()


def _slot_s(rate: float) -> float:
    return CHUNK / rate


def _ramp(start: float, end: float, duration_s: float, chunk: int) -> Iterator[Floats]:
    """Invert N(t) = start t + (end - start) t² / 2T: request i is due when N(t) = i."""
    growth = (end - start) / (2 * duration_s)
    number = _number((start + end) / 2, duration_s)
    for first in range(0, number, chunk):
        index = np.arange(first, min(first + chunk, number), dtype=np.float64)
        # The root of the quadratic in the form that does not cancel.
        root = np.sqrt(np.maximum(start * start + 4 * growth * index, 0.0))
        due = np.where(index > 0, 2 * index / np.maximum(start + root, 1e-300), 0.0)
        yield np.minimum(due, math.nextafter(duration_s, 0.0))
