"""The nodes of a scenario: what stands in for the other side, and how it behaves."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bench.scenario.certificate_names import CertificateNames
from bench.scenario.written import Written
from bench.units import parse_bytes

Address = tuple[str, int]
Share = Annotated[float, Field(gt=0, le=1)]
LARGEST_PAGE = 256 << 20
"""Bytes of an answer beyond which it is a slip of the pen."""
LONGEST_DELAY_MS = 600_000.0


def _address(value: object) -> Address:
    """Read ``"192.168.0.63:443"`` as ``("192.168.0.63", 443)``."""
    if isinstance(value, str):
        host, colon, port = value.rpartition(":")
        if not host or not colon or not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise ValueError(f"{value!r} is not ADDRESS:PORT")
        return (host.strip("[]").lower(), int(port))
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], int):
        return (str(value[0]), value[1])
    raise ValueError(f"{value!r} is not ADDRESS:PORT")


def _addresses(value: object) -> object:
    """One address, or several."""
    if isinstance(value, str) or (
        isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], int)
    ):
        return (_address(value),)
    if isinstance(value, list | tuple):
        return tuple(_address(each) for each in value)
    return value


def _size(value: object) -> object:
    return parse_bytes(value) if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(_size), Field(ge=0, le=LARGEST_PAGE)]
"""Bytes: ``1024``, ``64k`` or ``1Mi``."""


class SizeShare(Written):
    """A size and how many of the answers have it."""

    bytes: Size
    """Size of the body: ``1024``, ``64k`` or ``1Mi``."""
    share: Share
    """Part of the answers that have it; all shares add up to 1."""


class DelayShare(Written):
    """A delay and how many of the answers have it."""

    ms: float = Field(ge=0, le=LONGEST_DELAY_MS)
    """Milliseconds before the answer."""
    share: Share
    """Part of the answers that take it; all shares add up to 1."""


class Fault(Written):
    """Requests that a node does not answer as it should."""

    share: Share
    """Part of the requests that it meets."""
    status: int | None = Field(default=None, ge=400, le=599)
    """It answers with this; absent: it resets the connection."""


class Node(Written):
    """A server that stands in for endpoint addresses of the Istio resources."""

    MEANT: ClassVar[Mapping[str, str]] = {
        "http2": "Write protocol: http/2.",
        "h2": "Write protocol: http/2.",
        "grpc": "Write protocol: grpc.",
        "tcp": "Write protocol: bytes.",
        "delay_ms": "Write delay: it is in milliseconds.",
        "latency": "Write delay: it is in milliseconds.",
        "latency_ms": "Write delay: it is in milliseconds.",
        "bytes": "Write size: bytes of an answer's body.",
        "body_size": "Write size: bytes of an answer's body.",
        "address": "Write plays: ADDRESS:PORT or NAME:PORT.",
        "host": "Write plays: ADDRESS:PORT or NAME:PORT.",
        "errors": "Write faults: [{share: 0.01, status: 503}].",
    }
    """Words that others use for what is written here -> how it is written."""

    plays: Annotated[tuple[Address, ...], BeforeValidator(_addresses)] = Field(min_length=1)
    """``ADDRESS:PORT`` or ``NAME:PORT``, or several of them: what proxies that resolve a name by DNS find."""
    page: str = ""
    """The word on its welcome page, ``<h1>v1!</h1>``; absent: the node's name."""
    tls: Literal["none", "simple", "mutual"] | None = None
    """Whether it speaks TLS, and demands a client's certificate. Absent: what the proxies speak to it."""
    set: str | None = None
    """Whose certificate it serves with, and whose clients it lets in: one of ``tls.sets``."""
    server_names: CertificateNames = ()
    """Names in a certificate of its own, as ``tls.server_names``; absent: it shares that of its set."""
    protocol: Literal["http/1.1", "http/2", "grpc", "bytes"] = "http/1.1"
    """``http/2`` and ``grpc``: HTTP/2 alone without TLS, by ALPN with it. ``bytes``: no HTTP; it says its
    name and then what it was sent, up to the end of the line."""
    greets: bool = False
    """Of ``bytes``: it speaks first, as databases do, and waits for nothing."""
    size: Size | tuple[SizeShare, ...] | None = None
    """Bytes of an answer's body, or how many answers have which; they begin with the welcome page's heading.
    Absent: the welcome page."""
    delay: float | tuple[DelayShare, ...] = 0.0
    """Milliseconds before it answers, or how many answers take which."""
    faults: tuple[Fault, ...] = ()
    """What it does wrong, and to how many of the requests."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for name, shares in (("size", self.size), ("delay", self.delay), ("faults", self.faults)):
            if isinstance(shares, tuple) and shares:
                whole = sum(each.share for each in shares)
                if name == "faults" and whole > 1 + 1e-9:
                    raise ValueError(f"faults: the shares make {whole:g}, more than 1")
                if name != "faults" and abs(whole - 1) > 1e-6:
                    raise ValueError(f"{name}: the shares make {whole:g}, not 1")
        if isinstance(self.delay, float) and not 0 <= self.delay <= LONGEST_DELAY_MS:
            raise ValueError(f"delay: {self.delay:g} ms is not between 0 and {LONGEST_DELAY_MS:g}")
        if self.protocol == "bytes":
            written = {"size": self.size is not None, "delay": self.delay, "faults": self.faults}
            given = [name for name, is_given in written.items() if is_given]
            if given:
                raise ValueError(
                    f"a node of bytes answers with what it was sent: leave out {', '.join(sorted(given))}"
                )
        elif self.greets:
            raise ValueError("greets is only for nodes of protocol bytes")
        if len(set(self.plays)) != len(self.plays):
            raise ValueError("plays names an address twice")
        return self

    @property
    def address(self) -> Address:
        """The first that it plays."""
        return self.plays[0]

    @property
    def is_http2(self) -> bool:
        """Whether it speaks HTTP/2."""
        return self.protocol in ("http/2", "grpc")

    def word(self, name: str) -> str:
        """The word on its page, if it is called *name*."""
        return self.page or name
