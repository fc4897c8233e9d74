"""Bring changes to a gateway by hot restarts of its Envoy, as people without a control plane do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.errors import MeasurementError, StackError
from bench.experiment.update.epoch_counters import EPOCH, EpochCounters
from bench.experiment.update.writing import COUNTED, Outcome, Render, placed
from bench.placement import ConfigFile, Placement
from bench.stack import HotRestart, HotRestarting
from bench.telemetry import Admin
from bench.translate import BOOTSTRAP_FILE, ProxyConfig

_PATIENCE_S = 20.0
_POLL_S = 0.02


class RestartingStack(HotRestarting, Protocol):
    """What is asked of a stack whose Envoys follow each other."""

    def placement(self, proxy: str) -> Placement:
        """The placement that the proxy's files were rendered for."""


@dataclass(slots=True)
class HotRestarter:
    """Writes the gateway's bootstrap anew and starts the next Envoy on it, until the one before has ended.

    The files are validated before the write: Envoy 1.40 that has had a successor which refused its files can
    have no other.
    """

    stack: RestartingStack
    name: str
    render: Render
    connect: Callable[[], Admin]
    """To the admin API of the Envoy of now."""
    leave: HotRestart
    translated: ProxyConfig
    """As translated, with the places in the YAML."""
    admin: Admin = field(init=False)
    """Of the Envoy of now."""
    _former: Admin | None = None
    """Of the Envoy that drains."""
    _counters: EpochCounters = field(default_factory=EpochCounters)

    def __post_init__(self) -> None:
        """Connect to the first one."""
        self.admin = self.connect()

    def write(self, config: ProxyConfig) -> Outcome:
        """Restart the gateway with *config*; see ``Writer.write``."""
        files = self._bootstrap(config)
        reason = self.stack.validate(self.name, files)
        if reason is not None:
            return Outcome(time.time_ns() // 1000, None, None, placed(reason, self.translated))
        # Its admin API takes no new connections from its successor's start on: one is to be there already.
        epoch = self._counters.take(self._answer(self.admin))
        wall_us, began = time.time_ns() // 1000, time.monotonic()
        self.stack.restart_hot(self.name, files)
        taken = time.monotonic()
        self._former, self.admin = self.admin, self.connect()
        while self.stack.is_handing_over(self.name):
            if time.monotonic() - taken > self.leave.end_s + _PATIENCE_S:
                raise MeasurementError(f"the former Envoy of {self.name} does not end.")
            self._ask_the_former(epoch)
            time.sleep(_POLL_S)
        self._leave_the_former()
        self._counters.end(epoch)
        over = time.monotonic()
        return Outcome(
            wall_us,
            wall_us + round((taken - began) * 1e6),
            None,
            None,
            over_us=wall_us + round((over - began) * 1e6),
        )

    def counters(self) -> Mapping[str, int]:
        """What all its Envoys have counted."""
        self._counters.take(self._answer(self.admin))
        return self._counters.sums()

    def close(self) -> None:
        """Close all connections."""
        self._leave_the_former()
        self.admin.close()

    def _answer(self, admin: Admin) -> Mapping[str, int]:
        return admin.stats(f"{COUNTED}|^{EPOCH}$")

    def _ask_the_former(self, epoch: int) -> None:
        """Ask the Envoy that drains until it ends, as nobody can afterwards."""
        if self._former is None:
            return
        try:
            answer = self._answer(self._former)
        except (StackError, MeasurementError):
            self._leave_the_former()
            return
        self._counters.take(answer)
        if answer[EPOCH] != epoch:
            # The connection is gone, and a new one leads to the successor.
            self._leave_the_former()

    def _leave_the_former(self) -> None:
        if self._former is not None:
            self._former.close()
            self._former = None

    def _bootstrap(self, config: ProxyConfig) -> Sequence[ConfigFile]:
        files = self.render(config, self.stack.placement(self.name))
        return [file for file in files if file.path == BOOTSTRAP_FILE]
