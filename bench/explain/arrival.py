"""What a server outside of the mesh makes of the connection that reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.cluster.v3 import Cluster

from bench.explain.clusters import UpstreamTls
from bench.explain.connections import TlsLayer
from bench.explain.proxies import TranslatedProxy
from bench.explain.request import Request
from bench.explain.trace import Cause
from bench.istio.cluster_names import parse_cluster_name

_TLS_PORT = 443


@dataclass(frozen=True, slots=True)
class Arrival:
    """What comes of it."""

    cause: Cause
    """``ANSWERED``, or why not."""
    reason: str


def arrival_of(
    here: TranslatedProxy,
    cluster: Cluster,
    request: Request | None,
    layers: Sequence[TlsLayer],
    addresses: Sequence[str],
) -> Arrival:
    """Judge what reaches *addresses* from the proxy *here* through *cluster*.

    *request* is what the proxy itself sends, None where it only passes bytes on. Servers are taken to end one
    TLS session; which names their certificates have is known of nodes of a scenario alone.
    """
    listed = ", ".join(addresses)
    tls = here.clusters.tls(cluster)
    if len(layers) > 1:
        inner, outer = _owner(layers[1]), _owner(layers[0])
        return Arrival(
            Cause.DOUBLE_TLS,
            f"{listed} gets TLS of {inner} within TLS of {outer}; a server ends one of them, and cannot read "
            "the other as a request",
        )
    wrong = wrong_name(here, cluster, request.host if request is not None else None, addresses)
    if wrong is not None:
        return Arrival(Cause.WRONG_NAME, wrong.text)
    if not layers and speaks_tls(here, cluster, addresses):
        return Arrival(
            Cause.ANSWERED,
            f"reaches {listed} in plain text, where TLS is expected (servers mostly answer 400)",
        )
    condition = _unusual_names(tls, request) if tls is not None else None
    return Arrival(Cause.ANSWERED, f"answered by {listed}" + (f", {condition}" if condition else ""))


def _unusual_names(tls: UpstreamTls, request: Request | None) -> str | None:
    """Say which names the certificate must have, where they are not the one that the server is asked for."""
    host = request.host if request is not None else None
    asked = tls.sent_sni(host) or host
    unusual = [names for names in tls.demanded_names(host) if asked not in names]
    if not unusual:
        return None
    texts = [" or ".join(names) for names in tls.demanded_names(host)]
    return f"if its certificate is for {' and also for '.join(texts)}"


def _owner(layer: TlsLayer) -> str:
    return layer.by or "the client"


def speaks_tls(here: TranslatedProxy, cluster: Cluster, addresses: Sequence[str]) -> bool:
    """Return whether the servers at *addresses* expect TLS: the port is declared so, or it is 443."""
    named = parse_cluster_name(cluster.name)
    service = here.view.service(named.host) if named is not None else None
    port = service.port(named.port) if service is not None and named is not None else None
    if port is not None and port.protocol.is_tls:
        return True
    return all(address.rpartition(":")[2] == str(_TLS_PORT) for address in addresses)


@dataclass(frozen=True, slots=True)
class WrongName:
    """A certificate without a name that is demanded."""

    owner: str
    """Who presents it."""
    address: str
    names: tuple[str, ...]
    """That it bears."""
    proxy: str
    demanded: tuple[str, ...]
    """By the proxy; one of them would do."""

    @property
    def text(self) -> str:
        """For people; no capital, no full stop."""
        return (
            f"the certificate of {self.owner} at {self.address} is for {', '.join(self.names)}, and "
            f"{self.proxy} demands {' or '.join(self.demanded)}"
        )


def wrong_name(
    here: TranslatedProxy, cluster: Cluster, host: str | None, addresses: Sequence[str]
) -> WrongName | None:
    """Find the server whose certificate has none of the demanded names; None where that is not known.

    *host* is the Host of a request, None for bytes that are passed on.
    """
    tls = here.clusters.tls(cluster)
    if tls is None or not tls.is_verified:
        return None
    for address in addresses:
        names = here.certificate_names(address, tls.ca)
        if names is None:
            continue
        for wanted in tls.demanded_names(host):
            if not any(names.has_name(name) for name in wanted):
                return WrongName(names.owner, address, tuple(names.names), here.name, tuple(wanted))
    return None
