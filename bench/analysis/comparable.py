"""Whether past results may be compared at all: what differs must be what was to be tried, and be said so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from bench.analysis.conditions import Condition, conditions
from bench.errors import InputError
from bench.result import Result


class Difference(StrEnum):
    """What keeps results from being compared, unless it is named as what is to be compared."""

    SCENARIO = "scenario"
    TRAFFIC = "traffic"
    """Rate, connections or mix of the load."""
    KEY = "key"
    CONFIG = "config"
    """What Envoy was configured with, from the same scenario: other options, or another translation."""
    EXPERIMENT = "experiment"
    """Variants of a comparison, which other results have not."""
    STACK = "stack"
    MACHINE = "machine"
    ENVOY = "envoy"
    NODES = "nodes"
    """nginx, or its OpenSSL."""
    GENERATOR = "generator"
    """Locust, Python, this suite, or the number of its workers."""


_OF: Mapping[str, Difference] = {
    "scenario": Difference.SCENARIO,
    "rate": Difference.TRAFFIC,
    "traffic": Difference.TRAFFIC,
    "key": Difference.KEY,
    "config": Difference.CONFIG,
    "experiment": Difference.EXPERIMENT,
    "stack": Difference.STACK,
    "machine": Difference.MACHINE,
    "workers": Difference.GENERATOR,
}
"""By family of conditions. Others, such as how long was measured, keep nothing from being compared."""
_PROGRAMS: Mapping[str, Difference] = {
    "envoy": Difference.ENVOY,
    "nginx": Difference.NODES,
    "openssl": Difference.NODES,
    "docker": Difference.STACK,
}
"""By the first word of what has a version; all else is the generator's."""
_FOLLOW = frozenset({Difference.TRAFFIC, Difference.KEY, Difference.CONFIG})
"""What another scenario changes, too."""


class IncomparableError(InputError):
    """Results that differ in what nobody said to compare."""

    def __init__(self, undeclared: Mapping[Difference, Sequence[Condition]], called: Sequence[str]) -> None:
        self.differences = frozenset(undeclared)
        named = "; ".join(
            f"{difference}: {', '.join(_word(each, called) for each in found)}"
            for difference, found in undeclared.items()
        )
        options = " ".join(f"--despite {difference}" for difference in undeclared)
        super().__init__(
            f"the results cannot be compared, since they differ in more than was to be compared: {named}.",
            remedy="Measure again under the same conditions, or, where that difference is what you want to"
            f" see, say so: {options}.",
        )


def difference_of(condition: Condition) -> Difference | None:
    """What results that differ in *condition* differ in; None: it keeps nothing from being compared."""
    if condition.of == "versions":
        return _PROGRAMS.get(condition.name.split()[0], Difference.GENERATOR)
    return _OF.get(condition.of)


def require_comparable(
    results: Sequence[Result], called: Sequence[str], despite: Collection[Difference] = ()
) -> None:
    """Refuse results that differ in anything but *despite*; what one of them does not say is a difference.

    Args:
        results: two or more.
        called: what a message calls each.
        despite: what is to be compared, and may differ. Another scenario has other traffic, keys and
            configuration.

    Raises:
        IncomparableError: with the differences, as codes.
    """
    declared = set(despite)
    if Difference.SCENARIO in declared:
        declared |= _FOLLOW
    undeclared: dict[Difference, list[Condition]] = {}
    for condition in conditions(results):
        difference = difference_of(condition)
        if not condition.is_equal and difference is not None and difference not in declared:
            undeclared.setdefault(difference, []).append(condition)
    if undeclared:
        raise IncomparableError(undeclared, called)


def _word(condition: Condition, called: Sequence[str]) -> str:
    values = ", ".join(
        f"{name} {'does not say' if value is None else value}"
        for name, value in zip(called, condition.values, strict=True)
    )
    return f"{condition.name} ({values})"
