"""What stops a run before its first request, said clearly."""

from __future__ import annotations

import resource

from bench.errors import LoadError
from bench.load.engine.transport import not_connected
from bench.load.plan import Target
from bench.result.reasons import ReasonCode


def check_descriptors(connections: int) -> None:
    """Make room for this many connections.

    Raises:
        LoadError: the limit of open files is too low and cannot be raised.
    """
    needed = connections + 128
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise LoadError(
            f"{connections} connections need {needed} open files; this process may have {hard} (hard limit).",
            remedy=f"Raise it with `ulimit -n {needed}`, use fewer connections, or more workers.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def cannot_connect(target: Target, error: BaseException) -> LoadError:
    """The error for a target to which not one connection could be opened."""
    place = f"{target.address}:{target.port}"
    place += f" ({target.tls.server_name})" if target.tls is not None else ""
    reason = not_connected(error)
    if reason.code is ReasonCode.TLS:
        remedy = "Check the server name, the CA, and the client certificate."
    else:
        remedy = "Start the target first, or check address and port."
    return LoadError(f"cannot connect to {place}: {reason.text}.", remedy=remedy)
