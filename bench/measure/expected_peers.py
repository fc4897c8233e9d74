"""Whose certificate must be at each end of the connections between gateway and nodes, by the translation."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from bench.certs import Material, named
from bench.explain import Explainer
from bench.ledger import Certificate, ExpectedPeers
from bench.measure.topology import Topology
from bench.preparation import Prepared


def expected_peers(prepared: Prepared, material: Material, topology: Topology) -> ExpectedPeers:
    """Read which certificate each cluster of the gateway presents, and which ones its nodes serve with.

    Args:
        prepared: the scenario and its translation.
        material: its certificates, on disk.
        topology: which clusters lead to which nodes.

    Raises:
        OSError, ValueError: a certificate cannot be read.
    """
    scenario = prepared.loaded.scenario
    proxies = Explainer(prepared.registry, prepared.loaded.resources).proxies
    clients: dict[str, set[Certificate | None]] = {}
    servers: set[Certificate | None] = set()
    for proxy in (topology.gateway,) if topology.has_gateway else topology.clients:
        clusters, files = proxies.get(proxy).clusters, prepared.files(proxy, material)
        for name, nodes in topology.cluster_nodes.items():
            cluster = clusters.find(name)
            if cluster is None:
                continue
            tls = clusters.tls(cluster)
            for node in nodes:
                is_asked = prepared.node_tls(node) == "mutual" and tls is not None and bool(tls.certificate)
                presented = (
                    _read(files.get(tls.certificate, Path(tls.certificate))) if tls and is_asked else None
                )
                clients.setdefault(node, set()).add(presented)
                own = material.of_node(node, scenario.nodes[node].set) / "server.crt"
                servers.add(_read(own) if tls is not None else None)
    return ExpectedPeers(frozenset(servers), clients)


def _read(file: Path) -> Certificate:
    return Certificate(*named(x509.load_pem_x509_certificates(file.read_bytes())[0]))
