"""From a cluster onwards: endpoints, TLS, and the proxy behind them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType

from bench.explain.arrival import arrival_of, speaks_tls, wrong_name
from bench.explain.clusters import (
    UpstreamTls,
    destination_of,
    limits,
    upstream_port,
    written_address,
)
from bench.explain.connections import Connection, TlsLayer
from bench.explain.handover import Sender, at_proxy
from bench.explain.missing import why_missing
from bench.explain.proxies import Proxies, TranslatedProxy
from bench.explain.request import Request
from bench.explain.tls_text import describe_tls
from bench.explain.trace import Branch, Cause, Endpoint, Hop, Origin, Outcome, Step
from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH, parse_cluster_name

Arrive = Callable[[str, Request, Connection], Hop]
"""Goes on at another proxy."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What is sent on, and how likely that is."""

    request: Request
    probability: float
    is_http: bool
    """The proxy itself sends a request, and does not only pass bytes on."""
    layers: tuple[TlsLayer, ...] = ()
    """TLS that passes through, the outermost first."""
    carries_http: bool = True
    """What is inside of all TLS."""
    looked_up_port: int = 80
    """Of bytes: where a server name is looked up for; without the filter that does it Envoy takes 80."""


@dataclass(frozen=True, slots=True)
class _Failure:
    cause: Cause
    flags: str
    reason: str
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """How one proxy sends a request on."""

    proxies: Proxies
    here: TranslatedProxy
    arrive: Arrive
    came: Connection
    """On which the request reached this proxy."""

    def branches(self, name: str, leg: Leg, steps: Sequence[Step]) -> list[Branch]:
        """Give the ways from the cluster *name* on; *steps* led to it."""
        cluster = self.here.clusters.find(name)
        if cluster is None:
            step = Step("cluster", name, notes=(self._why_missing(name),))
            failure = _Failure(Cause.NO_CLUSTER, "NC", "the cluster does not exist")
            return [self._failed([*steps, step], leg, name, failure)]
        steps = [*steps, self._cluster_step(cluster)]
        if name == BLACK_HOLE:
            failure = _Failure(Cause.BLACK_HOLE, "UH", "unknown destinations are not let out")
            return [self._failed(steps, leg, name, failure)]
        if name == PASSTHROUGH and cluster.type is ClusterDiscoveryType.STATIC:
            why = "without interception it is unknown where the client meant an unknown host to be"
            return [self._failed(steps, leg, name, _Failure(Cause.NO_ENDPOINT, "UH", why))]
        tls = self.here.clusters.tls(cluster)
        steps.append(self._tls_step(cluster, leg, tls))
        in_force = limits(cluster)
        if in_force:
            policy = self._places(cluster, {"policy"})
            steps.append(Step("limits", "; ".join(in_force), policy))
        where = destination_of(cluster)
        if where is not None:
            return [self._onward(cluster, leg, steps, tls, where)]
        return self._to_endpoints(cluster, leg, steps, tls)

    def _onward(
        self, cluster: Cluster, leg: Leg, steps: Sequence[Step], tls: UpstreamTls | None, where: str
    ) -> Branch:
        """Send on to what the client dialled, or to the host that it asks for, so far as that is known."""
        known = self._meant(cluster, leg, tls)
        endpoint = Endpoint(known or where)
        if known:
            request = leg.request if leg.is_http else None
            arrival = arrival_of(self.here, cluster, request, self._layers(leg, tls), (known,))
            if arrival.cause is not Cause.ANSWERED:
                failure = _Failure(arrival.cause, "UF", arrival.reason, (endpoint,))
                return self._failed(steps, leg, cluster.name, failure)
        outcome = Outcome(
            "endpoint",
            self.here.name,
            f"sent to {known}: {where}" if known else f"sent to {where}",
            Cause.PASSED_ON,
            cluster=cluster.name,
            endpoints=(endpoint,),
        )
        return Branch(leg.probability, tuple(steps), outcome)

    def _meant(self, cluster: Cluster, leg: Leg, tls: UpstreamTls | None) -> str:
        """Give the address that decides, as ``host:port``; empty: it is not known."""
        if cluster.type is ClusterDiscoveryType.ORIGINAL_DST:
            port = upstream_port(cluster) or self.came.port
            return written_address(self.came.address, port) if self.came.address else ""
        if not leg.is_http:
            return written_address(self.came.sni, leg.looked_up_port) if self.came.sni else ""
        host = leg.request.host
        written = leg.request.authority.lower().removeprefix(host).removeprefix(":")
        default = "80" if tls is None else "443"
        return f"{host}:{written or default}"

    def fate_of_copies(self, name: str) -> tuple[str, ...]:
        """Say why copies that go to the cluster *name* are lost or refused; empty if they are not."""
        cluster = self.here.clusters.find(name)
        if cluster is None:
            return (f"the copies are lost, because there is no such cluster: {self._why_missing(name)}",)
        if destination_of(cluster) is not None:
            return ()
        addresses = [each.address for each in self.here.clusters.endpoints(cluster)]
        if not addresses:
            return ("the copies are lost, because the cluster has no endpoint",)
        if self.here.clusters.tls(cluster) is None and speaks_tls(self.here, cluster, addresses):
            return (f"the copies reach {', '.join(addresses)} in plain text, where TLS is expected",)
        return ()

    def _why_missing(self, name: str) -> str:
        return why_missing(self.here, self.proxies, name).reason

    def _tls_step(self, cluster: Cluster, leg: Leg, tls: UpstreamTls | None) -> Step:
        text, notes = describe_tls(tls, leg.request.host if leg.is_http else None, leg.layers)
        return Step("tls", text, self._places(cluster, {"tls"}) if tls is not None else (), notes)

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
        endpoints = tuple(self._resolved(each) for each in self.here.clusters.endpoints(cluster))
        if not endpoints:
            failure = _Failure(Cause.NO_ENDPOINT, "UH", "the cluster has no endpoint")
            return [self._failed(steps, leg, cluster.name, failure)]
        total = sum(each.weight for each in endpoints)
        found: list[Branch] = []
        for proxy in dict.fromkeys(each.proxy for each in endpoints):
            group = tuple(each for each in endpoints if each.proxy == proxy)
            chance = leg.probability * sum(each.weight for each in group) / total
            part = replace(leg, probability=chance)
            addresses = tuple(dict.fromkeys(each.address for each in group))
            listed = ", ".join(addresses)
            origins = self._endpoint_origins(cluster.name, addresses)
            step = Step("endpoint", f"{listed} ({proxy})" if proxy else listed, origins)
            layers = self._layers(leg, tls)
            host = leg.request.host if leg.is_http else None
            refused = wrong_name(self.here, cluster, host, addresses) if proxy else None
            if refused is not None:
                failure = _Failure(Cause.WRONG_NAME, "UF", refused.text, group)
                found.append(self._failed([*steps, step], part, cluster.name, failure))
                continue
            if proxy:
                found += self._to_proxy(group, cluster.name, part, [*steps, step], layers)
                continue
            request = leg.request if leg.is_http else None
            arrival = arrival_of(self.here, cluster, request, layers, addresses)
            if arrival.cause is not Cause.ANSWERED:
                failure = _Failure(arrival.cause, "UF", arrival.reason, group)
                found.append(self._failed([*steps, step], part, cluster.name, failure))
                continue
            outcome = Outcome(
                "endpoint",
                self.here.name,
                arrival.reason,
                Cause.ANSWERED,
                cluster=cluster.name,
                endpoints=group,
            )
            found.append(Branch(chance, (*steps, step), outcome))
        return found

    def _resolved(self, endpoint: Endpoint) -> Endpoint:
        found = self.proxies.gateway_behind(endpoint.address, self.here)
        return endpoint if found is None else replace(endpoint, proxy=found.proxy, socket=found.address)

    def _layers(self, leg: Leg, tls: UpstreamTls | None) -> tuple[TlsLayer, ...]:
        if tls is None:
            return leg.layers
        sni = tls.sent_sni(leg.request.host if leg.is_http else None)
        return (TlsLayer(sni, self.here.name, bool(tls.certificate)), *leg.layers)

    def _to_proxy(
        self,
        endpoints: tuple[Endpoint, ...],
        cluster: str,
        leg: Leg,
        steps: Sequence[Step],
        layers: tuple[TlsLayer, ...],
    ) -> list[Branch]:
        host, _, port = (endpoints[0].socket or endpoints[0].address).rpartition(":")
        connection = Connection(int(port), host.strip("[]"), layers, is_http=leg.is_http or leg.carries_http)
        hop = self.arrive(endpoints[0].proxy, leg.request, connection)
        if not leg.is_http:
            return [Branch(leg.probability, tuple(steps), hop=hop)]
        sender = Sender(self.here.name, cluster, endpoints, speaks_tls=bool(layers))
        return at_proxy(hop, sender, leg.probability, tuple(steps))

    def _failed(self, steps: Sequence[Step], leg: Leg, cluster: str, failure: _Failure) -> Branch:
        outcome = Outcome(
            "answer" if leg.is_http else "closed",
            self.here.name,
            failure.reason,
            failure.cause,
            status=503 if leg.is_http else None,
            flags=failure.flags,
            cluster=cluster,
            endpoints=failure.endpoints,
        )
        return Branch(leg.probability, tuple(steps), outcome)

    def _cluster_step(self, cluster: Cluster) -> Step:
        return Step("cluster", cluster.name, self._places(cluster, {"service", "subset", "policy"}))
