"""Which endpoints that requests can reach are played by no node: named before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bench.errors import Position
from bench.istio.cluster_names import parse_cluster_name
from bench.placement import Address, same_endpoint
from bench.scenario import Scenario
from bench.translate import ProxyConfig, reachable_clusters

_REFUSED = "connections there are refused."
MOST_NAMED = 10
"""This many are named one by one; the others in one sentence."""


@dataclass(frozen=True, slots=True)
class MissingStandIn:
    """An endpoint that no node and no proxy plays; connections to it are refused."""

    where: Position | None
    """The line that names the host; None where no line is known."""
    host: str
    endpoint: Address
    proxy: str | None
    """The proxy whose address it is, which has no listener on that port."""
    others: int = 0
    """How many more there are, that this one represents."""

    code = "no-stand-in"

    @property
    def what(self) -> str:
        """What happens, for people."""
        ip, port = self.endpoint
        if self.others:
            return f"{self.others} more endpoints have no stand-in; {_REFUSED}"
        if self.proxy is not None:
            return f"{self.host} leads to port {port} of {self.proxy}, where it has no listener; {_REFUSED}"
        owner = "" if self.host == f"{ip}:{port}" else f", an endpoint of {self.host}"
        return f"no node plays {ip}:{port}{owner}; {_REFUSED}"

    @property
    def advice(self) -> str:
        """What to do about it."""
        ip, port = self.endpoint
        if self.others:
            return "Add nodes that play them, or remove what leads there."
        if self.proxy is not None:
            return f"Add a server on port {port} to a Gateway of {self.proxy}, or use a port that it has."
        node = _name(self.host)
        return f'Add a node to scenario.yaml: `nodes: {{{node}: {{plays: "{ip}:{port}", page: {node}}}}}`.'

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where is not None else ""
        return f"{place}{self.what}"


def missing_stand_ins(scenario: Scenario, configs: Iterable[ProxyConfig]) -> tuple[MissingStandIn, ...]:
    """Find the endpoints of clusters that requests can reach, and that no node plays, each once.

    Args:
        scenario: its nodes play endpoints.
        configs: every proxy of the stack, once.
    """
    configs = tuple(configs)
    ips = {name: proxy.ip for name, proxy in scenario.inventory.proxies.items()}
    proxies = {ip: name for name, ip in ips.items()}
    played = {same_endpoint(each) for node in scenario.nodes.values() for each in node.plays}
    played |= {
        same_endpoint((ips[config.proxy], port))
        for config in configs
        if config.proxy in ips
        for _, port in config.listener_addresses
    }
    found: dict[Address, MissingStandIn] = {}
    for config in configs:
        for missing in _of_proxy(config, played, proxies):
            found.setdefault(same_endpoint(missing.endpoint), missing)
    ordered = tuple(found[endpoint] for endpoint in sorted(found))
    if len(ordered) <= MOST_NAMED:
        return ordered
    last = ordered[MOST_NAMED - 1]
    rest = len(ordered) - MOST_NAMED + 1
    return (*ordered[: MOST_NAMED - 1], MissingStandIn(last.where, last.host, last.endpoint, None, rest))


def _of_proxy(
    config: ProxyConfig, played: set[Address], proxies: Mapping[str, str]
) -> Iterator[MissingStandIn]:
    reached = reachable_clusters(config.listeners, config.routes)
    addresses = config.addresses
    for cluster in config.clusters:
        if cluster.name not in reached:
            continue
        name = parse_cluster_name(cluster.name)
        for endpoint in addresses.get(cluster.name, ()):
            if same_endpoint(endpoint) not in played:
                yield MissingStandIn(
                    where=config.origins.first(cluster, "service"),
                    host=name.service if name is not None else cluster.name,
                    endpoint=endpoint,
                    proxy=proxies.get(endpoint[0]),
                )


def _name(host: str) -> str:
    return host.partition(":")[0].removeprefix("*.").partition(".")[0]
