"""What became of injected faults."""

from __future__ import annotations

from bench.result.base import Model


class FaultResult(Model):
    """One fault that was injected into a running load, and what the instruments made of it."""

    name: str
    title: str
    expected: str
    """The cause that had to be named."""
    detected: bool
    """Whether it was named, as the clearest finding."""
    impossible: str | None = None
    """Why it cannot be made here: then it was not, and is neither named nor missed. None: it was made."""
    found: str | None
    """The cause that was named; None: nothing was noticed."""
    detail: str
    named_by: str | None
    """The instrument whose evidence names the cause."""
    noticed_by: str | None
    """The first instrument that reported that something is the matter."""
    noticed_s: float | None
    """From the injection until then; what only logs show is noticed when they are read after the load."""
    requests: int
    """Touched."""
    of_requests: int
    """Due in the whole load."""
    also: tuple[str, ...] = ()
    """Further findings, which follow from the fault."""
    early_alarms: int = 0
    """Wrong answers before the injection."""
    limited: str | None = None
    """It was not named, and the generator was late by itself: nothing is concluded."""


class FaultsResult(Model):
    """The suite's proof of its own power."""

    faults: tuple[FaultResult, ...] = ()
    clean_runs: int = 0
    clean_requests: int = 0
    false_alarms: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    """Clean runs that count for nothing: something was wrong, and the generator was late by itself."""
