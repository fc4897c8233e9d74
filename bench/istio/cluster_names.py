"""The names that istiod gives to Envoy's clusters: written and read here, and nowhere else.

``outbound|PORT|SUBSET|HOST``: the port is always the service's own, the subset may be empty. The same parts
joined by ``_.`` are the SNI of Istio's own mutual TLS. Three clusters have names of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

BLACK_HOLE = "BlackHoleCluster"
PASSTHROUGH = "PassthroughCluster"
_DIRECTION = "outbound"


@dataclass(frozen=True, slots=True)
class ClusterName:
    """What an outbound cluster is for."""

    host: str
    port: int
    subset: str = ""

    def __str__(self) -> str:
        return f"{_DIRECTION}|{self.port}|{self.subset}|{self.host}"

    @property
    def sni(self) -> str:
        """The SNI by which Istio's own mutual TLS names it."""
        return f"{_DIRECTION}_.{self.port}_.{self.subset}_.{self.host}"

    @property
    def service(self) -> str:
        """``host:port``, for people."""
        return f"{self.host}:{self.port}"


def parse_cluster_name(name: str) -> ClusterName | None:
    """Read the name of an outbound cluster; None for any other."""
    direction, *rest = name.split("|", maxsplit=3)
    if direction != _DIRECTION or len(rest) != 3 or not rest[0].isdecimal():
        return None
    port, subset, host = rest
    return ClusterName(host, int(port), subset)


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """Name an outbound cluster."""
    return str(ClusterName(host, port, subset))
