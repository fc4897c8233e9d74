"""Listening ports: one that the system chooses, or a requested one that must be free."""

from __future__ import annotations

import errno
import socket

import psutil

from bench.errors import StackError
from bench.placement import Address
from bench.stack.nodes import BACKLOG
from bench.stack.placing import LOOPBACK


def listen(port: int, name: str) -> socket.socket:
    """Open a listening socket on loopback, to be inherited by a child; port 0: the system chooses.

    Raises:
        StackError: the port is taken (by whom, if that can be seen) or may not be used.
    """
    # No SO_REUSEPORT: it would let two runs share a port and each get half of the traffic.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((LOOPBACK, port))
        opened.listen(BACKLOG)
        # The flag belongs to the socket, not to this process: nginx must never block in accept().
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise _refused(port, name, error) from error
    return opened


def closed_port() -> socket.socket:
    """Take a port on loopback that refuses every connection as long as the socket is open.

    Bound and not listening: the system gives it to nothing else, so that nothing can answer there by chance.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.bind((LOOPBACK, 0))
    return opened


def require_free(port: int, name: str) -> None:
    """Check that a requested port can be had.

    Envoy binds with ``SO_REUSEPORT`` and would silently share a port with another Envoy of the same user.

    Raises:
        StackError: as ``listen``.
    """
    listen(port, name).close()


def address_of(opened: socket.socket) -> Address:
    """Where a socket listens."""
    ip, port = opened.getsockname()[:2]
    return str(ip), int(port)


def holder(port: int) -> str | None:
    """Who listens on a TCP port, e.g. ``nginx (process 812)``; None where that cannot be seen."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    return None
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None


def _refused(port: int, name: str, error: OSError) -> StackError:
    if error.errno == errno.EADDRINUSE:
        who = holder(port)
        return StackError(
            f"port {port}, requested for {name}, is taken{f' by {who}' if who else ''}.",
            remedy="Free it, or leave it out and let the system choose.",
        )
    return StackError(
        f"port {port} cannot be opened for {name}: {error.strerror or error}.",
        remedy="Ports below 1024 need root; leave it out and let the system choose.",
    )
