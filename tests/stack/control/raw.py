"""A discovery client that shares nothing with the program: HTTP/2 by grpcio, protobuf's bytes by hand."""

from __future__ import annotations

import json
import queue
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import grpc

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
TYPES = {
    "clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoints": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "routes": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def part(tag: int, content: str | bytes) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return number(tag << 3 | 2) + number(len(data)) + data


def fields(data: bytes) -> dict[int, list[bytes | int]]:
    """Every field by its number, in order."""
    found: dict[int, list[bytes | int]] = defaultdict(list)
    at = 0

    def read() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = read()
        assert tag & 7 in (0, 2), f"wire type {tag & 7}"
        if tag & 7 == 0:
            found[tag >> 3].append(read())
        else:
            length = read()
            found[tag >> 3].append(data[at : at + length])
            at += length
    return found


def text(values: list[bytes | int]) -> str:
    return bytes(values[0]).decode() if values else ""


@dataclass
class Answer:
    """A response of either protocol."""

    version: str
    type_url: str
    nonce: str
    names: list[str]
    contents: list[bytes]
    removed: list[str]
    versions: dict[str, str]


class RawStream:
    """One stream; what it sends is written here byte by byte."""

    def __init__(self, socket: Path, node: str, *, is_delta: bool) -> None:
        self._channel = grpc.insecure_channel(
            f"unix:{socket}", options=[("grpc.max_receive_message_length", -1)]
        )
        self._node = part(2 if not is_delta else 1, part(1, node))
        self._is_delta = is_delta
        self._out: queue.Queue[bytes | None] = queue.Queue()
        name = "DeltaAggregatedResources" if is_delta else "StreamAggregatedResources"
        self._answers = self._channel.stream_stream(f"{SERVICE}/{name}")(iter(self._out.get, None))

    def ask(self, kind: str, names=(), *, version="", nonce="", error=None) -> None:
        """A DiscoveryRequest."""
        message = self._node + part(4, TYPES[kind])
        message += part(1, version) if version else b""
        message += b"".join(part(3, name) for name in names)
        message += part(5, nonce) if nonce else b""
        message += part(6, b"\x08\x03" + part(2, error)) if error else b""
        self._out.put(message)

    def ask_delta(self, kind: str, subscribe=(), unsubscribe=(), *, has=None, nonce="", error=None) -> None:
        """A DeltaDiscoveryRequest."""
        message = self._node + part(2, TYPES[kind])
        message += b"".join(part(3, name) for name in subscribe)
        message += b"".join(part(4, name) for name in unsubscribe)
        message += b"".join(
            part(5, part(1, name) + part(2, version)) for name, version in (has or {}).items()
        )
        message += part(6, nonce) if nonce else b""
        message += part(7, b"\x08\x03" + part(2, error)) if error else b""
        self._out.put(message)

    def next(self) -> Answer:
        found = fields(next(self._answers))
        contents, names, versions = [], [], {}
        for each in found[2]:
            packed = fields(each) if not self._is_delta else fields(fields(each)[2][0])
            content = packed[2][0]
            assert text(packed[1]) == text(found[4])
            contents.append(content)
            names.append(text(fields(content)[1]) if not self._is_delta else text(fields(each)[3]))
            versions[names[-1]] = text(fields(each)[1])
        return Answer(
            version=text(found[1]),
            type_url=text(found[4]),
            nonce=text(found[5]),
            names=names,
            contents=contents,
            removed=[bytes(each).decode() for each in found[6]] if self._is_delta else [],
            versions=versions,
        )

    def close(self) -> None:
        self._out.put(None)
        self._channel.close()


def lines(folder: Path, kind: str, resources: list[dict]) -> None:
    """Write one file of the control plane."""
    folder.mkdir(exist_ok=True)
    body = ",\n".join(json.dumps({"@type": TYPES[kind], **each}) for each in resources)
    (folder / f"{kind}.json").write_text(f'{{"resources": [\n{body}\n]}}\n')


def cluster(name: str, seconds: int = 1) -> dict:
    return {"name": name, "type": "EDS", "connect_timeout": f"{seconds}s"}


def endpoints(name: str, port: int) -> dict:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
