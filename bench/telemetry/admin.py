"""Ask a running Envoy: counters, versions, listeners, memory, and the configuration that is in force."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from bench.errors import MeasurementError, StackError

UNIX = "unix://"
"""Begins a base URL that is the path of a Unix socket: ``unix:///run/admin.sock``."""
_MOST_DIGITS = 20
"""Of 64 bits; longer ones are not counters of Envoy's."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What Envoy says of itself."""

    version: str
    """E.g. ``1.40.0``."""
    build: str
    """E.g. ``9e558…/1.40.0/Clean/RELEASE/BoringSSL``."""
    state: str
    """``LIVE`` when it serves."""
    uptime_s: int
    concurrency: int
    """Worker threads."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Envoy's own view of its heap, in bytes; the operating system's is in ``bench.telemetry.usage``."""

    allocated: int
    heap_size: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters at one moment."""

    proxy: str
    values: Mapping[str, int]
    taken_at: float
    """``time.monotonic()`` in seconds."""
    uptime_s: int


class Admin:
    """Envoy's admin API. Close it, or use it as a context manager."""

    def __init__(self, base_url: str, *, name: str = "envoy", timeout_s: float = 5.0) -> None:
        """Connect to nothing yet.

        Args:
            base_url: as in ``Component.admin_url``: ``http://HOST:PORT`` or ``unix://PATH``.
            name: the proxy's, for messages.
            timeout_s: for each call.
        """
        self.name = name
        self._socket = base_url.removeprefix(UNIX) if base_url.startswith(UNIX) else None
        self._timeout_s = timeout_s
        self._client = httpx.Client(
            base_url="http://envoy" if self._socket is not None else base_url,
            timeout=timeout_s,
            trust_env=False,
            # No TLS is spoken here, and to load the authorities of the system costs more than a reading.
            transport=httpx.HTTPTransport(
                uds=self._socket,
                verify=False,
                # An Envoy that makes way for a successor is reached over connections that it has already.
                limits=httpx.Limits(keepalive_expiry=None),
            ),
        )

    def stats(self, pattern: str | None = None, *, used_only: bool = False) -> dict[str, int]:
        """Counters and gauges by name.

        Args:
            pattern: RE2 expression that a name must contain; None: all.
            used_only: leave out what was never touched.

        Raises:
            StackError: Envoy does not answer.
            MeasurementError: it answers, but not with this.
        """
        values = {}
        for line in self._stats_text(pattern, used_only=used_only).splitlines():
            name, colon, value = line.rpartition(": ")
            # Histograms and texts have their own form behind the colon.
            if colon and value.isdecimal() and len(value) <= _MOST_DIGITS:
                values[name] = int(value)
        return values

    def texts(self, pattern: str | None = None) -> dict[str, str]:
        """Statistics that are texts, such as ``cluster.NAME.version_text``; errors as ``stats``."""
        found = re.findall(r'^(.*?): "(.*)"$', self._stats_text(pattern), re.MULTILINE)
        return dict(found)

    def snapshot(self, pattern: str | None = None, *, uptime_s: int | None = None) -> Snapshot:
        """Counters together with the moment, for ``difference``; errors as ``stats``.

        Who has just asked for *uptime_s* can give it, and has the counters sooner.
        """
        if uptime_s is None:
            uptime_s = self.server_info().uptime_s
        return Snapshot(self.name, self.stats(pattern), time.monotonic(), uptime_s)

    def server_info(self) -> ServerInfo:
        """Version, state and age; errors as ``stats``."""
        info = self._json("/server_info")
        with self._known_form("/server_info"):
            build = str(info["version"])
            return ServerInfo(
                version=build.split("/")[1],
                build=build,
                state=str(info["state"]),
                uptime_s=int(str(info["uptime_current_epoch"]).removesuffix("s")),
                concurrency=int(info["command_line_options"]["concurrency"]),
            )

    def listeners(self) -> dict[str, tuple[str, int]]:
        """Listener name -> the address it is bound to; errors as ``stats``."""
        found = {}
        statuses = self._json("/listeners?format=json").get("listener_statuses", [])
        with self._known_form("/listeners"):
            for status in statuses:
                address = status.get("local_address", {}).get("socket_address", {})
                if "port_value" in address:
                    found[str(status["name"])] = (str(address["address"]), int(address["port_value"]))
        return found

    def memory(self) -> Memory:
        """Envoy's heap; errors as ``stats``."""
        values = self._json("/memory")
        with self._known_form("/memory"):
            return Memory(int(values["allocated"]), int(values["heap_size"]))

    def config_dump(self, *, with_endpoints: bool = True) -> dict[str, Any]:
        """The whole configuration in force; errors as ``stats``."""
        return self._json("/config_dump?include_eds" if with_endpoints else "/config_dump")

    def certificate_serials(self) -> frozenset[str]:
        """Serial numbers of the certificates that it presents; errors as ``stats``."""
        found = self._json("/certs")
        with self._known_form("/certs"):
            return frozenset(
                str(each["serial_number"])
                for entry in found.get("certificates", [])
                for each in entry.get("cert_chain", [])
            )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stats_text(self, pattern: str | None, *, used_only: bool = False) -> str:
        parameters = {"filter": pattern} if pattern is not None else {}
        # A parameter without a value: its presence counts.
        return self._get(f"/stats{'?usedonly' if used_only else ''}", parameters)

    def _json(self, path: str) -> dict[str, Any]:
        text = self._get(path)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MeasurementError(f"{self.name}: {path} is not JSON.") from error
        if not isinstance(found, dict):
            raise MeasurementError(f"{self.name}: {path} is not an object.")
        return found

    @contextlib.contextmanager
    def _known_form(self, path: str) -> Iterator[None]:
        """Report an answer that lacks something, or has something else in its place, whatever it is."""
        try:
            yield
        except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise MeasurementError(f"{self.name}: {path} has an unknown form: {error!r}.") from error

    def _probe(self, path: str) -> None:
        """Raise ``OSError`` if nothing listens: httpx would leave its own socket open then."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(self._timeout_s)
            probe.connect(path)

    def _get(self, path: str, parameters: Mapping[str, str] | None = None) -> str:
        url = self._client.base_url.join(path)
        if parameters:
            url = url.copy_merge_params(parameters)
        try:
            if self._socket is not None:
                self._probe(self._socket)
            response = self._client.get(url)
        except (httpx.HTTPError, OSError) as error:
            raise StackError(
                f"{self.name} does not answer on its admin API: {error}.",
                where=self._socket or str(self._client.base_url),
                remedy="Check whether it is still running; its last output is in its log.",
            ) from error
        if response.status_code != httpx.codes.OK:
            raise MeasurementError(
                f"{self.name}: {path} answers {response.status_code}: {response.text[:200].strip()}"
            )
        return response.text


def difference(before: Snapshot, after: Snapshot) -> dict[str, int]:
    """How far each counter rose from one snapshot to the next; a counter that is new rose from zero.

    Raises:
        MeasurementError: Envoy was restarted in between, or a value fell: then no difference means anything.
            Gauges may fall, so take snapshots of counters only.
    """
    # Uptime is reported in whole seconds.
    if after.uptime_s + 2 < before.uptime_s + (after.taken_at - before.taken_at):
        raise MeasurementError(
            f"{after.proxy} was restarted between two readings: its counters began again at zero.",
            remedy="Discard this stage.",
        )
    rises = {name: value - before.values.get(name, 0) for name, value in after.values.items()}
    for name in before.values.keys() - after.values.keys():
        # The cluster is gone; what it counted since is unknown.
        raise MeasurementError(f"{after.proxy}: counter {name} vanished between two readings.")
    for name, rise in rises.items():
        if rise < 0:
            raise MeasurementError(f"{after.proxy}: {name} fell by {-rise} between two readings.")
    return rises


def total(values: Mapping[str, int], ending: str) -> int:
    """The sum over all statistics whose name ends so, e.g. ``ssl.handshake`` over all clusters."""
    return sum(value for name, value in values.items() if name.endswith(f".{ending}"))
