"""What a node must speak, where the scenario does not say: what the proxies speak to it."""

from __future__ import annotations

from collections.abc import Iterable

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import UpstreamTlsContext

from bench.placement import Address, same_endpoint
from bench.preparation.stand_ins import endpoints_of
from bench.stack import NodeTls
from bench.translate import ProxyConfig, reachable_clusters, unpack

_LEVELS: tuple[NodeTls, ...] = ("none", "simple", "mutual")


def spoken_to(plays: Address, configs: Iterable[ProxyConfig]) -> NodeTls:
    """What the clusters that HTTP routes lead to speak to the endpoint *plays*.

    The first proxy of *configs* that leads there decides: ``mutual`` where all its clusters present a
    certificate, ``none`` where one speaks plain text. Where none leads there: ``mutual``. What clients send
    through TCP proxies is their own affair, and decides nothing here.
    """
    wanted = same_endpoint(plays)
    for config in configs:
        found: set[NodeTls] = set()
        by_http = reachable_clusters((), config.routes)
        assignments = {each.cluster_name: each for each in config.endpoints}
        for cluster in config.clusters:
            assignment = cluster.load_assignment or assignments.get(cluster.name)
            if cluster.name not in by_http or assignment is None:
                continue
            if any(same_endpoint(each) == wanted for each in endpoints_of(assignment)):
                found.add(_spoken_by(cluster))
        if found:
            return next(level for level in _LEVELS if level in found)
    return "mutual"


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
