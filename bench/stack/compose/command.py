"""The Compose command: ``docker compose`` where it exists, else ``docker-compose``."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.child import tail
from bench.errors import StackError
from bench.stack.processes import Process
from bench.stack.runs import RunFolder

_SUBNET_CLASHES = ("Pool overlaps", "overlaps with other one", "could not find an available")
_NAME_CLASHES = ("is already in use by container", "already exists")

Probe = Callable[[Sequence[str]], bool]


@dataclass(frozen=True, slots=True)
class Compose:
    """One of the two spellings."""

    words: tuple[str, ...]
    """``("docker", "compose")`` or ``("docker-compose",)``."""

    def up(self, project: str, file: Path, scale: Mapping[str, int]) -> list[str]:
        """The command that starts everything and returns."""
        scales = [word for name, count in scale.items() for word in ("--scale", f"{name}={count}")]
        chosen = ["--project-name", project, "--file", str(file)]
        return [*self.words, *chosen, "up", "--detach", "--no-build", "--no-color", *scales]

    def run(
        self, arguments: Sequence[str], folder: RunFolder, *, timeout_s: float, environment: Mapping[str, str]
    ) -> tuple[int | None, str]:
        """Run one command to its end; its exit code, None if it had to be ended, and what it said.

        The process belongs to the run: whoever clears up after a killed run ends it too.
        """
        log = folder.path / "compose.log"
        process = Process("compose", arguments, log=log, folder=folder, environment=environment)
        try:
            process.wait(timeout_s)
            return process.exit_code(), tail(log, 40)
        finally:
            process.kill()
            process.wait(5)


def find_compose(runs: Probe | None = None) -> Compose:
    """The spelling that works here.

    The older one is a program of its own, and being there is enough: it takes half a second to say more.

    Raises:
        StackError: neither is there.
    """
    plugin = ("docker", "compose")
    if shutil.which(plugin[0]) is not None:
        is_there = runs([*plugin, "version"]) if runs is not None else _works(plugin)
        if is_there:
            return Compose(plugin)
    if shutil.which("docker-compose") is not None:
        return Compose(("docker-compose",))
    raise StackError(
        "Docker Compose is not installed: there is neither `docker compose` nor `docker-compose`.",
        remedy="Install your system's docker-compose or docker-compose-plugin, or use the local stack.",
    )


def find_docker() -> str:
    """The ``docker`` command, by which programs are run inside containers.

    Raises:
        StackError: it is not installed.
    """
    found = shutil.which("docker")
    if found is None:
        raise StackError(
            "the docker command is not installed.",
            remedy="Install your system's docker-cli, or use the local stack.",
        )
    return found


def compose_environment() -> dict[str, str]:
    """Variables that keep the user's own settings away from Compose.

    The older spelling is a Python program, and would take its modules from ``PYTHONPATH``, too: this suite's
    Docker SDK is not the one that it works with.
    """
    # An empty value is as good as none.
    return {name: "" for name in os.environ if name.startswith(("COMPOSE_", "PYTHON"))}


def is_subnet_clash(said: str) -> bool:
    """Whether Compose failed because somebody else took a subnet in between."""
    return any(clash in said for clash in _SUBNET_CLASHES)


def up_error(said: str) -> StackError:
    """The error for a Compose that could not start the stack, from what it said."""
    if any(clash in said for clash in _NAME_CLASHES):
        return StackError(
            f"another project has a container or network of the same name. Compose said:\n{said}",
            remedy="\nRemove it, or end that project: `egress-bench status` and `docker ps -a` show both.",
        )
    if is_subnet_clash(said):
        return StackError(
            f"every subnet that was tried is taken by then. Compose said:\n{said}",
            remedy="\nRemove unused Docker networks: `docker network ls`, then `docker network rm`.",
        )
    return StackError(f"Compose cannot start the stack. It said:\n{said or '(nothing)'}")


@functools.cache
def _works(words: tuple[str, ...]) -> bool:
    """Asked once."""
    return _runs([*words, "version"])


def _runs(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
            env={**os.environ, **compose_environment()},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
