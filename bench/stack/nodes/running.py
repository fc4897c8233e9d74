"""Run nginx as a node: the command, the socket it inherits, whether it answers, whether it crashed."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
from pathlib import Path

from bench.child import tail
from bench.placement import Address
from bench.stack.binaries import Binary
from bench.stack.nodes.config import READY_PATH
from bench.stack.nodes.files import NodeFolder
from bench.stack.protocol import PLAIN_NODE, NodeBehaviour, NodeTls

_CRASH = re.compile(r"\[alert\].* worker process \d+ exited on signal")


def node_command(folder: NodeFolder, binary: Binary) -> list[str]:
    """The command that runs one node in the foreground.

    A process beside this one is given its folder relative to the run folder, in which it is started: nginx
    would read a ``$`` in an absolute path as the name of a variable.
    """
    command = [str(binary.path), "-p", f"{folder.path}/", "-c", folder.config.name]
    # Until it has read its configuration, nginx logs where it was built to: maybe to a file of root's.
    return [*command, "-e", "stderr"] if binary.is_at_least(1, 19, 5) else command


def inherit(descriptor: int) -> dict[str, str]:
    """The environment by which nginx takes over an open listening socket.

    The way nginx hands its sockets to its successor when it is upgraded in place; the address in ``listen``
    must be the socket's own. So the system chooses the port, and no other program can take it in between.
    https://nginx.org/en/docs/control.html#upgrade
    """
    return {"NGINX": f"{descriptor};"}


def answers(address: Address, tls: NodeTls, timeout_s: float, behaviour: NodeBehaviour = PLAIN_NODE) -> bool:
    """Whether a worker answers there: by a TLS handshake, or plainly. Leaves no line in the access log.

    The socket listens before nginx runs, so a connection alone proves nothing. Nothing is verified here: a
    node with a wrong certificate is up too, and finding that out is the verification's job.
    """
    try:
        if tls == "none" and behaviour.is_http2:
            return _answers_http2(address, timeout_s)
        if tls == "none" and not behaviour.is_http:
            with socket.create_connection(address, timeout_s) as raw:
                raw.settimeout(timeout_s)
                raw.sendall(b"" if behaviour.greets else b"\n")
                return bool(raw.recv(1))
        if tls == "none":
            connection = http.client.HTTPConnection(*address, timeout=timeout_s)
            with contextlib.closing(connection):
                connection.request("GET", READY_PATH)
                return connection.getresponse().status == http.HTTPStatus.NO_CONTENT
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(address, timeout_s) as raw,
            context.wrap_socket(raw, server_hostname="localhost"),
        ):
            return True
    except (OSError, http.client.HTTPException):
        return False


def _answers_http2(address: Address, timeout_s: float) -> bool:
    """Whether a worker greets a client that speaks HTTP/2 by prior knowledge (RFC 9113 section 3.4)."""
    with socket.create_connection(address, timeout_s) as raw:
        raw.settimeout(timeout_s)
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        return raw.recv(4)[3:4] == b"\4"


def crash_in(log: Path) -> str | None:
    """The line in which the master reports a worker that was ended by a signal; None if there is none.

    The master makes a new worker at once, so a crash is easily missed, and spoils a measurement.
    """
    return next((line for line in tail(log, 50).splitlines() if _CRASH.search(line)), None)
