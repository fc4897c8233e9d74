"""What the command line says of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.certs import KeysAhead
from bench.load.run import NO_LOCUST_OUTPUTS, LocustOutputs
from bench.result import LedgerLevel
from bench.scenario import Handshake, Scenario
from bench.stack.backend import Backend
from bench.translate import ConfigSource

DEFAULT_SOURCES: tuple[ConfigSource, ...] = ("static", "eds")


def chosen_sources(named: Sequence[ConfigSource]) -> tuple[ConfigSource, ...]:
    """Give the config sources that a run compares, by those that the command line names."""
    chosen = tuple(dict.fromkeys(named))
    if not chosen:
        return DEFAULT_SOURCES
    return chosen if len(chosen) > 1 else tuple(dict.fromkeys(("static", *chosen)))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says of a run."""

    out: Path
    """Where the result folder is made."""
    command: str
    """As typed, for the report."""
    backend: Backend
    began: float = field(default_factory=time.monotonic)
    """When the command began, on the clock of the run's instruments: what the first verified request is timed
    from."""
    keys: KeysAhead | None = None
    """Keys for the certificates that are being made since then."""
    sources: tuple[ConfigSource, ...] = DEFAULT_SOURCES
    """Config sources of the steady trials, in each block one after the other; the first is the baseline."""
    with_handshake: bool | None = None
    """Measure handshakes; with the settings of the scenario, or without any with the default ones. None: only
    where the scenario has such settings."""
    mix_matrix: bool = False
    """Let a tenth of the steady trials' requests be those of the request matrix."""
    ledger: LedgerLevel = "counters"
    """Level of the accounts of the steady trials; those of handshakes are kept at level ``counters``."""
    locust_outputs: LocustOutputs = NO_LOCUST_OUTPUTS
    """What Locust itself shows and writes, for each trial."""

    @property
    def other_source(self) -> ConfigSource:
        """The config source of whatever is not compared, handshakes and capacity: one that was asked for."""
        return "static" if self.sources == DEFAULT_SOURCES else self.sources[-1]

    def handshake_of(self, scenario: Scenario) -> Handshake | None:
        """The settings to measure handshakes with; None: they are not measured."""
        if self.with_handshake is None:
            return scenario.handshake
        return scenario.handshake or Handshake() if self.with_handshake else None
