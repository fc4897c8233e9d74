"""Which names the certificates of a scenario's nodes have: known before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.scenario.models import Scenario

CERTIFIED_ADDRESS = "127.0.0.1"
"""What every node's certificate names, too: where the nodes of a local stack really listen."""


@dataclass(frozen=True, slots=True)
class NodeNames:
    """The certificate of one node."""

    node: str
    address: str
    """``host:port`` that the node plays."""
    names: tuple[str, ...]
    """Subject alternative names, without their type."""


def node_names(scenario: Scenario) -> Iterator[NodeNames]:
    """Give the names of each node that has a certificate, for each address that it plays."""
    for name, node in scenario.nodes.items():
        if node.tls == "none":
            continue
        own = scenario.tls.sets[node.set].server_names if node.set in scenario.tls.sets else ()
        written = node.server_names or own or scenario.tls.server_names
        names = [each.partition(":")[2] for each in written]
        for host, port in node.plays:
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            yield NodeNames(name, address, tuple(dict.fromkeys((*names, CERTIFIED_ADDRESS))))
