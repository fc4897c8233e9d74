"""Which protocol a port speaks, as Istio's "Protocol Selection" page says."""

from __future__ import annotations

from typing import Literal

Protocol = Literal["http", "auto", "tls", "tcp", "udp"]

_PROTOCOLS: dict[str, Protocol] = {
    "http": "http",
    "http2": "http",
    "grpc": "http",
    "grpc-web": "http",
    "https": "tls",
    "tls": "tls",
    "tcp": "tcp",
    "mongo": "tcp",
    "mysql": "tcp",
    "redis": "tcp",
    "udp": "udp",
}
_APP_PROTOCOLS = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}
# Server-first protocols are never sniffed.
_NEVER_SNIFFED = frozenset({25, 53, 3306, 27017})


def entry_protocol(written: str) -> Protocol:
    """Of a ServiceEntry's or Gateway's port: only the field counts, in any case."""
    return _PROTOCOLS.get(written.lower(), "auto")


def service_protocol(*, name: str, number: int, transport: str, app_protocol: str) -> Protocol:
    """Of a Kubernetes Service's port: ``appProtocol``, else the port's name up to the first dash."""
    if transport.upper() == "UDP":
        return "udp"
    spoken = _APP_PROTOCOLS.get(app_protocol.lower(), app_protocol.lower()) or name.lower()
    prefix = "grpc-web" if spoken.startswith("grpc-web") else spoken.partition("-")[0]
    known = _PROTOCOLS.get(prefix)
    if known is not None:
        return known
    return "tcp" if number in _NEVER_SNIFFED else "auto"
