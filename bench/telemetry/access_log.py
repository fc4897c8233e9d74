"""Read the JSON access logs of Envoy and nginx, line by line, trusting no line.

A log that is read while it is written may end in half a line; a log that others write into holds lines that
are not ours. Both are counted and named, never dropped in silence.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from bench.errors import MeasurementError
from bench.headers import ID_HEADER
from bench.plain_text import shown

Entry = TypeVar("Entry")

REQUEST_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "time": "%START_TIME(%s%6f)%",
        "id": f"%REQ({ID_HEADER.upper()})%",
        "want": "%REQ(WANT)%",
        "host": "%REQ(:AUTHORITY)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "route": "%ROUTE_NAME%",
        # RAW: the cluster's name; the plain operator gives its alt_stat_name.
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "upstream": "%UPSTREAM_HOST%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "bytes": "%BYTES_SENT%",
        "duration": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "connection": "%CONNECTION_ID%",
        "upstream_connection": "%UPSTREAM_CONNECTION_ID%",
        "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    }
)
"""Name in a proxy's JSON access log -> Envoy's command operator; what ``parse_envoy`` needs."""


class EnvoyEntry(NamedTuple):
    """One request as a proxy saw it. A tuple, because a run has millions and a dataclass is slower."""

    time_us: int
    """Start, microseconds since the epoch."""
    id: str | None
    """The request header ``x-bench-id``."""
    want: str | None
    host: str | None
    method: str | None
    path: str | None
    status: int
    """0: the client went before there was one."""
    flags: tuple[str, ...]
    """Response flags such as ``UF``, ``NR``; empty for a plain answer."""
    details: str | None
    route: str | None
    cluster: str | None
    upstream: str | None
    """Address of the endpoint, ``ip:port``."""
    attempts: int
    """How often it was sent upstream; above 1: retried."""
    bytes: int
    duration_us: int | None
    """From the first byte of the request to the last of the response."""
    connection: int
    """Downstream connection."""
    upstream_connection: int | None
    """None: no connection was made. Ids count up from the start of this Envoy."""
    failure: str | None
    """Why the upstream connection failed."""
    connect_us: int | None
    """TCP connect of the upstream connection, repeated for each of its requests. Gateway logs only."""
    handshake_us: int | None
    """TLS handshake of the upstream connection, repeated in the same way."""
    tls_version: str | None
    cipher: str | None
    peer_subject: str | None


class NodeEntry(NamedTuple):
    """One request as a node saw it."""

    time_us: int
    """End, microseconds since the epoch, counted in milliseconds."""
    node: str
    id: str | None
    status: int
    method: str | None
    host: str | None
    uri: str | None
    bytes: int
    request_time_us: int
    """Counted in milliseconds."""
    connection: int
    connection_requests: int
    """How many requests this connection has had, this one included."""
    client_verify: str | None
    """``SUCCESS``, ``NONE``, or ``FAILED:`` and the reason."""
    client_subject: str | None
    client_serial: str | None
    tls_version: str | None
    cipher: str | None
    server_name: str | None
    session_reused: bool
    worker: int | None
    """The process that answered: another one after a reload. None: the line does not say."""


class LogReader(Generic[Entry]):
    """Iterates over the entries of one log file from an offset; what is not an entry is counted.

    ``foreign`` and ``torn`` are final when the iteration has ended.
    """

    def __init__(self, path: Path, parse: Callable[[Mapping[str, Any]], Entry], *, offset: int = 0) -> None:
        """Open nothing yet.

        Args:
            path: the file; one that is not there is an empty one: nothing was logged.
            parse: ``parse_envoy`` or ``parse_node``.
            offset: bytes to skip, such as the file's size before a stage.
        """
        self.path = path
        self._parse = parse
        self._offset = offset
        self.entries = 0
        self.foreign = 0
        """Lines that are not entries."""
        self.first_foreign: str | None = None
        """``file:line: text`` of the first of them, lines counted from the offset."""
        self.torn: str | None = None
        """The last line, if it has no end: a writer was killed or has not flushed yet."""

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries in file order.

        Raises:
            MeasurementError: the file is shorter than the offset: it was truncated or rotated.
        """
        self.entries = self.foreign = 0
        self.first_foreign = self.torn = None
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        if size < self._offset:
            raise MeasurementError(
                f"the log has {size} bytes and had {self._offset} before: it was truncated or rotated.",
                where=str(self.path),
                remedy="Leave logs alone while a run lasts; discard this stage.",
            )
        if size == 0:
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    self.torn = line.decode("utf-8", "replace")
                    return
                try:
                    # Decoded first: json would guess the encoding of each line.
                    entry = self._parse(json.loads(line.decode()))
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                    self.foreign += 1
                    if self.first_foreign is None:
                        text = shown(line[:200].decode("utf-8", "replace").rstrip())
                        self.first_foreign = f"{self.path}:{number}: {text}"
                    continue
                self.entries += 1
                yield entry


def read_envoy_log(path: Path, *, offset: int = 0) -> LogReader[EnvoyEntry]:
    """Read a proxy's access log."""
    return LogReader(path, parse_envoy, offset=offset)


def read_node_log(path: Path, *, offset: int = 0) -> LogReader[NodeEntry]:
    """Read a node's access log."""
    return LogReader(path, parse_node, offset=offset)


def parse_envoy(line: Mapping[str, Any]) -> EnvoyEntry:
    """Make an entry of a proxy's line with ``REQUEST_FIELDS``, and the handshake's fields if it has them.

    Envoy writes ``null`` for what there is not, numbers bare, and ``-`` for no response flags.

    Raises:
        KeyError, TypeError, ValueError: this is not such a line.
    """
    flags = line["flags"]
    return EnvoyEntry(
        time_us=int(line["time"]),
        id=_text(line["id"]),
        want=_text(line["want"]),
        host=_text(line["host"]),
        method=_text(line["method"]),
        path=_text(line["path"]),
        status=int(line["status"] or 0),
        flags=tuple(flags.split(",")) if flags and flags != "-" else (),
        details=line["details"],
        route=line["route"],
        cluster=line["cluster"],
        upstream=line["upstream"],
        attempts=int(line["attempts"] or 0),
        bytes=int(line["bytes"]),
        duration_us=line["duration"],
        connection=int(line["connection"]),
        # Envoy writes 0 where no connection was made.
        upstream_connection=line["upstream_connection"] or None,
        failure=line["failure"],
        connect_us=line.get("connect"),
        handshake_us=line.get("handshake"),
        tls_version=line.get("tls_version"),
        cipher=line.get("cipher"),
        peer_subject=line.get("peer_subject"),
    )


def parse_node(line: Mapping[str, Any]) -> NodeEntry:
    """Make an entry of a node's line; nginx writes every value as a string, empty for what there is not.

    Raises:
        KeyError, TypeError, ValueError: this is not such a line.
    """
    return NodeEntry(
        time_us=_microseconds(line["time"]),
        node=line["node"],
        id=_text(line["id"] or None),
        status=int(line["status"]),
        method=_text(line["method"] or None),
        host=_text(line["host"] or None),
        uri=_text(line["uri"] or None),
        bytes=int(line["bytes"]),
        request_time_us=_microseconds(line["request_time"]),
        connection=int(line["connection"]),
        connection_requests=int(line["connection_requests"]),
        client_verify=line["client_verify"] or None,
        client_subject=_text(line["client_subject"] or None),
        client_serial=line["client_serial"] or None,
        tls_version=line["tls_version"] or None,
        cipher=line["cipher"] or None,
        server_name=_text(line["server_name"] or None),
        # nginx writes "r" for a resumed session and "." for a new one.
        session_reused=line["session_reused"] == "r",
        worker=int(line["worker"]) if line.get("worker") else None,
    )


def wait_until_flushed(
    logs: Sequence[Path], *, quiet_s: float, timeout_s: float = 10.0, poll_s: float = 0.02
) -> None:
    """Return when no log has grown for *quiet_s*, which must exceed the writers' flush interval.

    Raises:
        MeasurementError: they still grow after the timeout: requests still run.
    """
    deadline = time.monotonic() + timeout_s
    sizes = [_size(log) for log in logs]
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < quiet_s:
        if time.monotonic() >= deadline:
            raise MeasurementError(
                f"access logs still grow after {timeout_s:g} s: requests are still under way.",
                remedy="Stop the load before its account is made.",
            )
        time.sleep(poll_s)
        now = [_size(log) for log in logs]
        if now != sizes:
            sizes, quiet_since = now, time.monotonic()


def _text(value: str | None) -> str | None:
    """What a client sent, without what would steer a terminal that shows it."""
    return value if value is None or value.isprintable() else shown(value)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _microseconds(seconds: str) -> int:
    """Exactly: a float of seconds since the epoch would lose microseconds."""
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 1_000_000 + int(fraction.ljust(6, "0")[:6])


@dataclass(frozen=True, slots=True)
class LinesSince:
    """What a log has gained."""

    lines: int
    marked: int
    """Lines that hold a text looked for."""
    is_torn: bool
    """The last line has no end."""


@dataclass(frozen=True, slots=True)
class LogMark:
    """A place in a log, to count or read on from; knows its file again, and notices another in its place."""

    path: Path
    offset: int
    file: int | None
    """Inode; None: there was no file."""

    @classmethod
    def at_end(cls, path: Path) -> LogMark:
        """The present end."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return cls(path, 0, None)
        return cls(path, found.st_size, found.st_ino)

    def chunks(self, size: int = 1 << 22) -> Iterator[bytes]:
        """What was written since, in pieces.

        Raises:
            MeasurementError: the file is not the one it was, or shorter: it was rotated or truncated.
        """
        try:
            with self.path.open("rb") as log:
                found = os.fstat(log.fileno())
                if (self.file is not None and found.st_ino != self.file) or found.st_size < self.offset:
                    raise MeasurementError(
                        f"the log was {'truncated' if found.st_ino == self.file else 'rotated'} under way.",
                        where=str(self.path),
                        remedy="Leave logs alone while a run lasts; discard this trial.",
                    )
                log.seek(self.offset)
                while chunk := log.read(size):
                    yield chunk
        except FileNotFoundError as error:
            if self.file is None:
                return
            raise MeasurementError(
                "the log was taken away under way.",
                where=str(self.path),
                remedy="Leave logs alone while a run lasts; discard this trial.",
            ) from error

    def bytes_since(self) -> int:
        """How much was written since; 0 if the file is gone."""
        return max(0, _size(self.path) - self.offset)

    def count_since(self, marked: bytes) -> LinesSince:
        """Count the lines since, and those with the text *marked*; errors as ``chunks``."""
        lines = found = 0
        rest = b""
        for chunk in self.chunks():
            lines += chunk.count(b"\n")
            text = rest + chunk
            end = text.rfind(b"\n") + 1
            found += text.count(marked, 0, end)
            rest = text[end:]
        return LinesSince(lines, found, bool(rest))
