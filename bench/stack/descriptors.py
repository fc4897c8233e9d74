"""Open files: each connection is one, and a low limit shows in the middle of a load otherwise."""

from __future__ import annotations

import resource

from bench.errors import StackError

_OWN = 256
"""What a proxy, a node or this program has open beside connections, with room to spare."""
_PER_CONNECTION = 4
"""A proxy holds two for each of the client's; while others end, twice as many."""
_MOST_RAISED = 1 << 16


def require_descriptors(connections: int) -> None:
    """Raise this process's limit as far as is needed and allowed: the processes that it starts inherit it.

    Args:
        connections: that the client holds at once.

    Raises:
        StackError: even the hard limit is too low.
    """
    wanted = _OWN + _PER_CONNECTION * connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise StackError(
            f"a process may open {hard} files here (`ulimit -Hn`), and {connections} connections need about "
            f"{wanted}.",
            remedy="Raise the limit (LimitNOFILE of systemd, --ulimit nofile of Docker, limits.conf), or "
            "hold fewer connections: `traffic.connections.count`.",
        )
    if soft == resource.RLIM_INFINITY:
        return
    most = _MOST_RAISED if hard == resource.RLIM_INFINITY else min(hard, max(_MOST_RAISED, wanted))
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
