"""The way of a request as data: proxies, steps, branches and what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from bench.errors import Position
from bench.explain.request import Request

Kind = Literal[
    "listener",
    "filter chain",
    "route configuration",
    "virtual host",
    "route",
    "fault",
    "change",
    "mirror",
    "cluster",
    "tls",
    "limits",
    "endpoint",
]


class Cause(StrEnum):
    """Why a way ends as it does."""

    ANSWERED = "answered"
    """Whoever listens at the endpoint answers."""
    PASSED_ON = "passed-on"
    """The connection goes on to where the client meant it to go."""
    REDIRECT = "redirect"
    DIRECT_RESPONSE = "direct-response"
    UNKNOWN_HOST = "unknown-host"
    """REGISTRY_ONLY: an answer instead of a way out."""
    FAULT = "fault"
    PREFLIGHT = "preflight"
    NO_VIRTUAL_HOST = "no-virtual-host"
    NO_ROUTE = "no-route"
    NO_CLUSTER = "no-cluster"
    NO_ENDPOINT = "no-endpoint"
    BLACK_HOLE = "black-hole"
    """REGISTRY_ONLY: the connection is closed."""
    NO_LISTENER = "no-listener"
    NO_FILTER_CHAIN = "no-filter-chain"
    EXPECTS_TLS = "expects-tls"
    """Plain text arrives where TLS is expected."""
    EXPECTS_HTTP = "expects-http"
    """TLS, or bytes that are not HTTP, arrive where plain HTTP is expected."""
    EXPECTS_CERTIFICATE = "expects-certificate"
    """A proxy presents no client certificate where one is demanded."""
    DOUBLE_TLS = "double-tls"
    """A server gets TLS within TLS, and ends one."""
    WRONG_NAME = "wrong-name"
    """The server's certificate has none of the names that are demanded."""
    LOOP = "loop"
    IDLE_CHAIN = "idle-chain"
    """The filter chain does nothing."""


_FAILURES = frozenset(
    {
        Cause.NO_VIRTUAL_HOST,
        Cause.NO_ROUTE,
        Cause.NO_CLUSTER,
        Cause.NO_ENDPOINT,
        Cause.BLACK_HOLE,
        Cause.NO_LISTENER,
        Cause.NO_FILTER_CHAIN,
        Cause.EXPECTS_TLS,
        Cause.EXPECTS_HTTP,
        Cause.EXPECTS_CERTIFICATE,
        Cause.DOUBLE_TLS,
        Cause.WRONG_NAME,
        Cause.LOOP,
        Cause.IDLE_CHAIN,
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in the user's YAML that caused a step."""

    part: str
    """Which part it plays: ``rule``, ``service``, ``policy`` …"""
    resource: str
    """``VirtualService shop/web``; empty when the place is in no resource."""
    position: Position


@dataclass(frozen=True, slots=True)
class Step:
    """One decision of a proxy."""

    kind: Kind
    text: str
    origins: tuple[Origin, ...] = ()
    notes: tuple[str, ...] = ()
    """Further facts: why not the others, what is in force."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection goes."""

    address: str
    weight: int = 1
    proxy: str = ""
    """The proxy of the inventory that listens there."""
    socket: str = ""
    """Where that proxy listens, if :attr:`address` is the name or the address of its Service."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a way ends."""

    kind: Literal["answer", "endpoint", "closed"]
    """``answer``: the proxy answers itself; ``endpoint``: whoever listens there does;
    ``closed``: no answer."""
    proxy: str
    reason: str
    cause: Cause
    status: int | None = None
    """Of the proxy's own answer; ``None`` when it is not the proxy that decides."""
    flags: str = ""
    """Envoy's response flags, such as NR, NC, UH, ``DI,FI``; empty for none."""
    cluster: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    location: str = ""
    """Of a redirect."""

    @property
    def is_failure(self) -> bool:
        """Whether the request fails for want of something in the configuration."""
        return self.cause in _FAILURES


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several possible continuations."""

    probability: float
    """Given that the proxy was reached; 1 is certain."""
    steps: tuple[Step, ...]
    outcome: Outcome | None = None
    """``None`` when another proxy goes on."""
    hop: Hop | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy does with the request."""

    proxy: str
    role: str
    request: Request
    """As it arrives here."""
    steps: tuple[Step, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """One way the whole trace can end."""

    probability: float
    proxies: tuple[str, ...]
    """The proxies on the way, in order."""
    clusters: tuple[str, ...]
    """The cluster that each of them chose."""
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole way."""

    request: Request
    hop: Hop

    def endings(self) -> Iterator[Ending]:
        """Give every way it can end, in the order of the branches."""
        yield from _endings(self.hop, 1.0, (), ())


def _endings(
    hop: Hop, probability: float, proxies: tuple[str, ...], clusters: tuple[str, ...]
) -> Iterator[Ending]:
    for branch in hop.branches:
        chance = probability * branch.probability
        here = (*proxies, hop.proxy)
        chosen = next((step.text for step in branch.steps if step.kind == "cluster"), None)
        names = clusters if chosen is None else (*clusters, chosen)
        if branch.hop is not None:
            yield from _endings(branch.hop, chance, here, names)
        elif branch.outcome is not None:
            yield Ending(chance, here, names, branch.outcome)
