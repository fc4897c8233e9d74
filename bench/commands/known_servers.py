"""What a scenario says of the certificates of the servers that it plays."""

from __future__ import annotations

from bench.explain import ServerCertificate
from bench.scenario.folder import Folder
from bench.scenario.servers import node_names


def known_certificates(read: Folder) -> dict[str, ServerCertificate]:
    """Give what is known by address (``host:port``); empty without a scenario."""
    if read.scenario is None:
        return {}
    return {
        each.address: ServerCertificate(f"the node {each.node}", each.names)
        for each in node_names(read.scenario)
    }
