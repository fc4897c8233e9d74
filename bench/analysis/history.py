"""Results of one thing over time: series of figures, each with its changes of level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.analysis.change_points import LEVEL, Change, changes_in
from bench.analysis.conditions import conditions, spoilers
from bench.analysis.part_costs import Role, cpu_us_of_role, middle
from bench.analysis.verdict import whole
from bench.result import Result

_SAME = frozenset({"scenario", "rate", "run", "experiment", "stack", "machine"})
"""Families of conditions that make a series; configuration and versions are what a series is about. Keys,
workers and the rest of the traffic follow from the scenario's files and the options, and older results do not
say them."""
_UPDATES = frozenset({"system", "python"})
"""Of the machine, and changed by every update of it: like versions, they are noted and divide no series."""
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Series:
    """One figure of the runs of a group that have it, the oldest first."""

    name: str
    unit: str
    runs: tuple[int, ...]
    """Their indices in the group."""
    values: tuple[float, ...]
    changes: tuple[Change, ...]
    """``at`` counts within ``values``."""


@dataclass(frozen=True, slots=True)
class Group:
    """Results that differ in nothing but time, configuration and versions."""

    results: tuple[Result, ...]
    """The oldest first."""
    changed: tuple[tuple[str, ...], ...]
    """For each result: the conditions in which it differs from the one before it."""
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What can be said of many results."""

    groups: tuple[Group, ...]
    """Those with most results first."""
    left_out: tuple[tuple[Result, str], ...]
    """Results whose figures say nothing, and why."""


def history_of(results: Sequence[Result]) -> History:
    """Put results into groups whose figures can be compared, and look for changes of level.

    The error probability is shared by the series of a group, so that it holds for the group as a whole.
    """
    ordered = sorted(results, key=lambda result: result.started_at)
    reasons = spoilers(ordered)
    left_out = tuple((result, why) for result, why in zip(ordered, reasons, strict=True) if why is not None)
    groups: dict[tuple[tuple[str, str | None], ...], list[Result]] = {}
    for result, why in zip(ordered, reasons, strict=True):
        if why is None:
            groups.setdefault(_sameness(result), []).append(result)
    random = np.random.default_rng(_SEED)
    largest_first = sorted(groups.values(), key=len, reverse=True)
    return History(tuple(_group(tuple(members), random) for members in largest_first), left_out)


def _group(members: tuple[Result, ...], random: np.random.Generator) -> Group:
    found = [(name, unit, *_values(members, read)) for name, unit, read in _FIGURES]
    known = [(name, unit, runs, values) for name, unit, runs, values in found if values]
    return Group(
        members,
        _changed(members),
        tuple(
            Series(name, unit, runs, values, changes_in(values, random, level=LEVEL / len(known)))
            for name, unit, runs, values in known
        ),
    )


def _sameness(result: Result) -> tuple[tuple[str, str | None], ...]:
    return tuple(
        (each.name, each.values[0])
        for each in conditions([result])
        if each.of in _SAME and each.name not in _UPDATES
    )


def _changed(members: Sequence[Result]) -> tuple[tuple[str, ...], ...]:
    changes: list[tuple[str, ...]] = [()]
    for before, after in pairwise(members):
        different = [each for each in conditions([before, after]) if not each.is_equal]
        changes.append(
            tuple(
                f"{each.name} {each.values[0]} → {each.values[1]}" if each.of == "versions" else each.name
                for each in different
            )
        )
    return tuple(changes)


def _values(
    members: Sequence[Result], read: Callable[[Result], float | None]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    known = [(number, value) for number, each in enumerate(members) if (value := read(each)) is not None]
    return tuple(number for number, _ in known), tuple(value for _, value in known)


def _response(name: str) -> Callable[[Result], float | None]:
    def read(result: Result) -> float | None:
        total = whole(result)
        return getattr(total.response_time, name) if total is not None else None

    return read


def _cpu(role: Role) -> Callable[[Result], float | None]:
    def read(result: Result) -> float | None:
        steady = [trial for trial in result.trials if trial.experiment == "steady"]
        return middle(cpu_us_of_role(trial, role) for trial in steady)

    return read


def _handshake(result: Result) -> float | None:
    modes = result.handshake.modes if result.handshake is not None else ()
    (value,) = [mode.gateway_cpu_us_per_connection for mode in modes if mode.name == "full"] or [None]
    return value


def _capacity(result: Result) -> float | None:
    return result.capacity.lower if result.capacity is not None else None


_FIGURES: tuple[tuple[str, str, Callable[[Result], float | None]], ...] = (
    ("response time p50", "µs", _response("p50")),
    ("response time p99", "µs", _response("p99")),
    ("CPU per request, gateway", "µs", _cpu("egress")),
    ("CPU per request, sidecar", "µs", _cpu("sidecar")),
    ("CPU per request, nodes", "µs", _cpu("node")),
    ("CPU per full handshake, gateway", "µs", _handshake),
    ("capacity", "requests/s", _capacity),
)
