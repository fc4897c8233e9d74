"""The client of a pod as a container: Python runs there by ``docker exec``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.stack.compose.folders import FILES, account
from bench.stack.images import PYTHON

_WORKER = re.compile(r"worker-(\d+)")

# The client does nothing by itself, and must ask to be ended by SIGTERM.
IDLE = (
    "-c",
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); signal.pause()",
)


@dataclass(slots=True)
class ContainerClient:
    """Where the client beside a sidecar runs, and the load workers beside it."""

    docker: str
    """The ``docker`` command."""
    container: str
    """Id of the client's container."""
    workers: Sequence[str]
    """Ids of the workers' containers."""
    files: Path
    """Folder that all of them see as ``FILES``."""
    _given: int = field(default=0, init=False)

    def command(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """The command that runs Python there; see ``ClientPlace``."""
        variables = [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
        return [
            self.docker,
            "exec",
            "--interactive",
            *variables,
            self._container_of(name),
            PYTHON,
            *arguments,
        ]

    def give(self, file: Path) -> str:
        """Let the client read a copy of *file*; returns its path there. Raises ``OSError``."""
        self._given += 1
        # Clients of several sidecars see the same folder.
        target = self.files / f"{self.container[:12]}-{self._given}-{file.name}"
        shutil.copyfile(file, target)
        account().own(target)
        return f"{FILES}/{target.name}"

    def _container_of(self, name: str) -> str:
        number = _WORKER.fullmatch(name)
        if number is None or not self.workers:
            return self.container
        return self.workers[(int(number.group(1)) - 1) % len(self.workers)]
