"""Where Locust runs when it is not a child of this process: for example in a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Launcher(Protocol):
    """Runs Python somewhere else; that place has this very code, and this machine's clock."""

    def command(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """The command, to be run here, that runs Python there with *arguments*.

        Its input, output, errors and exit code are those of the Python that it runs.

        Args:
            name: ``locust``, ``master``, or ``worker-1`` and so on; workers may have places of their own.
            arguments: Python's.
            environment: variables on top of those that the place has.
        """

    def give(self, file: Path) -> str:
        """Let that place read a copy of *file*; returns its path there."""
