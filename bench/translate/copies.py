"""Copies of a proxy's clusters, by which the memory of one can be weighed."""

from __future__ import annotations

from dataclasses import replace

from bench.istio.cluster_names import cluster_name, parse_cluster_name
from bench.translate.config import ProxyConfig
from bench.translate.messages import variant


def with_copied_clusters(config: ProxyConfig, count: int) -> ProxyConfig:
    """Give *config* this many clusters more: copies of its outbound ones in turn, which no route names.

    A copy is as large as its original: endpoints, TLS settings and pools are in it. Only a configuration
    whose clusters hold their endpoints themselves (``static``) grows in this way; without an outbound
    cluster there is nothing to copy, and *config* is returned as it is.
    """
    originals = [
        (cluster, name)
        for cluster in config.clusters
        if (name := parse_cluster_name(cluster.name)) is not None
    ]
    if config.config_source != "static" or not originals:
        return config
    copies = []
    for number in range(count):
        original, name = originals[number % len(originals)]
        copied = cluster_name(name.host, name.port, f"{name.subset}-copy-{number}")
        changes: dict[str, object] = {"name": copied}
        if original.load_assignment is not None:
            changes["load_assignment"] = variant(original.load_assignment, cluster_name=copied)
        copies.append(variant(original, **changes))
    return replace(config, clusters=(*config.clusters, *copies))
