"""The control plane as a server: the two aggregated streams, and a door for whoever runs the stack.

Proxies reach one Unix socket, the door is another: no proxy can publish.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
from envoy_data_plane.envoy.config.core.v3 import Node
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest, DiscoveryRequest

from bench.stack.control.delta import DeltaStream
from bench.stack.control.events import EventLog
from bench.stack.control.names import ADS, DOOR
from bench.stack.control.snapshot import Snapshot
from bench.stack.control.world import WorldStream

_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class ControlPlane:
    """Snapshots by proxy, and the streams of the proxies that are connected."""

    def __init__(self) -> None:
        self.event_log = EventLog()
        self._snapshots: dict[str, Snapshot] = {}
        self._streams: dict[int, tuple[WorldStream | DeltaStream, asyncio.Queue[list[bytes]]]] = {}
        self._nodes: dict[int, dict[str, Any]] = {}
        self._count = 0

    def publish(self, proxy: str, folder: Path, kinds: list[str]) -> None:
        """Read the files of *kinds* again, and send every stream of *proxy* what has changed for it.

        Raises:
            OSError, ValueError: a file cannot be read; nothing changes for the proxy.
        """
        snapshot = self._snapshots.get(proxy, Snapshot()).updated(folder, kinds)
        self._snapshots[proxy] = snapshot
        self.event_log.note("publish", proxy, names=tuple(kinds))
        for state, queue in self._streams.values():
            if state.proxy == proxy:
                queue.put_nowait(state.publish(snapshot))

    def state(self, since: int) -> dict[str, Any]:
        """The streams that are open, and the events after number *since*."""
        return {
            "streams": [
                {
                    "stream": number,
                    "proxy": state.proxy,
                    "kind": _kind(state),
                    "node": self._nodes.get(number),
                }
                for number, (state, _) in self._streams.items()
            ],
            "events": self.event_log.since(since),
        }

    async def world(self, requests: AsyncIterator[bytes], _: _Context) -> AsyncIterator[bytes]:
        """Serve one stream of the state of the world."""
        async for response in self._serve(requests, DiscoveryRequest, WorldStream):
            yield response

    async def delta(self, requests: AsyncIterator[bytes], _: _Context) -> AsyncIterator[bytes]:
        """Serve one incremental stream."""
        async for response in self._serve(requests, DeltaDiscoveryRequest, DeltaStream):
            yield response

    async def _serve(
        self,
        requests: AsyncIterator[bytes],
        request_type: type[DiscoveryRequest | DeltaDiscoveryRequest],
        stream_type: type[WorldStream | DeltaStream],
    ) -> AsyncIterator[bytes]:
        self._count += 1
        number, queue = self._count, asyncio.Queue[list[bytes]]()
        reading = asyncio.create_task(self._read(number, requests, queue, request_type, stream_type))
        try:
            while True:
                getting = asyncio.create_task(queue.get())
                await asyncio.wait((getting, reading), return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    return
                for response in getting.result():
                    yield response
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.RpcError):
                await reading
            known = self._streams.pop(number, None)
            self._nodes.pop(number, None)
            self.event_log.note("disconnect", known[0].proxy if known is not None else "", stream=number)

    async def _read(
        self,
        number: int,
        requests: AsyncIterator[bytes],
        queue: asyncio.Queue[list[bytes]],
        request_type: type[DiscoveryRequest | DeltaDiscoveryRequest],
        stream_type: type[WorldStream | DeltaStream],
    ) -> None:
        state: WorldStream | DeltaStream | None = None
        async for message in requests:
            request = request_type.parse(message)
            if state is None:
                # Only the first request says who asks.
                node = request.node or Node()
                state = stream_type(node.id, number, self.event_log)
                self._nodes[number] = _described(node)
                self._streams[number] = (state, queue)
                self.event_log.note("connect", node.id, stream=number)
                if node.id in self._snapshots:
                    state.publish(self._snapshots[node.id])
            queue.put_nowait(state.receive(request))  # type: ignore[arg-type]


def _kind(state: WorldStream | DeltaStream) -> str:
    return "ads" if isinstance(state, WorldStream) else "ads-delta"


def _described(node: Node) -> dict[str, Any]:
    metadata = node.metadata.to_dict() if node.metadata is not None else {}
    build = node.user_agent_build_version
    version = build.version if build is not None else None
    return {
        "id": node.id,
        "cluster": node.cluster,
        "metadata": metadata,
        "user_agent": node.user_agent_name,
        "version": f"{version.major_number}.{version.minor_number}.{version.patch}" if version else None,
        "extensions": len(node.extensions),
    }


async def serve(socket: Path, door: Path) -> None:
    """Serve proxies on *socket* and its owner on *door* until SIGTERM or SIGINT."""
    plane = ControlPlane()
    streams = grpc.aio.server(options=_OPTIONS)
    streams.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                ADS,
                {
                    "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(plane.world),
                    "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(plane.delta),
                },
            ),
        )
    )

    async def publish(request: bytes, _: _Context) -> bytes:
        asked = json.loads(request)
        try:
            plane.publish(asked["proxy"], Path(asked["folder"]), asked["kinds"])
        except (OSError, ValueError) as error:
            return json.dumps({"error": str(error)}).encode()
        return b"{}"

    async def state(request: bytes, _: _Context) -> bytes:
        return json.dumps(plane.state(json.loads(request)["since"])).encode()

    owner = grpc.aio.server(options=_OPTIONS)
    owner.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                DOOR,
                {
                    "Publish": grpc.unary_unary_rpc_method_handler(publish),
                    "State": grpc.unary_unary_rpc_method_handler(state),
                },
            ),
        )
    )
    streams.add_insecure_port(f"unix:{socket}")
    owner.add_insecure_port(f"unix:{door}")
    ended = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    await streams.start()
    await owner.start()
    await ended.wait()
    await asyncio.gather(streams.stop(0), owner.stop(0))
