"""From a cluster onwards: endpoints, TLS, and the proxy behind them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType

from bench.explain.clusters import UpstreamTls, describe_tls, limits, written_address
from bench.explain.connections import Connection
from bench.explain.proxies import Proxies, TranslatedProxy
from bench.explain.request import Request
from bench.explain.trace import Branch, Endpoint, Hop, Origin, Outcome, Step
from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH, parse_cluster_name

Arrive = Callable[[str, Request, Connection], Hop]
"""Goes on at another proxy."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What is sent on, and how likely that is."""

    request: Request
    probability: float
    is_http: bool
    passes_tls: bool = False
    """The client's own TLS passes through."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """How one proxy sends a request on."""

    proxies: Proxies
    here: TranslatedProxy
    arrive: Arrive

    def branches(self, name: str, leg: Leg, steps: Sequence[Step]) -> list[Branch]:
        """Give the ways from the cluster *name* on; *steps* led to it."""
        cluster = self.here.clusters.find(name)
        if cluster is None:
            step = Step("cluster", name, notes=(why_missing(self.here, self.proxies, name),))
            return [self._failed([*steps, step], leg, name, "NC", "the cluster does not exist")]
        steps = [*steps, self._cluster_step(cluster)]
        if name == BLACK_HOLE:
            return [self._failed(steps, leg, name, "UH", "unknown destinations are not let out")]
        if name == PASSTHROUGH and cluster.type is ClusterDiscoveryType.STATIC:
            why = "without interception nobody knows where the client meant an unknown host to be"
            return [self._failed(steps, leg, name, "UH", why)]
        tls = self.here.clusters.tls(cluster)
        steps.append(self._tls_step(cluster, leg, tls))
        in_force = limits(cluster)
        if in_force:
            policy = self._places(cluster, {"policy"})
            steps.append(Step("limits", "; ".join(in_force), policy))
        if cluster.type is ClusterDiscoveryType.ORIGINAL_DST:
            where = "wherever the client meant it to go"
            outcome = Outcome(
                "endpoint", self.here.name, f"sent to {where}", cluster=name, endpoints=(Endpoint(where),)
            )
            return [Branch(leg.probability, tuple(steps), outcome)]
        return self._to_endpoints(cluster, leg, steps, tls)

    def _tls_step(self, cluster: Cluster, leg: Leg, tls: UpstreamTls | None) -> Step:
        if leg.passes_tls and tls is None:
            return Step("tls", "the client's own TLS, passed through")
        text, notes = describe_tls(tls, leg.request.host)
        if leg.passes_tls:
            text = f"TLS within TLS: the client's own inside of {text}"
            notes = (*notes, "the server would have to end both; most expect one")
        where = self._places(cluster, {"tls"}) if tls is not None else ()
        return Step("tls", text, where, notes)

    def _places(self, cluster: Cluster, parts: Container[str]) -> tuple[Origin, ...]:
        places = self.here.config.origins.of(cluster)
        return self.here.sources.origins({part: at for part, at in places.items() if part in parts})

    def _endpoint_origins(self, cluster: str, addresses: Container[str]) -> tuple[Origin, ...]:
        """Name what declares the endpoints of *cluster* among *addresses*; a gateway has none."""
        named = parse_cluster_name(cluster)
        service = self.here.view.service(named.host) if named is not None else None
        port = service.port(named.port) if service is not None and named is not None else None
        if service is None or port is None:
            return ()
        return self.here.sources.origins(
            ("endpoint", each.locate())
            for each in self.here.view.endpoints(service, port)
            if each.locate is not None and written_address(each.address, each.port) in addresses
        )

    def _to_endpoints(
        self, cluster: Cluster, leg: Leg, steps: Sequence[Step], tls: UpstreamTls | None
    ) -> list[Branch]:
        endpoints = tuple(
            replace(each, proxy=self.proxies.gateway_at(each.address) or "")
            for each in self.here.clusters.endpoints(cluster)
        )
        if not endpoints:
            return [self._failed(steps, leg, cluster.name, "UH", "the cluster has no endpoint")]
        total = sum(each.weight for each in endpoints)
        found: list[Branch] = []
        for proxy in dict.fromkeys(each.proxy for each in endpoints):
            group = tuple(each for each in endpoints if each.proxy == proxy)
            chance = leg.probability * sum(each.weight for each in group) / total
            part = replace(leg, probability=chance)
            listed = ", ".join(each.address for each in group)
            origins = self._endpoint_origins(cluster.name, {each.address for each in group})
            step = Step("endpoint", f"{listed} ({proxy})" if proxy else listed, origins)
            if proxy:
                found.append(self._to_proxy(group, cluster.name, part, [*steps, step], tls))
                continue
            outcome = Outcome(
                "endpoint", self.here.name, f"answered by {listed}", cluster=cluster.name, endpoints=group
            )
            found.append(Branch(chance, (*steps, step), outcome))
        return found

    def _to_proxy(
        self,
        endpoints: tuple[Endpoint, ...],
        cluster: str,
        leg: Leg,
        steps: Sequence[Step],
        tls: UpstreamTls | None,
    ) -> Branch:
        host, _, port = endpoints[0].address.rpartition(":")
        sni = ""
        if tls is not None:
            sni = tls.sni or (leg.request.host if tls.follows_host else "")
        elif leg.passes_tls:
            sni = leg.request.host
        has_tls = tls is not None or leg.passes_tls
        hop = self.arrive(
            endpoints[0].proxy, leg.request, Connection(int(port), host.strip("[]"), has_tls=has_tls, sni=sni)
        )
        ends = [branch.outcome for branch in hop.branches]
        if not leg.is_http or len(ends) != 1 or ends[0] is None or ends[0].kind != "closed":
            return Branch(leg.probability, tuple(steps), hop=hop)
        # To an HTTP client the end of the connection behind its proxy is a 503 of that proxy.
        outcome = Outcome(
            "answer",
            self.here.name,
            f"{hop.proxy} takes no such connection: {ends[0].reason}",
            status=503,
            flags="UF" if not hop.steps or has_tls else "UC",
            cluster=cluster,
            endpoints=endpoints,
        )
        return Branch(leg.probability, (*steps, *hop.steps), outcome)

    def _failed(self, steps: Sequence[Step], leg: Leg, cluster: str, flags: str, reason: str) -> Branch:
        if leg.is_http:
            outcome = Outcome("answer", self.here.name, reason, status=503, flags=flags, cluster=cluster)
        else:
            outcome = Outcome("closed", self.here.name, reason, flags=flags, cluster=cluster)
        return Branch(leg.probability, tuple(steps), outcome)

    def _cluster_step(self, cluster: Cluster) -> Step:
        return Step("cluster", cluster.name, self._places(cluster, {"service", "subset", "policy"}))


def _numbered(ports: Sequence[int]) -> str:
    written = ", ".join(map(str, ports))
    return f"port {written}" if len(ports) == 1 else f"the ports {written}"


def why_missing(here: TranslatedProxy, proxies: Proxies, name: str) -> str:
    """Say which part of a cluster's name leads nowhere for this proxy."""
    named = parse_cluster_name(name)
    if named is None:
        return "only a proxy with interception knows where the client wanted to go"
    port, subset, host = named.port, named.subset, named.host
    declared = [service for service in proxies.registry.services if service.host == host]
    if not declared:
        return f"no Service and no ServiceEntry has the host {host}"
    seen = [service for service in declared if service.is_visible_in(here.proxy.namespace)]
    if not seen:
        return f"{host} is not exported to the namespace {here.proxy.namespace} of {here.name}"
    all_named = (parse_cluster_name(each.name) for each in here.config.clusters)
    known = [each for each in all_named if each is not None and each.host == host]
    ports = sorted({each.port for each in known})
    if port not in ports:
        having = [service for service in declared if any(each.number == port for each in service.ports)]
        text = f"for {here.name}, {host} has " + (
            f"{_numbered(ports)}, not {port}" if ports else f"no port {port}"
        )
        if having:
            other = having[0]
            place = next(other.locate_port(each)() for each in other.ports if each.number == port)
            text += f"; {other.origin.value} {other.namespace}/{other.name} ({place}) has it, but a "
            text += "Kubernetes Service of the same host takes its place"
        return text
    subsets = sorted({each.subset for each in known} - {""})
    if subset and subset not in subsets:
        listed = f"has the subsets {', '.join(subsets)}" if subsets else "has no subsets"
        return f"for {here.name}, {host} {listed}, not {subset}: no DestinationRule that it sees defines it"
    return "the service has no endpoint, and a cluster by DNS is not made without one"
