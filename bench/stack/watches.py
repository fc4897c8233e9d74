"""File watches: Envoy takes an inotify instance for each file that it watches, and aborts without one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bench.errors import StackError
from bench.stack.protocol import StackSpec

_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_PROCESSES = Path("/proc")
_INSTANCE = "anon_inode:inotify"


def watch_limit() -> int | None:
    """How many inotify instances a user may have; None where there is no such limit to read."""
    try:
        return int(_LIMIT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def watches_in_use(processes: Path = _PROCESSES) -> int:
    """How many inotify instances this user's processes have, as far as they can be seen."""
    found = 0
    for process in processes.glob("[0-9]*"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            if process.stat().st_uid == os.getuid():
                for descriptor in (process / "fd").iterdir():
                    with contextlib.suppress(OSError):
                        found += str(descriptor.readlink()) == _INSTANCE
    return found


def known_watches() -> tuple[int, int] | None:
    """Give the limit and what is in use; None where there is no limit to read."""
    limit = watch_limit()
    return (limit, watches_in_use()) if limit is not None else None


def require_watches(spec: StackSpec, *, limit: int | None, in_use: int) -> None:
    """Check that this user may have the watches that the stack's proxies need.

    Raises:
        StackError: there are too few: Envoy would abort in the middle of its start.
    """
    needed = {proxy.name: proxy.file_watches for proxy in spec.proxies}
    if limit is None or in_use + sum(needed.values()) <= limit:
        return
    parts = ", ".join(f"{name} {count}" for name, count in needed.items())
    raise StackError(
        f"stack {spec.name} needs {sum(needed.values())} inotify instances ({parts}), one for each file that "
        f"Envoy watches; this machine allows {limit} for each user, of which {in_use} are in use.",
        remedy=f"Raise the limit with `sysctl fs.inotify.max_user_instances={_enough(in_use, needed)}`, or "
        "write `clusters: reachable` in the inventory.",
    )


def _enough(in_use: int, needed: dict[str, int]) -> int:
    """Give a power of two with room to spare."""
    return 1 << (2 * (in_use + sum(needed.values()))).bit_length()
