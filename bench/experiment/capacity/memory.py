"""Memory for each connection through the path, and for each cluster of the gateway."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.cost import MemoryWindow, fit_memory
from bench.errors import BenchError, MeasurementError
from bench.placement import Address
from bench.result import MemoryModel
from bench.scenario import MixedRequest
from bench.stack import Component, Stack
from bench.stack.client_address import client_address
from bench.telemetry import Admin, read_usage

COUNTS = (0, 64, 128, 192, 256)
"""Connections; upwards, since what was given is seldom given back."""
CLUSTERS = (0, 100, 200, 400)
"""Clusters that a gateway has beside its own."""
_TIMEOUT_S = 20.0
MEMORY_S = 5.0


def measure_memory(stack: Stack, client: str, port: int, request: MixedRequest) -> tuple[MemoryModel, ...]:
    """Open connections step by step, each with one request under way beside all others; fit each part.

    Raises:
        StackError, MeasurementError: a part does not answer, or the path does not.
    """
    address = client_address(stack.component(client), port)
    text = _request_text(request)
    seen: list[tuple[int, Mapping[str, _Held]]] = []
    with contextlib.ExitStack() as open_:
        sockets: list[socket.socket] = []
        for count in COUNTS:
            sockets += _more(open_, address, count - len(sockets))
            _ask_all(sockets, text)
            seen.append((count, _memory(stack.components())))
    return tuple(
        fit_memory(part.name, [found[part.name].window(count) for count, found in seen])
        for part in stack.components()
        if all(part.name in found for _, found in seen)
    )


def _request_text(request: MixedRequest) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"{request.method} {request.path} HTTP/1.1\r\nHost: {request.authority}\r\n{headers}\r\n".encode()


def _more(open_: contextlib.ExitStack, address: Address, count: int) -> Iterator[socket.socket]:
    try:
        for _ in range(count):
            yield open_.enter_context(socket.create_connection(address, timeout=_TIMEOUT_S))
    except OSError as error:
        raise MeasurementError(f"no further connection to {address[0]}:{address[1]}: {error}.") from error


def _ask_all(sockets: Sequence[socket.socket], text: bytes) -> None:
    """A request on each, all under way together: pools behind need a connection for each of them."""
    try:
        for each in sockets:
            each.sendall(text)
        for each in sockets:
            each.recv(1 << 16)
    except OSError as error:
        raise MeasurementError(f"the path did not answer on {len(sockets)} connections: {error}.") from error


@dataclass(frozen=True, slots=True)
class _Held:
    held_bytes: int
    resident_bytes: int | None

    def window(self, count: int) -> MemoryWindow:
        return MemoryWindow(count, self.held_bytes, self.resident_bytes)


def measure_cluster_memory(stacks: Iterable[tuple[int, Stack]], gateway: str) -> MemoryModel | None:
    """Read *gateway* in stacks that carry nothing, each with the number of clusters that it has; fit it.

    None where it does not report its memory.

    Raises:
        StackError: a stack does not start.
    """
    seen = []
    for count, stack in stacks:
        held = _memory([stack.component(gateway)]).get(gateway)
        if held is None:
            return None
        seen.append(held.window(count))
    return fit_memory(gateway, seen, each="cluster")


def _memory(parts: Sequence[Component]) -> dict[str, _Held]:
    """Envoy's own count of its heap; for a node what its processes hold. What is not reported is missing."""
    found: dict[str, _Held] = {}
    for part in parts:
        with contextlib.suppress(BenchError):
            usage = read_usage({part.name: part.pid})[part.name]
            resident = usage.memory_bytes if usage is not None else None
            if part.admin_url is not None:
                with Admin(part.admin_url, name=part.name) as admin:
                    found[part.name] = _Held(admin.memory().allocated, resident)
            elif resident is not None:
                found[part.name] = _Held(resident, resident)
    return found
