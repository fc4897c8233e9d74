"""File watches: Envoy takes an inotify instance for each file that it watches, and aborts without one."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Mapping
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


def watches_to_be_had(wanted: int) -> int | None:
    """How many of *wanted* further inotify instances this process gets, found by asking the kernel for them.

    None: it cannot be determined, as this process may open no more files at all.

    The limits that count are not all to be read: a user namespace is held to those of the namespaces around
    it, too, and other users' processes of the same id may lie beyond what is seen here.
    """
    make = getattr(ctypes.CDLL(None, use_errno=True), "inotify_init1", None)
    if make is None:
        # Not Linux: Envoy watches by other means.
        return wanted
    got: list[int] = []
    try:
        while len(got) < wanted and (descriptor := make(os.O_CLOEXEC)) >= 0:
            got.append(descriptor)
        if len(got) < wanted:
            os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return None
    finally:
        for descriptor in got:
            os.close(descriptor)
    return len(got)


def watches_of(spec: StackSpec) -> dict[str, int]:
    """What each proxy of a stack takes."""
    return {proxy.name: proxy.file_watches for proxy in spec.proxies}


def require_local_watches(needed: Mapping[str, int]) -> None:
    """Check it for processes of this user; see ``require_watches``."""
    require_watches(needed, limit=watch_limit(), in_use=watches_in_use)


def require_container_watches(needed: Mapping[str, int]) -> None:
    """Check it for containers; see ``require_watches``.

    The kernel counts theirs for a user of their own, whose other processes cannot be seen from here.
    """
    limit = watch_limit()
    most = sum(needed.values()) if limit is None else limit
    require_watches(needed, limit=limit, in_use=lambda: 0, to_be_had=lambda wanted: min(wanted, most))


def require_watches(
    needed: Mapping[str, int],
    *,
    limit: int | None,
    in_use: Callable[[], int],
    to_be_had: Callable[[int], int | None] = watches_to_be_had,
) -> None:
    """Check that this user may have the watches that proxies need, before any of them starts.

    Args:
        needed: proxy, with its stack where there are several -> its watches.
        limit: what the user may have, as far as it can be read.
        in_use: counts what the user has; asked for the message alone.
        to_be_had: how many of a number the kernel gives.

    Raises:
        StackError: there are too few: Envoy would abort in the middle of its start.
    """
    wanted = sum(needed.values())
    # More than the limit is not asked for: it would take all from everybody for a moment.
    got = to_be_had(wanted) if limit is None or wanted <= limit else None
    if got is not None and got >= wanted:
        return
    used = in_use()
    if got is None:
        got = max(0, limit - used) if limit is not None else wanted
        if got >= wanted:
            return
    parts = ", ".join(f"{name} {count}" for name, count in needed.items())
    allowed = (
        f"allows {limit} for each user, of which {used} are in use" if limit is not None else "has a limit"
    )
    around = (
        " The limit of a user namespace around this one holds too (in a container: the host's)."
        if limit is not None and used + wanted <= limit
        else ""
    )
    raise StackError(
        f"{wanted} inotify instances are needed at once ({parts}), one for each file that Envoy watches; "
        f"this machine {allowed}, and gives {got} more.{around}",
        remedy=f"Raise the limit with `sysctl fs.inotify.max_user_instances={_enough(used + wanted)}`, or "
        "write `clusters: reachable` in the inventory.",
    )


def _enough(wanted: int) -> int:
    """Give a power of two with room to spare."""
    return 1 << (2 * wanted).bit_length()
