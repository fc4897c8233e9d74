"""Several Envoys of one proxy that follow each other: hot restart, by Envoy's own options.

The successor finds its parent through a Unix socket and a few bytes of shared memory, both named by a number,
the base id. It takes the parent's listening sockets over, so that no connection is refused in between, and
ends it after a while. See "Hot restart" in Envoy's documentation.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.stack.protocol import HotRestart

NO_EPOCHS: Final = ("--disable-hot-restart",)
"""Base ids are numbers that several Envoys on one machine would fight over; most have no successor."""
_BASE_IDS: Final = 400_000_000
"""Envoy names what it shares by ten times the base id, in 32 bits."""
_MEMORY_ROOT: Final = Path("/dev/shm")  # noqa: S108 - where Linux shows shared memory


def choose_base_id() -> int:
    """Choose one that no Envoy on this machine has: the first of a line would take its memory away."""
    while True:
        chosen = secrets.randbelow(_BASE_IDS) + 1
        if not (_MEMORY_ROOT / memory_name(chosen)).exists():
            return chosen


def memory_name(base_id: int) -> str:
    """The name of the memory that the Envoys of a line share; it stays when the last of them ends."""
    return f"envoy_shared_memory_{base_id * 10}"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One of the Envoys that follow each other."""

    base_id: int
    """The same for all of them."""
    number: int
    """0 is the first one."""
    socket: str
    """How the paths of the sockets begin by which they talk, relative to where they run: the folder of a run
    is closed to others, which Envoy's default, a name without a file, is not."""
    leave: HotRestart

    def arguments(self) -> tuple[str, ...]:
        """Envoy's options."""
        return (
            *("--base-id", str(self.base_id)),
            *("--restart-epoch", str(self.number)),
            *("--socket-path", self.socket),
            *("--drain-time-s", str(self.leave.drain_s)),
            *("--parent-shutdown-time-s", str(self.leave.end_s)),
            # Otherwise it begins with what its parent has counted since that one's last flush, whenever that
            # was: neither with zero nor where the parent was (seen with Envoy 1.40).
            "--skip-hot-restart-parent-stats",
        )
