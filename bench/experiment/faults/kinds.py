"""What a fault is: its name, how it is put in and taken out, and what it must be named as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field


def _none(_: Field) -> None:
    return None


def _nothing(_: Field) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    name: str
    """For the command line and tests."""
    title: str
    """For people."""
    cause: Cause
    """What the instruments must name."""
    inject: Callable[[Field], None]
    """Called in the middle of the load."""
    heal: Callable[[Field], None] = Field.heal
    prepare: Callable[[Field], None] = _nothing
    """Called before the load: what must be there already when the fault begins, and does nothing yet."""
    obstacle: Callable[[Field], str | None] = _none
    """Why it cannot be made on the running stack; None: it can."""
    hold_s: float = 1.2
    """From injection to healing."""
    measure_s: float = 2.5
    """Length of the load."""
    arrival_rate: float = 200.0
