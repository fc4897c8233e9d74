"""The times of the gateway's upstream connections, and why they failed, as its own access log has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bench.telemetry.access_log import LogReader

CONNECTION_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "time": "%START_TIME(%s%6f)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        "connection": "%UPSTREAM_CONNECTION_ID%",
        "upstream": "%UPSTREAM_HOST%",
        "duration": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        # Time points: see HANDSHAKE_FIELDS. US_TX_BEG: the request's first byte goes out; US_RX_BEG: the
        # first byte of the answer is there.
        "secured": "%COMMON_DURATION(US_CX_END:US_HS_END:us)%",
        "set_up": "%COMMON_DURATION(US_CX_BEG:US_HS_END:us)%",
        "answered": "%COMMON_DURATION(US_CX_BEG:US_RX_BEG:us)%",
        "turn": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
    }
)
"""Name in the JSON line -> Envoy's command operator; what ``read_connections`` needs."""


class ConnectionEntry(NamedTuple):
    """One request and the connection that carried it; times in microseconds."""

    time_us: int
    """Start, since the epoch."""
    status: int
    flags: tuple[str, ...]
    failure: str | None
    """Why the connection failed, in Envoy's words: read numbers from it, no words."""
    connection: int | None
    upstream: str | None
    """Address of the endpoint, ``ip:port``."""
    duration_us: int | None
    """From the first byte of the request to the last of the answer."""
    secured_us: int | None
    """TCP connected to handshake done; repeated for each request of the connection."""
    set_up_us: int | None
    """First byte on the wire to handshake done, in the same way."""
    answered_us: int | None
    """First byte on the wire to the first byte of this answer."""
    turn_us: int | None
    """First byte of this request to the first byte of this answer."""


def read_connections(path: Path, *, offset: int = 0) -> LogReader[ConnectionEntry]:
    """Read a gateway's log with ``CONNECTION_FIELDS``, from an offset in bytes."""
    return LogReader(path, _parse, offset=offset)


def _parse(line: Mapping[str, Any]) -> ConnectionEntry:
    flags = line["flags"]
    return ConnectionEntry(
        time_us=int(line["time"]),
        status=int(line["status"] or 0),
        flags=tuple(flags.split(",")) if flags and flags != "-" else (),
        failure=line["failure"],
        connection=line["connection"] or None,
        upstream=line["upstream"],
        duration_us=line["duration"],
        secured_us=line["secured"],
        set_up_us=line["set_up"],
        answered_us=line["answered"],
        turn_us=line["turn"],
    )
