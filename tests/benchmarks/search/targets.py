"""Simulated targets of known capacity: what a search is to find, and what is to mislead it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Loss = Callable[[float, float], float]
"""Load in requests/s and seconds -> share of the requests that is lost."""


class Target(Protocol):
    """Something with a capacity."""

    def capacity(self) -> float:
        """The highest load within the limits, requests/s, now."""
        ...

    def offer(self, load: float, duration_s: float) -> float:
        """Offer *load* for *duration_s*; the share of requests that was lost. Time goes on."""
        ...

    def rest(self, seconds: float) -> None:
        """Between two trials: offer nothing for so long, which may be 0."""
        ...


@dataclass
class Unmoved:
    """Rest changes nothing."""

    def rest(self, seconds: float) -> None:
        pass


@dataclass
class SharpKnee(Unmoved):
    """All is well up to the capacity, nothing above it."""

    limit: float

    def capacity(self) -> float:
        return self.limit

    def offer(self, load: float, duration_s: float) -> float:
        return 0.0 if load <= self.limit else 0.5


@dataclass
class SoftKnee(Unmoved):
    """A queue with one server, Poisson arrivals and exponential service: M/M/1, simulated request by request.

    Response times are exponential with rate ``service - load``, so a share s of the requests is slower than
    t at ``load = service + ln(s)/t``. In a short trial that share varies: requests in one queue are no
    independent samples, and a trial begins with the queue that the last one left.
    """

    service: float
    limit_s: float
    share: float
    seed: int
    waiting_s: float = 0.0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def capacity(self) -> float:
        return self.service + math.log(self.share) / self.limit_s

    def offer(self, load: float, duration_s: float) -> float:
        due = self._random.poisson(load * duration_s)
        if due == 0:
            return 0.0
        gaps = self._random.exponential(1 / load, due)
        work = self._random.exponential(1 / self.service, due)
        # Lindley: the wait of a request is the greatest of the sums of (work - gap) behind it.
        steps = np.concatenate(([self.waiting_s], work[:-1] - gaps[1:]))
        sums = np.cumsum(steps)
        waits = sums - np.minimum(np.minimum.accumulate(sums), 0.0)
        # Between trials the queue runs empty, as the load stops.
        self.waiting_s = 0.0
        return float(np.mean(waits + work > self.limit_s))


@dataclass
class SpoiledByRate(Unmoved):
    """Each trial is spoiled with the same probability, however long it is."""

    inner: Target
    share: float
    random: random.Random

    def capacity(self) -> float:
        return self.inner.capacity()

    def offer(self, load: float, duration_s: float) -> float:
        loss = self.inner.offer(load, duration_s)
        return max(loss, 0.3) if self.random.random() < self.share else loss


@dataclass
class SpoiledByBursts:
    """Another tenant takes the machine now and then, for seconds; a trial that meets it loses requests."""

    inner: Target
    share: float
    burst_s: float
    random: random.Random
    now_s: float = 0.0
    bursts: list[tuple[float, float]] = field(default_factory=list)

    def rest(self, seconds: float) -> None:
        self.now_s += seconds

    def capacity(self) -> float:
        return self.inner.capacity()

    def offer(self, load: float, duration_s: float) -> float:
        end_s = self.now_s + duration_s
        while not self.bursts or self.bursts[-1][1] < end_s:
            begin = self.bursts[-1][1] if self.bursts else 0.0
            begin += self.random.expovariate(self.share / (1 - self.share) / self.burst_s)
            self.bursts.append((begin, begin + self.random.expovariate(1 / self.burst_s)))
        met = sum(max(0.0, min(end_s, end) - max(self.now_s, begin)) for begin, end in self.bursts)
        self.now_s = end_s
        return max(self.inner.offer(load, duration_s), met / duration_s)


@dataclass
class Drifting:
    """The capacity changes by the same share each minute of trials."""

    start: float
    per_minute: float
    now_s: float = 0.0

    def rest(self, seconds: float) -> None:
        self.now_s += seconds

    def capacity(self) -> float:
        return self.start * (1 + self.per_minute) ** (self.now_s / 60)

    def offer(self, load: float, duration_s: float) -> float:
        self.now_s += duration_s
        return 0.0 if load <= self.capacity() else 0.5


@dataclass
class Hysteresis:
    """An overload leaves damage behind: for some seconds the target carries less."""

    limit: float
    damage: float
    lasts_s: float
    damaged_s: float = 0.0

    def rest(self, seconds: float) -> None:
        self.damaged_s = max(0.0, self.damaged_s - seconds)

    def capacity(self) -> float:
        return self.limit

    def offer(self, load: float, duration_s: float) -> float:
        now = self.limit * (1 - self.damage) if self.damaged_s > 0 else self.limit
        self.damaged_s = max(0.0, self.damaged_s - duration_s)
        if load > now:
            if load > self.limit:
                self.damaged_s = self.lasts_s
            return 0.5
        return 0.0


@dataclass
class TiresInSoak:
    """Short trials are well up to *short*; load that goes on for longer meets its limit at *lasting*."""

    short: float
    lasting: float
    patience_s: float
    going_s: float = 0.0

    def rest(self, seconds: float) -> None:
        self.going_s = 0.0

    def capacity(self) -> float:
        return self.lasting

    def offer(self, load: float, duration_s: float) -> float:
        self.going_s += duration_s
        return 0.0 if load <= (self.short if self.going_s <= self.patience_s else self.lasting) else 0.5
