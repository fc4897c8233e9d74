"""The ways by which a change comes to a gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.errors import InputError
from bench.result import HOT_RESTART
from bench.stack import HotRestart
from bench.stack.backend import Backend
from bench.translate import CONFIG_SOURCES, ConfigSource


@dataclass(frozen=True, slots=True)
class UpdateWay:
    """A config source, and whether Envoy is restarted for each change or finds it out."""

    source: ConfigSource
    hot_restart: HotRestart | None = None

    @property
    def name(self) -> str:
        """As in a result: ``eds``, ``static-hot-restart``."""
        return self.source if self.hot_restart is None else f"{self.source}{HOT_RESTART}"

    @property
    def slowest_s(self) -> float:
        """Seconds from one change to the next at the least, whatever is asked for."""
        return 0.0 if self.hot_restart is None else self.hot_restart.end_s + 1.0


def chosen_ways(
    sources: Sequence[ConfigSource],
    *,
    with_hot_restart: bool | None,
    drain_s: int,
    backend: Backend,
    is_each_kind_once: bool,
) -> tuple[UpdateWay, ...]:
    """The ways that are asked for.

    Args:
        sources: none: all of them.
        with_hot_restart: None: where it is possible, static is measured and changes are few, as each takes
            longer than an Envoy drains.
        drain_s: over which an Envoy drains before it ends.
        backend: where it runs.
        is_each_kind_once: whether changes are few.

    Raises:
        InputError: a hot restart is asked for where there can be none.
    """
    if with_hot_restart and not backend.restarts_hot:
        raise InputError(
            "a hot restart takes two Envoys in one container, and a container ends with its first process,"
            " which is the one that has to go.",
            remedy="Measure hot restarts with `--stack local`, where Envoys are processes of this machine.",
        )
    named = tuple(sources) or CONFIG_SOURCES
    if with_hot_restart is None:
        with_hot_restart = backend.restarts_hot and "static" in named and is_each_kind_once
    return tuple(_ways(named, HotRestart(drain_s, drain_s + 1) if with_hot_restart else None))


def _ways(sources: Sequence[ConfigSource], leave: HotRestart | None) -> Iterator[UpdateWay]:
    """Hot restart stands behind static, whose configuration it has, else at the end."""
    for source in sources:
        yield UpdateWay(source)
        if source == "static" and leave is not None:
            yield UpdateWay("static", leave)
    if leave is not None and "static" not in sources:
        yield UpdateWay("static", leave)
