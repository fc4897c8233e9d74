"""One request as a client sends it to its own proxy, and the same request as each hop sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_ENVOY_OWNED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    }
)


# Envoy keeps these as one value joined by a comma when they come several times: measured for accept and
# user-agent, assumed for the others, so that a verdict that depends on it is none.
JOINED = frozenset(
    {
        "accept",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "authentication",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-type",
        "origin",
        "pragma",
        "referer",
        "user-agent",
    }
)


def is_owned_by_envoy(name: str) -> bool:
    """Whether a proxy on the way may set, change or drop this header itself."""
    return name in _ENVOY_OWNED or name.startswith(("x-envoy-", ":"))


@dataclass(frozen=True, slots=True)
class Request:
    """A request from beside a proxy: ``proxy`` names the proxy of the inventory that gets it."""

    host: str
    """The Host header as sent: case, port and trailing dot included."""
    port: int
    """The port that the client addresses: the sidecar's listener."""
    path: str = "/"
    """Without query, beginning with ``/``."""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    """Name and value in the order sent; a name may come several times."""
    query: str = ""
    """The raw query without ``?``."""
    proxy: str = ""
    """Name of the first proxy; empty: the only sidecar of the inventory."""
    address: str = ""
    """The IP address that the client dials, by its DNS; empty: that is not known."""


@dataclass(slots=True)
class Message:
    """What one proxy sees: a working copy that rewrites and header changes turn into the next hop's."""

    host: str
    path: str
    query: str
    method: str
    scheme: str
    headers: dict[str, tuple[str, ...]]
    """Lower-case name -> its values in order. A proxy compares each on its own; one that fits is enough."""
    unknown: set[str] = field(default_factory=set)
    """Headers whose value only the proxy knows (format strings)."""
    _parameters: dict[str, str] | None = None

    @property
    def parameters(self) -> Mapping[str, str]:
        """Query parameters, undecoded, the first value of each name, as Envoy compares them."""
        if self._parameters is None:
            found: dict[str, str] = {}
            for part in self.query.split("&"):
                name, _, value = part.partition("=")
                found.setdefault(name, value)
            if not self.query:
                found = {}
            self._parameters = found
        return self._parameters

    def copy(self) -> Message:
        """An independent copy: branches change it differently."""
        return Message(
            self.host,
            self.path,
            self.query,
            self.method,
            self.scheme,
            dict(self.headers),
            set(self.unknown),
            self._parameters,
        )


def first_message(request: Request) -> Message:
    """The request as the first proxy reads it."""
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers:
        key = name.lower()
        headers[key] = (*headers.get(key, ()), value.strip(" \t"))
    return Message(request.host.strip(" \t"), request.path, request.query, request.method, "http", headers)
