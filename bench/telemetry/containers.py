"""What containers use: throttling by their limits, and CPU and memory where no process can be looked at.

The kernel's own files are read where they can be: they are current, while the engine's figures are collected
once a second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import DockerException

from bench.errors import MeasurementError
from bench.telemetry.usage import Usage

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Throttling:
    """How often a CPU limit held a container back, since it was started."""

    periods: int
    """Periods (100 ms each, unless set otherwise) in which it had something to do."""
    throttled: int
    """Those in which it used its share up and had to wait."""
    throttled_s: float
    """How long it waited, summed over its threads' cores."""

    def since(self, earlier: Throttling) -> Throttling:
        """What came on top of *earlier*."""
        return Throttling(
            self.periods - earlier.periods,
            self.throttled - earlier.throttled,
            self.throttled_s - earlier.throttled_s,
        )


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """One container at one moment."""

    usage: Usage
    throttling: Throttling | None


def read_throttling(pid: int, *, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> Throttling | None:
    """Throttling of the control group that a process is in; None where the kernel does not report it.

    Args:
        pid: a process of the container.
        proc: where processes are shown.
        cgroups: where control groups are shown.
    """
    for controllers, path in _groups(pid, proc):
        if controllers == "":
            folder = cgroups / path
        elif "cpu" in controllers.split(","):
            folder = cgroups / "cpu" / path
        else:
            continue
        with contextlib.suppress(OSError, ValueError, KeyError):
            return _throttling(_numbers(folder / "cpu.stat"))
    return None


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """A memory limit and what it has done so far."""

    limit_bytes: int
    used_bytes: int
    """The kernel's own count: with the page cache, which it gives up first."""
    refused: int
    """Times that the limit was hit, so that the kernel had to make room, or failed to."""
    killed: int
    """Processes that it ended because no room could be made."""


_NO_LIMIT = 1 << 60
"""Version 1 writes a number near 2^63 where there is no limit."""


def read_memory_room(pid: int, *, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> MemoryRoom | None:
    """The memory limit of the control group that a process is in; None: it has none, or nothing reports it.

    Args:
        pid: a process of the container.
        proc: where processes are shown.
        cgroups: where control groups are shown.
    """
    for controllers, path in _groups(pid, proc):
        with contextlib.suppress(OSError, ValueError, KeyError):
            if controllers == "":
                return _room(cgroups / path, "memory.max", "memory.current", "memory.events")
            if "memory" in controllers.split(","):
                folder = cgroups / "memory" / path
                return _room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control")
    return None


def _room(folder: Path, limit: str, used: str, events: str) -> MemoryRoom | None:
    bytes_ = int((folder / limit).read_text(encoding="ascii"))
    if bytes_ >= _NO_LIMIT:
        return None
    counted = _numbers(folder / events)
    refused = counted["max"] if "max" in counted else int((folder / "memory.failcnt").read_text("ascii"))
    return MemoryRoom(
        bytes_, int((folder / used).read_text(encoding="ascii")), refused, counted.get("oom_kill", 0)
    )


def processes_of(pid: int, *, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> list[int]:
    """All processes of the container that *pid* is in, those of ``docker exec`` too; empty if it has ended.

    The latter are not children of the container's first process: its control group knows them.
    """
    for controllers, path in _groups(pid, proc):
        folder = cgroups / controllers.removeprefix("name=") / path
        with contextlib.suppress(OSError, ValueError):
            return [int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").split()]
    return []


def read_containers(ids: Mapping[str, str]) -> dict[str, ContainerUsage]:
    """Ask the engine: component -> what its container used, up to a second ago.

    Args:
        ids: component name -> container id.

    Raises:
        MeasurementError: the engine does not answer, or a container has ended.
    """
    if not ids:
        return {}
    # Each answer may take a second, in which the engine collects.
    with ThreadPoolExecutor(len(ids)) as pool:
        return dict(zip(ids, pool.map(_ask, ids.values(), ids.keys()), strict=True))


def _ask(container: str, name: str) -> ContainerUsage:
    try:
        with contextlib.closing(docker.from_env()) as client:
            stats = client.api.stats(container, stream=False, one_shot=True)
    except (DockerException, requests.exceptions.RequestException) as error:
        raise MeasurementError(
            f"what {name} uses cannot be read: {error}.", remedy="Its log says whether it has ended."
        ) from error
    return parse_stats(stats, name)


def parse_stats(stats: Mapping[str, Any], name: str) -> ContainerUsage:
    """Read the engine's own form.

    Raises:
        MeasurementError: the container has ended, so that nothing is counted any more.
    """
    cpu = stats.get("cpu_stats") or {}
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        raise MeasurementError(
            f"{name} has ended: what it used is not known to the end.", remedy="Its log says why."
        )
    inside = memory.get("stats") or {}
    # What the container's processes hold themselves: version 1 calls it rss, version 2 anon.
    own = inside.get("rss", inside.get("anon", memory["usage"]))
    limited = cpu.get("throttling_data")
    return ContainerUsage(
        usage=Usage(
            cpu_seconds=cpu["cpu_usage"]["total_usage"] / 1e9,
            memory_bytes=int(own),
            processes=int((stats.get("pids_stats") or {}).get("current", 0)),
        ),
        throttling=Throttling(
            int(limited["periods"]), int(limited["throttled_periods"]), limited["throttled_time"] / 1e9
        )
        if limited
        else None,
    )


def _groups(pid: int, proc: Path) -> list[tuple[str, str]]:
    """Controllers and path of each group that a process is in; no controllers: version 2."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    fields = [line.split(":", 2) for line in lines]
    return [(field[1], field[2].lstrip("/")) for field in fields if len(field) == 3]


def _numbers(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {name: int(value) for name, value in pairs}


def _throttling(stat: Mapping[str, int]) -> Throttling:
    # Nanoseconds in version 1, microseconds in version 2.
    waited = stat["throttled_time"] / 1e9 if "throttled_time" in stat else stat["throttled_usec"] / 1e6
    return Throttling(stat["nr_periods"], stat["nr_throttled"], waited)
