"""Run nginx as a node: the command, the socket it inherits, whether it answers, whether it crashed."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path

from bench.child import tail
from bench.placement import Address
from bench.stack.binaries import Binary
from bench.stack.nodes.files import NodeFolder

_CRASH = re.compile(r"\[alert\].* worker process \d+ exited on signal")


def node_command(folder: NodeFolder, binary: Binary) -> list[str]:
    """The command that runs one node in the foreground."""
    command = [str(binary.path), "-p", f"{folder.path}/", "-c", str(folder.config)]
    # Until it has read its configuration, nginx logs where it was built to: maybe to a file of root's.
    return [*command, "-e", "stderr"] if binary.is_at_least(1, 19, 5) else command


def inherit(descriptor: int) -> dict[str, str]:
    """The environment by which nginx takes over an open listening socket.

    The way nginx hands its sockets to its successor when it is upgraded in place; the address in ``listen``
    must be the socket's own. So the system chooses the port, and no other program can take it in between.
    https://nginx.org/en/docs/control.html#upgrade
    """
    return {"NGINX": f"{descriptor};"}


def answers(address: Address, timeout_s: float) -> bool:
    """Whether a worker completes a TLS handshake there. Leaves no line in the access log.

    The socket listens before nginx runs, so a connection alone proves nothing. Nothing is verified here: a
    node with a wrong certificate is up too, and finding that out is the verification's job.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, timeout_s) as raw,
            context.wrap_socket(raw, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False


def crash_in(log: Path) -> str | None:
    """The line in which the master tells of a worker that was ended by a signal; None if there is none.

    The master makes a new worker at once, so a crash is easily missed, and spoils a measurement.
    """
    return next((line for line in tail(log, 50).splitlines() if _CRASH.search(line)), None)
