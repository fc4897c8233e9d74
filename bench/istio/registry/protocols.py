"""Which protocol a port speaks, from what people write (istio ``pkg/config/{protocol,kube}``)."""

from __future__ import annotations

from bench.istio.registry.services import Protocol

_BY_NAME = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "grpc-web": Protocol.GRPC_WEB,
    "https": Protocol.HTTPS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    "mongo": Protocol.MONGO,
    "mysql": Protocol.MYSQL,
    "redis": Protocol.REDIS,
    "udp": Protocol.UDP,
}
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}
_SERVER_SPEAKS_FIRST = frozenset({25, 53, 3306, 27017})
"""Well-known ports where the server speaks first, so that the client's bytes say nothing."""


def parse_protocol(text: str) -> Protocol:
    """Read the ``protocol`` of a ServiceEntry or Gateway port, in any case; others are unknown."""
    return _BY_NAME.get(text.lower(), Protocol.UNKNOWN)


def kubernetes_protocol(*, port: int, name: str, transport: str, app_protocol: str) -> Protocol:
    """Decide the protocol of a Kubernetes port: ``appProtocol``, else the name up to its first hyphen."""
    if transport == "UDP":
        return Protocol.UDP
    if app_protocol:
        if app_protocol in _APP_PROTOCOLS:
            return _APP_PROTOCOLS[app_protocol]
        name = app_protocol
    lowered = name.lower()
    if lowered.startswith("grpc-web"):
        return Protocol.GRPC_WEB
    found = _BY_NAME.get(lowered.partition("-")[0], Protocol.UNKNOWN)
    return Protocol.TCP if found is Protocol.UNKNOWN and port in _SERVER_SPEAKS_FIRST else found
