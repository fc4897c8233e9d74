"""The way of the requests: parts that they pass, who speaks what to whom, which certificates are shown."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model

WayRole = Literal["client", "sidecar", "gateway", "node"]

LinkTls = Literal["none", "simple", "mutual", "client"]
"""``simple``: the server shows a certificate; ``mutual``: both ends do; ``client``: the client's own TLS,
passed on unread."""


class WayPart(Model):
    """One part that requests pass."""

    name: str
    role: WayRole
    address: str = ""
    """Where it is by the Istio resources: an IP or a name; empty: unknown."""
    replica_of: str | None = None
    """The gateway that this is a further pod of."""


class WayLink(Model):
    """Connections from one part to the next, all to one port and of one kind."""

    source: str
    """Name of the part that connects."""
    source_role: WayRole
    target: str
    target_role: WayRole
    port: int
    """By the Istio resources."""
    carries: Literal["http", "bytes"]
    """What the client sends, above all TLS."""
    tls: LinkTls
    shown_by_source: str = ""
    """Name in the certificate that the connecting end shows: its SPIFFE identity, else its subject; empty: it
    shows none, or it is unknown."""
    shown_by_target: str = ""
    """The same of the other end."""


class Way(Model):
    """Every part that the traffic can pass by its Istio resources, from the clients to the nodes."""

    parts: tuple[WayPart, ...]
    links: tuple[WayLink, ...]


class HopTimes(Model):
    """Where the time of sampled requests went: means in microseconds, which add up to ``within_us``."""

    samples: int
    """Requests that every proxy on the way had in its log."""
    within_us: float
    """From the first byte of the request at the sidecar to the last byte of its answer there."""
    sidecar_us: float
    """Of it: not waiting for the other end."""
    between_us: float | None = None
    """From the sidecar to the gateway and back; None: there is no gateway."""
    gateway_us: float | None = None
    """In the gateway, without waiting for a node; None: there is no gateway."""
    beyond_us: float
    """Waiting for a node: the network, TLS and the node itself."""
