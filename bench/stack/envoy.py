"""One proxy: start Envoy on rendered files, learn its ports from itself, tell why it refuses.

Every port may be 0. Envoy writes the admin address it got into a file (``--admin-address-path``), and its
admin API tells the addresses of the listeners: no port is chosen before it is bound.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.errors import StackError
from bench.placement import Address, ConfigFile
from bench.stack.binaries import Binary
from bench.stack.protocol import ProxySpec

BOOTSTRAP = "bootstrap.yaml"
ACCESS_LOG = "access.log"
FLUSH_INTERVAL_S = 0.2
"""An access log line is in its file after at most this long."""

_REFUSALS = re.compile(r"\.(update_rejected|update_failure)$")
# What Envoy 1.40 writes: "Filesystem config update rejected: WHY" for a watched file, and for the bootstrap
# "error `WHY` initializing config ..." before it exits.
_REASON = re.compile(
    r"config update (?:rejected|failure): (?P<update>.*)|error `(?P<start>.*)` initializing config"
)
_MAX_REASON = 500


class Ended(Protocol):
    """A part that can tell of its end: a process, or a container."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def log(self) -> Path:
        """The file with its output."""

    def how_it_ended(self) -> str:
        """In words, e.g. ``was ended by SIGKILL``."""

    def last_output(self, lines: int = 12) -> str:
        """Its last lines of output."""


@dataclass(frozen=True, slots=True)
class ProxyFolder:
    """Where one proxy's files lie."""

    path: Path

    @property
    def config_root(self) -> Path:
        """The rendered files; Envoy watches this tree."""
        return self.path / "config"

    @property
    def staging(self) -> Path:
        """Where a file is written before it is renamed into place: same file system, watched by nobody."""
        return self.path / "staging"

    @property
    def log_root(self) -> Path:
        """Envoy's access logs."""
        return self.path / "logs"

    @property
    def log(self) -> Path:
        """What Envoy says."""
        return self.path / "output.log"

    @property
    def admin_address(self) -> Path:
        """The file into which Envoy writes the address of its admin API."""
        return self.path / "admin.address"

    def make(self) -> None:
        """Create the folders."""
        for folder in (self.path, self.config_root, self.staging, self.log_root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_files(
    folder: ProxyFolder,
    proxy: str,
    files: Sequence[ConfigFile],
    *,
    owner: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write files in the given order, each by one rename, so that Envoy sees all of a file or nothing.

    Raises:
        StackError: a path leaves the configuration folder, or a file cannot be written.
    """
    for file in files:
        target = folder.config_root / file.path
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise StackError(f"{proxy} may not write {file.path!r}: it lies outside its folder.")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            staged = folder.staging / target.name
            staged.write_text(file.text, encoding="utf-8")
            owner(staged)
            staged.replace(target)
        except OSError as error:
            raise StackError(
                f"{proxy}: {file.path} cannot be written: {error.strerror or error}.",
                where=str(folder.config_root),
                remedy="Make room on the disk, or set TMPDIR to a folder that has it.",
            ) from error


def envoy_command(folder: ProxyFolder, binary: Binary, *, concurrency: int) -> list[str]:
    """The command that runs one Envoy in the foreground."""
    return [
        str(binary.path),
        "--config-path",
        str(folder.config_root / BOOTSTRAP),
        "--concurrency",
        str(concurrency),
        "--admin-address-path",
        str(folder.admin_address),
        # Hot restart shares memory by a number that several Envoys on one machine would fight over.
        "--disable-hot-restart",
        # A misspelt field in a file is otherwise dropped in silence.
        "--reject-unknown-dynamic-fields",
        "--file-flush-interval-msec",
        str(round(FLUSH_INTERVAL_S * 1000)),
        "--log-level",
        "warning",
    ]


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


def refusals(admin: AdminAddress) -> dict[str, int]:
    """Update counters that tell of a refused file, above zero: name -> how often."""
    counters = {}
    for line in get(admin, "/stats?filter=update_(rejected|failure)$").splitlines():
        name, _, value = line.rpartition(": ")
        if _REFUSALS.search(name) and value.isdigit() and int(value) > 0:
            counters[name] = int(value)
    return counters


def refusal_error(process: Ended, counters: dict[str, int] | None = None) -> StackError:
    """The error for a configuration that Envoy does not take, with Envoy's own reason."""
    reasons = reasons_in(process.log)
    counted = f" ({', '.join(sorted(counters))})" if counters else ""
    said = "; ".join(reasons) if reasons else f"{process.how_it_ended()}:\n{process.last_output()}"
    return StackError(
        f"{process.name} refuses its configuration{counted}: {said.rstrip('.')}.",
        remedy="`egress-bench check` shows which resource the refused part comes from.",
    )


def missing_listener_error(process: Ended, proxy: ProxySpec, found: Mapping[str, Address]) -> StackError:
    """The error for an Envoy that serves without a listener that was expected."""
    expected = ", ".join(f"{ip}_{port}" for ip, port in proxy.listeners)
    return StackError(
        f"{process.name} serves, but not on every listener: expected {expected}, "
        f"found {', '.join(sorted(found)) or 'none'}. {' '.join(reasons_in(process.log))}".rstrip(),
        remedy="Listeners are matched by name: address_port as translated.",
    )


def reasons_in(log: Path, limit: int = 3) -> list[str]:
    """Envoy's own reasons in its output, each once, first ones first; long ones are cut."""
    try:
        text = log.read_text("utf-8", "replace")
    except OSError:
        return []
    found = (match.group("update") or match.group("start") or "" for match in _REASON.finditer(text))
    reasons = dict.fromkeys(" ".join(reason.split())[:_MAX_REASON] for reason in found)
    return [reason for reason in reasons if reason][:limit]


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
