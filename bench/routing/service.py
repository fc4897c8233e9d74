"""A service as routing needs it: host, ports, protocol, endpoints with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.routing.decision import Endpoint
from bench.routing.protocols import Protocol

Resolution = Literal["CLUSTER_IP", "HEADLESS", "ALIAS", "NONE", "STATIC", "DNS", "DYNAMIC_DNS"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One endpoint of one port with the labels that subsets select by."""

    endpoint: Endpoint
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KnownPort:
    """One port of a service."""

    number: int
    name: str
    protocol: Protocol
    backends: tuple[Backend, ...]
    doubt: str = ""
    """Why the endpoints of this port cannot be determined, if they cannot."""
    target: int = 0
    """The written port of whatever is behind it; 0: none is written."""


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service under one host name."""

    host: str
    namespace: str
    is_entry: bool
    resolution: Resolution
    ports: Mapping[int, KnownPort]
    addresses: tuple[str, ...]
    """Addresses that clients may dial; not the endpoints'."""
    export_to: tuple[str, ...]
    title: str
    """``ServiceEntry default/se``, for sentences."""
    order: int = 1_000_000
    """Of the document that declares it; the inventory's own come last."""
    own_name: str = ""
    """The host as written, if it has upper case in it."""
    merge_key: tuple[object, ...] = ()
    """What two ServiceEntries of one host must have in common to be merged."""

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """Single addresses that clients may dial; where there is one, blocks do not count."""
        return tuple(each for each in self.addresses if "/" not in each)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Blocks of addresses that clients may dial."""
        return tuple(each for each in self.addresses if "/" in each)

    @property
    def written(self) -> str:
        """The host as the resource writes it."""
        return self.own_name or self.host
