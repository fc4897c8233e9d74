"""The way of a request as data: proxies, steps, branches and what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a way ends."""

    kind: Literal["answer", "endpoint", "closed"]
    """``answer``: the proxy answers itself; ``endpoint``: whoever listens there does;
    ``closed``: no answer."""
    proxy: str
    reason: str
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
        failed = {"NR", "NC", "UH", "UF", "UC"}
        return self.kind == "closed" or not failed.isdisjoint(self.flags.split(","))


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
