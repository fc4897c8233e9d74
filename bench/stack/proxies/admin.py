"""Ask a starting Envoy: its addresses, whether it is live, what it refused.

Every port may be 0. Envoy writes the admin address it got into a file (``--admin-address-path``), and its
admin API reports the addresses of the listeners: no port is chosen before it is bound.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from pathlib import Path

from bench.placement import Address
from bench.stack.proxies.files import ProxyFolder

_REFUSALS = re.compile(r"\.(update_rejected|update_failure)$")

AdminAddress = Address | Path
"""Where an admin API answers: an IP address and port, or a Unix socket."""


def admin_address(folder: ProxyFolder) -> Address | None:
    """Where the admin API listens; None before Envoy has written it."""
    try:
        text = folder.admin_address.read_text(encoding="ascii").strip()
    except OSError:
        return None
    ip, colon, port = text.rpartition(":")
    return (ip, int(port)) if colon and port.isdigit() else None


def listener_addresses(admin: AdminAddress) -> dict[str, Address]:
    """Real addresses of the listeners that are up, by listener name; a port of 0 is not bound yet."""
    found = {}
    for status in json.loads(get(admin, "/listeners?format=json")).get("listener_statuses", []):
        socket_address = status.get("local_address", {}).get("socket_address")
        if socket_address and socket_address.get("port_value"):
            found[status["name"]] = (socket_address["address"], socket_address["port_value"])
    return found


def is_live(admin: AdminAddress) -> bool:
    """Whether Envoy has initialised everything and serves."""
    try:
        return get(admin, "/ready").strip() == "LIVE"
    except OSError:
        return False


def epoch_of(admin: AdminAddress) -> int | None:
    """Which one of several Envoys that follow each other answers; None: none does."""
    try:
        options = json.loads(get(admin, "/server_info"))["command_line_options"]
    except OSError:
        return None
    return int(options.get("restart_epoch", 0))


def refusals(admin: AdminAddress) -> dict[str, int]:
    """Update counters that report a refused file, above zero: name -> how often."""
    counters = {}
    for line in get(admin, "/stats?filter=update_(rejected|failure)$").splitlines():
        name, _, value = line.rpartition(": ")
        if _REFUSALS.search(name) and value.isdigit() and int(value) > 0:
            counters[name] = int(value)
    return counters


def get(admin: AdminAddress, path: str, *, timeout_s: float = 5.0) -> str:
    """Ask the admin API; raises ``OSError`` if nothing answers.

    The standard library's client, because this is asked in a tight loop while a stack starts; measurements
    use ``bench.telemetry.admin``.
    """
    connection = (
        _SocketConnection(admin, timeout_s)
        if isinstance(admin, Path)
        else http.client.HTTPConnection(*admin, timeout=timeout_s)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("envoy", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of the host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
