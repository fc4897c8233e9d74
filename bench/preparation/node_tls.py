"""What a node must speak, where the scenario does not say: what the proxies speak to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import UpstreamTlsContext

from bench.placement import Address, same_endpoint
from bench.scenario import MixedRequest
from bench.stack import NodeTls
from bench.translate import ProxyConfig, reachable_clusters, unpack

_LEVELS: tuple[NodeTls, ...] = ("none", "simple", "mutual")


def spoken_to(
    plays: Address,
    configs: Sequence[ProxyConfig],
    *,
    carries_bytes: bool = False,
    may_carry_http: bool = False,
) -> NodeTls:
    """What the clusters that HTTP routes lead to speak to the endpoint *plays*.

    The first proxy of *configs* that leads there decides: ``mutual`` where all its clusters present a
    certificate, ``none`` where one speaks plain text. Where none leads there: ``mutual``. What clients send
    through TCP proxies is their own affair, and decides nothing here; unless it *carries_bytes* that clients
    send in the clear: then the clusters of TCP proxies decide, which may speak TLS. With *may_carry_http*
    they decide, too, where no HTTP route leads there: a client's plain HTTP is bytes to them.
    """
    found = _led_to(plays, configs, with_tcp=carries_bytes)
    if found is None and may_carry_http:
        found = _led_to(plays, configs, with_tcp=True)
    return found or ("none" if carries_bytes else "mutual")


def _led_to(plays: Address, configs: Sequence[ProxyConfig], *, with_tcp: bool) -> NodeTls | None:
    wanted = same_endpoint(plays)
    for config in configs:
        found: set[NodeTls] = set()
        looked_at = reachable_clusters(config.listeners if with_tcp else (), config.routes)
        addresses = config.addresses
        for cluster in config.clusters:
            ends = addresses.get(cluster.name, ()) if cluster.name in looked_at else ()
            if any(same_endpoint(each) == wanted for each in ends):
                found.add(_spoken_by(cluster))
        if found:
            return next(level for level in _LEVELS if level in found)
    return None


def spoken_by_clients(node: str, mix: Iterable[MixedRequest]) -> NodeTls | None:
    """What clients speak to *node* through proxies that pass bytes on; None: no such request expects it."""
    found: set[NodeTls] = set()
    for request in mix:
        if node in request.expect.nodes and not request.is_plain_http:
            tls = request.tls
            found.add("none" if tls is None else "mutual" if tls.client_certificate else "simple")
    levels: tuple[NodeTls, ...] = ("none", "simple", "mutual")
    return next((level for level in levels if level in found), None)


def _spoken_by(cluster: Cluster) -> NodeTls:
    socket = cluster.transport_socket
    if socket is None or socket.typed_config is None:
        return "none"
    context = unpack(socket.typed_config)
    if not isinstance(context, UpstreamTlsContext):
        # A wrapper, such as the PROXY protocol's: what is inside is not looked at.
        return "mutual"
    common = context.common_tls_context
    presents = common is not None and bool(
        common.tls_certificate_sds_secret_configs or common.tls_certificates
    )
    return "mutual" if presents else "simple"
