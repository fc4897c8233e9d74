"""A placed cluster has no way out but to stand-ins and the closed port."""

from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterCustomClusterType,
    ClusterDiscoveryType,
    ClusterLbPolicy,
    ClusterOriginalDstLbConfig,
)
from envoy_data_plane.envoy.extensions.clusters.dns.v3 import DnsCluster
from envoy_data_plane.envoy.extensions.clusters.dynamic_forward_proxy.v3 import (
    ClusterConfig as DynamicForwardProxy,
)
from envoy_data_plane.envoy.extensions.common.dynamic_forward_proxy.v3 import DnsCacheConfig

from bench.placement import Placement
from bench.translate.files.confine import confine, confine_listener
from bench.translate.messages import pack, to_plain

CLOSED = ("127.0.0.1", 9)
AT_CLOSED = {"address": "127.0.0.1", "port_value": 9}


def confined(cluster, *, is_redirected=False):
    plain = to_plain(cluster)
    placement = Placement("/c", "/l", closed_port=CLOSED, is_redirected=is_redirected)
    confine(plain, placement, CLOSED)
    return plain


def by(name, config):
    return Cluster(name="x", cluster_type=ClusterCustomClusterType(name=name, typed_config=pack(config)))


PASSING = Cluster(
    name="x",
    type=ClusterDiscoveryType.ORIGINAL_DST,
    lb_policy=ClusterLbPolicy.CLUSTER_PROVIDED,
    original_dst_lb_config=ClusterOriginalDstLbConfig(upstream_port_override=8080),
)


def test_a_cluster_that_passes_connections_on_is_closed_where_nothing_is_redirected():
    plain = confined(PASSING)

    assert (plain["type"], plain["lb_policy"]) == ("STATIC", "ROUND_ROBIN")
    assert "original_dst_lb_config" not in plain
    (group,) = plain["load_assignment"]["endpoints"]
    (endpoint,) = group["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == AT_CLOSED


def test_it_stays_where_redirection_says_where_to():
    assert confined(PASSING, is_redirected=True) == to_plain(PASSING)


def test_filters_that_resolve_names_have_the_settings_of_their_cluster():
    cache = DnsCacheConfig(name="x")
    cluster = confined(
        by("envoy.clusters.dynamic_forward_proxy", DynamicForwardProxy(dns_cache_config=cache))
    )
    listener = {"filter_chains": [{"filters": [{"typed_config": {"dns_cache_config": to_plain(cache)}}]}]}

    confine_listener(listener, Placement("/c", "/l", closed_port=CLOSED), CLOSED)

    (found,) = listener["filter_chains"][0]["filters"]
    wanted = cluster["cluster_type"]["typed_config"]["dns_cache_config"]
    assert found["typed_config"]["dns_cache_config"] == wanted


def test_where_a_stack_answers_for_its_names_it_is_asked_about_those_that_requests_bring():
    cache = DnsCacheConfig(name="x")
    listener = {"filter_chains": [{"filters": [{"typed_config": {"dns_cache_config": to_plain(cache)}}]}]}
    placement = Placement("/c", "/l", closed_port=CLOSED, resolver=("127.0.0.11", 53))
    dynamic = to_plain(
        by("envoy.clusters.dynamic_forward_proxy", DynamicForwardProxy(dns_cache_config=cache))
    )
    dns = to_plain(by("envoy.clusters.dns", DnsCluster()))
    for cluster in (dynamic, dns):
        confine(cluster, placement, CLOSED)
    confine_listener(listener, placement, CLOSED)

    def asked(settings):
        (resolver,) = settings["typed_dns_resolver_config"]["typed_config"]["resolvers"]
        return resolver["socket_address"]

    at_stack = {"address": "127.0.0.11", "port_value": 53}
    (lookup,) = listener["filter_chains"][0]["filters"]
    assert asked(lookup["typed_config"]["dns_cache_config"]) == at_stack
    assert asked(dynamic["cluster_type"]["typed_config"]["dns_cache_config"]) == at_stack
    assert asked(dns["cluster_type"]["typed_config"]) == AT_CLOSED


def test_whatever_resolves_names_asks_the_closed_port_alone():
    dns = confined(by("envoy.clusters.dns", DnsCluster()))["cluster_type"]["typed_config"]
    cache = DnsCacheConfig(name="x")
    dynamic = confined(
        by("envoy.clusters.dynamic_forward_proxy", DynamicForwardProxy(dns_cache_config=cache))
    )["cluster_type"]["typed_config"]["dns_cache_config"]

    for settings in (dns, dynamic):
        resolver = settings["typed_dns_resolver_config"]["typed_config"]
        assert resolver["resolvers"] == [{"socket_address": AT_CLOSED}]
        assert resolver["dns_resolver_options"] == {"no_default_search_domain": True}
