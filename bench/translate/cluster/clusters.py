"""Clusters: one for each port of each service, and one more for each of its subsets."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterCustomClusterType,
    ClusterDiscoveryType,
    ClusterEdsClusterConfig,
    ClusterLbPolicy,
    ClusterOriginalDstLbConfig,
)
from envoy_data_plane.envoy.config.core.v3 import TypedExtensionConfig
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.extensions.clusters.common.dns.v3 import DnsLookupFamily
from envoy_data_plane.envoy.extensions.clusters.dns.v3 import DnsCluster
from envoy_data_plane.envoy.extensions.clusters.dynamic_forward_proxy.v3 import (
    ClusterConfig as DynamicForwardProxy,
)
from envoy_data_plane.envoy.extensions.network.dns_resolver.cares.v3 import CaresDnsResolverConfig

from bench.errors import Position
from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH, ClusterName, cluster_name
from bench.istio.models import DestinationRule, PortTrafficPolicy, Subset, TrafficPolicy, camel_case
from bench.istio.problem import Path
from bench.istio.registry import Endpoint, MergedRule, Origin, Protocol, Resolution, Service, ServicePort
from bench.istio.resource import Resource
from bench.translate.cluster.connection_pool import (
    UpstreamHttp,
    apply_pool,
    circuit_breakers,
    connect_timeout,
    connection_options,
    initial_http,
    packed_http_options,
)
from bench.translate.cluster.endpoints import load_assignment, subset_endpoints
from bench.translate.cluster.load_balancer import DYNAMIC_TYPE, apply_load_balancer, common_lb_config
from bench.translate.cluster.outlier import outlier_detection
from bench.translate.cluster.upstream_tls import (
    UpstreamTls,
    collect_secrets,
    transport_socket,
    upstream_tls,
    with_files,
)
from bench.translate.context import Context
from bench.translate.dns_cache import dns_cache
from bench.translate.messages import pack, variant
from bench.translate.notices import Notice, Refusal, RefusedError
from bench.translate.traffic_policy import port_policy, subset_policy

_DNS_REFRESH = timedelta(seconds=60)
_DNS_JITTER = timedelta(milliseconds=100)
_DNS_QUERIES = 100
"""istiod's mesh defaults for DNS clusters."""


_TEMPLATE = Cluster()


@dataclass(frozen=True, slots=True)
class BuiltCluster:
    """A cluster and, if they come by EDS, its endpoints."""

    cluster: Cluster
    endpoints: ClusterLoadAssignment | None = None


def build_clusters(context: Context, only: Container[str] | None = None) -> list[BuiltCluster]:
    """Build the clusters of a proxy, all or those named in *only*, sorted by name.

    A subset gets a cluster for every port of its service. A cluster by DNS without any endpoint is left out,
    as istiod does; one by EDS stays and is empty.
    """
    built: dict[str, BuiltCluster] = {}
    for service in context.view.services:
        if service.external_name is not None:
            continue
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            for each in _clusters_of_port(context, service, port, only):
                built.setdefault(each.cluster.name, each)
    if context.intercepts and context.view.is_sidecar:
        built[PASSTHROUGH] = BuiltCluster(_passthrough(context))
        built[BLACK_HOLE] = BuiltCluster(_without_endpoints(context, BLACK_HOLE))
    elif context.view.is_sidecar and context.view.registry.inventory.outbound == "ALLOW_ANY":
        # Where a client meant to go is known by redirection alone; sent there anyhow, a request would come
        # back to the listener. So nothing answers for unknown hosts.
        built[PASSTHROUGH] = BuiltCluster(_without_endpoints(context, PASSTHROUGH))
    return [built[name] for name in sorted(built)]


def _clusters_of_port(
    context: Context, service: Service, port: ServicePort, only: Container[str] | None
) -> Iterator[BuiltCluster]:
    endpoints = context.view.endpoints(service, port)
    merged = context.view.rule(service)
    # istiod builds no subset clusters for names that are resolved on demand.
    has_subsets = merged is not None and service.resolution is not Resolution.DYNAMIC_DNS
    subsets = merged.rule.subsets if merged is not None and has_subsets else ()
    for subset in (None, *subsets):
        builder = _Builder(context, service, port, merged, subset)
        if only is not None and builder.name not in only:
            continue
        members = endpoints if subset is None else subset_endpoints(endpoints, subset.labels)
        built = builder.build(members)
        if built is not None:
            yield built


class _Builder:
    """Builds the cluster of one subset of one port."""

    def __init__(
        self,
        context: Context,
        service: Service,
        port: ServicePort,
        merged: MergedRule | None,
        subset: Subset | None,
    ) -> None:
        self.context = context
        self.service = service
        self.port = port
        self.merged = merged
        self.subset = subset
        self.rule: DestinationRule | None = merged.rule if merged is not None else None
        self.name = cluster_name(service.host, port.number, subset.name if subset is not None else "")

    def build(self, endpoints: list[Endpoint]) -> BuiltCluster | None:
        policy = subset_policy(self.rule, self.subset, self.port.number)
        semantics = self.context.semantics
        pool = policy.connection_pool if policy is not None else None
        outlier = policy.outlier_detection if policy is not None else None
        balancer = policy.load_balancer if policy is not None else None
        cluster = variant(
            _TEMPLATE,
            name=self.name,
            connect_timeout=connect_timeout(pool, semantics.connect_timeout),
            circuit_breakers=circuit_breakers(
                pool, policy.retry_budget if policy is not None else None, semantics.default_limit
            ),
            upstream_connection_options=connection_options(pool),
            common_lb_config=common_lb_config(
                outlier, balancer, semantics, has_preference=bool(self._preferred_labels)
            ),
            outlier_detection=outlier_detection(outlier, semantics) if outlier is not None else None,
        )
        separate = self._set_discovery(cluster, endpoints, policy)
        if separate is None:
            return None
        if balancer is not None and balancer.zone_aware_lb_setting is not None:
            raise RefusedError(Refusal.ZONE_AWARE, self._where("load_balancer"))
        apply_load_balancer(cluster, balancer, semantics)
        if cluster.type is ClusterDiscoveryType.ORIGINAL_DST:
            self._demand_interception()
            separate = ()
        http = initial_http(self.port.protocol, is_sidecar=self.context.view.is_sidecar)
        if pool is not None:
            apply_pool(http, pool)
        tls = self._tls(policy, is_http2=http.http2 is not None)
        if tls is not None:
            http.auto_sni, http.auto_san = tls.auto_sni, tls.auto_san
        if self.service.resolution is Resolution.DYNAMIC_DNS:
            self._secure_dynamic(cluster, http, tls)
        cluster.transport_socket = transport_socket(
            tls,
            policy.proxy_protocol.version
            if policy is not None and policy.proxy_protocol is not None
            else None,
        )
        cluster.typed_extension_protocol_options = packed_http_options(http)
        self._note_origins(cluster)
        return BuiltCluster(cluster, separate[0] if separate else None)

    @property
    def _preferred_labels(self) -> tuple[str, ...]:
        """Istio 1.0 knows nothing about them."""
        return self.service.preferred_labels if self.context.view.is_current else ()

    def _note_origins(self, cluster: Cluster) -> None:
        origins = self.context.origins
        origins.note(cluster, service=self.service.locate_port(self.port))
        if self.merged is None:
            return
        if self.subset is not None:
            source, index = self.merged.subset_source(self.subset.name)
            origins.note(cluster, subset=lambda: source.position(("spec", "subsets", index)))
        if subset_policy(self.rule, self.subset, self.port.number) is not None:
            origins.note(cluster, policy=self._where, tls=lambda: self._where("tls"))

    def _set_discovery(
        self, cluster: Cluster, endpoints: list[Endpoint], policy: TrafficPolicy | None
    ) -> tuple[ClusterLoadAssignment, ...] | None:
        """Set how the cluster finds its endpoints; give those that come by EDS, None for no cluster."""
        resolution = self.service.resolution
        if resolution is Resolution.PASSTHROUGH and self.context.view.is_sidecar:
            cluster.type = ClusterDiscoveryType.ORIGINAL_DST
            is_entry = self.service.origin is Origin.SERVICE_ENTRY
            if is_entry and self.port.target_port is not None:
                cluster.original_dst_lb_config = ClusterOriginalDstLbConfig(
                    upstream_port_override=self.port.target_port
                )
            return ()
        if resolution is Resolution.DYNAMIC_DNS:
            self._resolve_on_demand(cluster)
            return ()
        by_dns = resolution in {Resolution.DNS, Resolution.DNS_ROUND_ROBIN}
        assignment = load_assignment(
            self.name,
            endpoints,
            policy,
            self.context.view,
            by_dns=by_dns,
            preferred=self._preferred_labels,
        )
        if by_dns:
            if not endpoints:
                return None
            cluster.cluster_type = _dns_type(is_round_robin=resolution is Resolution.DNS_ROUND_ROBIN)
            cluster.load_assignment = assignment
            return ()
        if self.context.config_source == "static":
            cluster.type = ClusterDiscoveryType.STATIC
            cluster.load_assignment = assignment
            return ()
        cluster.type = ClusterDiscoveryType.EDS
        cluster.eds_cluster_config = ClusterEdsClusterConfig(service_name=self.name)
        return (assignment,)

    def _resolve_on_demand(self, cluster: Cluster) -> None:
        """Resolve whatever name a request has. istiod leaves the load balancing of such a cluster alone."""
        if not self.context.intercepts:
            raise RefusedError(
                Refusal.DYNAMIC_DNS,
                self.service.where,
                host=self.service.host,
                proxy=self.context.view.name,
            )
        cluster.common_lb_config = None
        cluster.cluster_type = _dynamic_type(self.service, is_insecure=False)

    def _secure_dynamic(self, cluster: Cluster, http: UpstreamHttp, tls: UpstreamTls | None) -> None:
        """Check each name's own certificate; where a rule rules that out, allow what Envoy calls insecure.

        An explicit ``sni`` takes the place of the automatic one, and the name asked for is still compared.
        Envoy refuses such a cluster with any HTTP options unless both are automatic or it is allowed so.
        """
        if tls is not None and tls.is_checked_by_name:
            http.auto_san = True
        has_options = http.message() is not None
        if has_options and not (http.auto_sni and http.auto_san):
            cluster.cluster_type = _dynamic_type(self.service, is_insecure=True)

    def _demand_interception(self) -> None:
        if self.context.intercepts:
            return
        code, where = Refusal.RESOLUTION_NONE, self.service.where
        if self.service.resolution is not Resolution.PASSTHROUGH:
            code, where = Refusal.PASSTHROUGH_BALANCING, self._where("load_balancer")
        elif self.service.is_headless:
            code = Refusal.HEADLESS
        raise RefusedError(code, where, host=self.service.host, proxy=self.context.view.name)

    def _where(self, block: str | None = None) -> Position:
        """Give the place of the closest setting for this cluster, of those that have *block* if one does."""
        if self.merged is None:
            return self.service.where
        places = list(self._settings())
        if block is not None:
            having = [
                (resource, path) for resource, path, policy in places if getattr(policy, block) is not None
            ]
            if having:
                resource, path = having[0]
                return resource.position((*path, camel_case(block)))
        if places:
            resource, path, _ = places[0]
            return resource.position(path)
        return self.merged.policy_source.position(("spec",))

    def _settings(
        self,
    ) -> Iterator[tuple[Resource[DestinationRule], Path, TrafficPolicy | PortTrafficPolicy]]:
        """Give each setting that this cluster falls under and its place, the closest first."""
        if self.merged is None:
            return
        sources: list[tuple[Resource[DestinationRule], Path, TrafficPolicy | None]] = []
        if self.subset is not None:
            source, index = self.merged.subset_source(self.subset.name)
            sources.append((source, ("spec", "subsets", index, "trafficPolicy"), self.subset.traffic_policy))
        top = self.merged.policy_source
        sources.append((top, ("spec", "trafficPolicy"), self.merged.rule.traffic_policy))
        for resource, path, policy in sources:
            for index, setting in enumerate(policy.port_level_settings if policy is not None else ()):
                if setting.port is not None and setting.port.number == self.port.number:
                    yield resource, (*path, "portLevelSettings", index), setting
            if policy is not None:
                yield resource, path, policy

    def _tls(self, policy: TrafficPolicy | None, *, is_http2: bool) -> UpstreamTls | None:
        settings = policy.tls if policy is not None else None
        subset = self.subset.name if self.subset is not None else ""
        if settings is None:
            self._warn_about_lost_tls()
            return None
        secret = self.context.view.registry.inventory.credential(settings.credential_name or "")
        if secret is not None and (secret.certificate or settings.mode != "MUTUAL"):
            if self.context.view.is_sidecar and (self.rule is None or self.rule.workload_selector is None):
                # istiod gives a sidecar the secrets of rules that select it, and else drops its TLS.
                self.context.warn(
                    Notice.CREDENTIAL_LEFT_OUT,
                    self._where("tls"),
                    cluster=self.name,
                    proxy=self.context.view.name,
                )
                return None
            settings = with_files(settings, secret)
        tls = upstream_tls(
            settings,
            semantics=self.context.semantics,
            default_names=self.service.identities(self.context.view.registry.inventory.domain),
            is_external_service=self.service.origin is Origin.SERVICE_ENTRY,
            sni_of_mesh=ClusterName(self.service.host, self.port.number, subset).sni,
            is_http2=is_http2,
            material=self.context.material,
            locate=partial(self._where, "tls"),
        )
        if tls is None:
            return None
        collect_secrets(tls, self.context.secrets)
        if tls.ca is None:
            self.context.warn(Notice.TLS_NOT_VERIFIED, self._where("tls"), cluster=self.name)
        return tls

    def _warn_about_lost_tls(self) -> None:
        """A cluster never loses its TLS silently: say so where a closer setting takes it away as a whole."""
        if self.rule is None:
            return
        top, _ = port_policy(self.rule.traffic_policy, self.port.number)
        candidates = [top, self.rule.traffic_policy]
        if self.subset is not None:
            candidates.append(self.subset.traffic_policy)
        if any(
            each is not None and each.tls is not None and each.tls.mode != "DISABLE" for each in candidates
        ):
            self.context.warn(Notice.TLS_DROPPED, self._where(), cluster=self.name)


def _dynamic_type(service: Service, *, is_insecure: bool) -> ClusterCustomClusterType:
    config = DynamicForwardProxy(
        dns_cache_config=dns_cache(service.host), allow_insecure_cluster_options=is_insecure
    )
    return ClusterCustomClusterType(name=DYNAMIC_TYPE, typed_config=pack(config))


def _dns_type(*, is_round_robin: bool) -> ClusterCustomClusterType:
    """Build DNS discovery: all addresses of a name, or (round robin) one at a time.

    istiod still writes the older fields on the cluster, which Envoy 1.40 warns of.
    """
    resolver = CaresDnsResolverConfig(udp_max_queries=_DNS_QUERIES)
    config = DnsCluster(
        dns_refresh_rate=_DNS_REFRESH,
        dns_jitter=_DNS_JITTER,
        respect_dns_ttl=True,
        dns_lookup_family=DnsLookupFamily.V4_ONLY,
        typed_dns_resolver_config=TypedExtensionConfig(
            name="envoy.network.dns_resolver.cares", typed_config=pack(resolver)
        ),
        all_addresses_in_single_endpoint=is_round_robin,
    )
    return ClusterCustomClusterType(name="envoy.clusters.dns", typed_config=pack(config))


def _without_endpoints(context: Context, name: str) -> Cluster:
    return Cluster(
        name=name, type=ClusterDiscoveryType.STATIC, connect_timeout=context.semantics.connect_timeout
    )


def _passthrough(context: Context) -> Cluster:
    """The cluster for unknown destinations of an intercepted sidecar."""
    return Cluster(
        name=PASSTHROUGH,
        type=ClusterDiscoveryType.ORIGINAL_DST,
        lb_policy=ClusterLbPolicy.CLUSTER_PROVIDED,
        connect_timeout=context.semantics.connect_timeout,
        circuit_breakers=circuit_breakers(None, None, context.semantics.default_limit),
    )
