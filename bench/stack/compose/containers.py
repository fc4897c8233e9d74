"""The containers of a running stack: state, output, and why one is no longer there."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.errors import APIError, DockerException

from bench.errors import OutOfMemoryError, StackError
from bench.stack.engine import RUN_LABEL, engine_errors_explained
from bench.stack.nodes import is_running

_SERVICE_LABEL = "com.docker.compose.service"
_NUMBER_LABEL = "com.docker.compose.container-number"
_ALIVE = frozenset({"running", "paused", "restarting", "created"})
_JOIN_S = 1.0
_POLL_S = 0.01
_ENGINE_S = 20
"""The engine needs some tenths of a second for the networks of each container."""
_OOM_NEWS_S = 2.0
"""The engine learns that a container ended before it learns that memory was the reason."""
_KILLED = 128 + signal.SIGKILL
_MORE = "Give it more under `resources` in scenario.yaml."


@dataclass(slots=True)
class Container:
    """One container of the run."""

    name: str
    """Of its part, for messages."""
    id: str
    log: Path
    client: DockerClient = field(repr=False)
    memory_limit: int | None = None
    _follower: threading.Thread | None = field(default=None, repr=False)
    _ending: bool = field(default=False, repr=False)
    _process: int | None = field(default=None, repr=False)
    """Of one that is to end; None: it cannot be seen from here."""

    def follow(self) -> None:
        """Write its output to ``log`` from now on, until it ends."""
        self._follower = threading.Thread(
            target=self._copy_output, name=f"output of {self.name}", daemon=True
        )
        self._follower.start()

    def visible_pid(self) -> int | None:
        """Its first process's id here; None if this machine's processes are not seen from here."""
        return self._visible(self.state())

    def _visible(self, state: Mapping[str, Any]) -> int | None:
        pid = int(state.get("Pid") or 0)
        try:
            groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
        except OSError:
            return None
        # Another process of that number would be in another group.
        return pid if self.id in groups else None

    def catch_up(self) -> None:
        """Wait until ``log`` holds all that it said; a container that still runs is given a moment."""
        if self._follower is not None:
            self._follower.join(_JOIN_S if self.exit_code() is not None else 0.1)

    def ask_to_end(self) -> None:
        """Send SIGTERM; one that has ended already, or is frozen and could not obey, is let be."""
        self._ending = False
        state = self.state()
        if state.get("Status") != "running":
            return
        # Looked at before: while it ends, the engine says nothing of it until its networks are apart.
        self._process = self._visible(state)
        with contextlib.suppress(APIError):
            self.client.api.kill(self.id, "SIGTERM")
            self._ending = True

    def await_end(self, deadline: float) -> None:
        """Return when one that was asked to end has ended, or at *deadline* (``time.monotonic()``)."""
        if not self._ending:
            return
        if self._process is None:
            with contextlib.suppress(DockerException, OSError):
                self.client.api.wait(self.id, timeout=max(1, round(deadline - time.monotonic())))
            return
        while is_running(self._process) and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def await_engine(self) -> None:
        """Return once the engine, too, knows of the end of one whose process is gone.

        Until then it takes the container's networks apart. One that is removed meanwhile leaves an endpoint
        behind, and its network can never be removed.
        """
        if self._ending and self._process is not None and not is_running(self._process):
            with contextlib.suppress(DockerException, OSError):
                self.client.api.wait(self.id, timeout=_ENGINE_S)

    def exit_code(self) -> int | None:
        """None while it is there to run."""
        state = self.state()
        return None if state.get("Status") in _ALIVE else int(state.get("ExitCode", -1))

    def state(self) -> dict[str, Any]:
        """What the engine knows of its state; ``Status`` is ``removed`` if it is gone.

        Raises:
            StackError: the engine does not answer.
        """
        try:
            with engine_errors_explained():
                found: dict[str, Any] = self.client.api.inspect_container(self.id)["State"]
        except StackError as error:
            if isinstance(error.__cause__, APIError) and error.__cause__.status_code == 404:
                return {"Status": "removed"}
            raise
        return found

    def await_success(self, timeout_s: float) -> None:
        """Wait for the end of a container that only sets something up.

        Raises:
            StackError: it failed, or does not end.
        """
        deadline = time.monotonic() + timeout_s
        while self.exit_code() is None:
            if time.monotonic() >= deadline:
                raise StackError(f"{self.name} does not end within {timeout_s:g} s.")
            time.sleep(0.05)
        if self.exit_code() != 0:
            raise self.died()

    def limit_text(self) -> str:
        """Its memory limit in brackets, since a program that does not fit is slow before it is ended."""
        if self.memory_limit is None:
            return ""
        return f" (with {self.memory_limit / (1 << 20):.4g} MiB of memory)"

    def how_it_ended(self) -> str:
        """Say in words how it ended."""
        state = self._end_state()
        status, code = state.get("Status"), int(state.get("ExitCode", -1))
        if status == "removed":
            return "was removed"
        if status in _ALIVE:
            return "still runs"
        if state.get("OOMKilled"):
            return self._out_of_memory()
        if code > 128:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(code - 128).name}"
        said = f" ({state['Error']})" if state.get("Error") else ""
        return f"exited with code {code}{said}"

    def _end_state(self) -> dict[str, Any]:
        """Its state; of one with a memory limit that was killed, as soon as it is known whether by that."""
        deadline = time.monotonic() + _OOM_NEWS_S
        while True:
            state = self.state()
            is_known = state.get("OOMKilled") or state.get("ExitCode") != _KILLED or self.memory_limit is None
            if is_known or time.monotonic() >= deadline:
                return state
            time.sleep(0.05)

    def last_output(self, lines: int = 12) -> str:
        """Its last lines of output, from the engine: also those that have not reached ``log``."""
        try:
            said = self.client.api.logs(self.id, tail=lines)
        except (DockerException, OSError):
            return ""
        return said.decode("utf-8", "replace").strip()

    def crashed(self, said: str) -> StackError:
        """The error for a container that goes on after one of its processes crashed, in its own words."""
        pid = self.visible_pid()
        # The engine reports this of a container that has ended, the kernel also of one that goes on.
        if self.state().get("OOMKilled") or (pid is not None and has_oom_kills(pid)):
            what = f"a worker of {self.name} {self._out_of_memory()}: {said}"
            return OutOfMemoryError(self.name, what, remedy=f"\n{_MORE}")
        return StackError(f"a worker of {self.name} crashed: {said}")

    def _out_of_memory(self) -> str:
        limit = f" of {self.memory_limit / (1 << 20):.4g} MiB" if self.memory_limit else ""
        return f"ran out of memory: it needed more than its limit{limit} (out-of-memory kill)"

    def died(self, when: str = "") -> StackError:
        """The error that reports its end."""
        what = f"{self.name} {self.how_it_ended()}{when}. Its last output:\n{self.last_output() or '(none)'}"
        if self._end_state().get("OOMKilled"):
            return OutOfMemoryError(self.name, what, remedy=f"\n{_MORE}")
        return StackError(what)

    def _copy_output(self) -> None:
        # A connection of its own: it is held as long as the container runs.
        with (
            contextlib.suppress(DockerException, OSError),
            contextlib.closing(docker.from_env()) as client,
            self.log.open("ab", buffering=0) as out,
        ):
            for chunk in client.api.logs(self.id, stream=True, follow=True):
                out.write(chunk)


def has_oom_kills(pid: int, *, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> bool:
    """Whether the kernel ended a process of this one's control group for want of memory, version 1 or 2."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    for line in lines:
        _, controllers, path = line.split(":", 2)
        file = {"": "memory.events", "memory": "memory/memory.oom_control"}.get(controllers)
        if file is None:
            continue
        counts = cgroups / Path(file).parent / path.lstrip("/") / Path(file).name
        with contextlib.suppress(OSError):
            if re.search(r"^oom_kill [1-9]", counts.read_text(encoding="ascii"), re.MULTILINE):
                return True
    return False


def end_in_order(groups: Iterable[Sequence[Container]], *, grace_s: float) -> None:
    """Ask each group to end once the one before it has, or the grace of all together is over.

    Nothing is removed, and what does not obey is left to whoever does that.

    Raises:
        StackError: the engine does not answer.
    """
    deadline = time.monotonic() + grace_s
    asked: list[Container] = []
    for group in groups:
        asked += group
        for container in group:
            container.ask_to_end()
        for container in group:
            container.await_end(deadline)
    for container in asked:
        container.await_engine()


def containers_of(client: DockerClient, project: str) -> dict[str, list[dict[str, Any]]]:
    """Service -> what the engine lists of its containers, by number.

    Raises:
        StackError: the engine does not answer.
    """
    with engine_errors_explained():
        found = client.api.containers(all=True, filters={"label": f"{RUN_LABEL}={project}"})
    services: dict[str, list[dict[str, Any]]] = {}
    for container in found:
        services.setdefault(container["Labels"].get(_SERVICE_LABEL, ""), []).append(container)
    for several in services.values():
        several.sort(key=_number)
    return services


def is_alive(listed: Mapping[str, Any]) -> bool:
    """Whether a container in the engine's list runs or is paused."""
    return listed["State"] in _ALIVE


def _number(container: Mapping[str, Any]) -> int:
    text = str(container["Labels"].get(_NUMBER_LABEL, "0"))
    return int(text) if text.isdigit() else 0
