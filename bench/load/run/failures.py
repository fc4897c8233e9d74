"""Errors of a running generator."""

from __future__ import annotations

from bench.errors import LoadError
from bench.load.outcome import LoadOutcome


class GeneratorError(LoadError):
    """Locust ended before its work was done; ``outcome`` is what was measured until then, if anything."""

    outcome: LoadOutcome | None = None
