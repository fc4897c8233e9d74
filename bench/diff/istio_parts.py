"""What istiod gives every proxy, whatever the resources say: taken out before a comparison.

What other resources add (EnvoyFilter, AuthorizationPolicy, RequestAuthentication, Telemetry) stays: the proxy
has it, and this YAML does not say it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH, parse_cluster_name

Plain = dict[str, Any]

_OWN_FILTERS = frozenset(
    {
        "istio.alpn",
        "istio.metadata_exchange",
        "istio.stats",
        "istio_authn",
        "envoy.filters.http.grpc_stats",
        "envoy.filters.http.peer_metadata",
        "envoy.filters.network.metadata_exchange",
    }
)
"""Telemetry and its like: filters that decide nothing about a request."""
_OWN_LISTENERS = frozenset({"virtualOutbound", "virtualInbound", "connect_originate", "main_internal"})
_OWN_PORTS = frozenset({15001, 15006, 15021, 15090})
_NOWHERE = frozenset({BLACK_HOLE, PASSTHROUGH})
_CLUSTER_FIELDS = frozenset({"@type", "metadata", "alt_stat_name", "transport_socket_matches", "filters"})
_ROUTE_FIELDS = frozenset({"metadata", "decorator", "tracing", "stat_prefix"})
_TCP_FIELDS = frozenset({"access_log", "stat_prefix"})
_ENDPOINT_FIELDS = frozenset({"health_check_config", "hostname"})
_MEMBER_FIELDS = frozenset({"metadata", "health_status"})


def bare_answer(
    *,
    listeners: Iterable[Plain] = (),
    routes: Iterable[Plain] = (),
    clusters: Iterable[Plain] = (),
    endpoints: Iterable[Plain] = (),
) -> Plain:
    """Give listeners, routes, clusters and endpoints as the resources of outbound traffic made them."""
    return {
        "listeners": [_listener(each) for each in listeners if _is_outbound(each)],
        "routes": [_route_config(each) for each in routes if _is_named(each)],
        "clusters": [
            {**_without(each, _CLUSTER_FIELDS), **_own_assignment(each)}
            for each in clusters
            if parse_cluster_name(each["name"]) is not None
        ],
        "endpoints": [
            _assignment(each)
            for each in endpoints
            if parse_cluster_name(each.get("cluster_name", "")) is not None
        ],
    }


def config_of(route: Plain) -> str:
    """Give what istiod names as the origin of a route: ``VirtualService default/web``, or nothing."""
    path = route.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    parts = path.split("/")
    # /apis/networking.istio.io/v1/namespaces/NAMESPACE/virtual-service/NAME
    return (
        f"VirtualService {parts[5]}/{parts[7]}" if len(parts) == 8 and parts[6] == "virtual-service" else ""
    )


def _without(message: Plain, fields: frozenset[str]) -> Plain:
    return {key: value for key, value in message.items() if key not in fields}


def _is_outbound(listener: Plain) -> bool:
    if listener.get("name") in _OWN_LISTENERS or listener.get("traffic_direction") == "INBOUND":
        return False
    port = listener.get("address", {}).get("socket_address", {}).get("port_value")
    return bool(listener.get("name")) and "address" in listener and port not in _OWN_PORTS


def _is_named(config: Plain) -> bool:
    """Return whether it was served by RDS: what is inside of a listener has no name, or one of inbound."""
    name = config.get("name", "")
    return bool(name) and not name.startswith("inbound")


def _listener(listener: Plain) -> Plain:
    chains = [_chain(each) for each in listener.get("filter_chains", ())]
    normal = {**_without(listener, frozenset({"@type"})), "filter_chains": chains}
    default = listener.get("default_filter_chain")
    if default is not None:
        normal.pop("default_filter_chain")
        if not _leads_nowhere(default):
            normal["default_filter_chain"] = _chain(default)
    return normal


def _leads_nowhere(chain: Plain) -> bool:
    """Return whether a chain only takes what no resource speaks of."""
    return any(each.get("typed_config", {}).get("cluster") in _NOWHERE for each in chain.get("filters", ()))


def _chain(chain: Plain) -> Plain:
    filters = [_filter(each) for each in chain.get("filters", ()) if each["name"] not in _OWN_FILTERS]
    return {**chain, "filters": filters}


def _filter(written: Plain) -> Plain:
    config = dict(written.get("typed_config", {}))
    kind = str(config.get("@type", ""))
    if kind.endswith("HttpConnectionManager"):
        config["http_filters"] = [
            each for each in config.get("http_filters", ()) if each["name"] not in _OWN_FILTERS
        ]
    elif kind.endswith("TcpProxy"):
        config = _without(config, _TCP_FIELDS)
    return {"name": written["name"], "typed_config": config}


def _route_config(config: Plain) -> Plain:
    hosts = [
        {
            **_without(host, _ROUTE_FIELDS),
            "routes": [_without(route, _ROUTE_FIELDS) for route in host.get("routes", ())],
        }
        for host in config.get("virtual_hosts", ())
    ]
    return {**_without(config, frozenset({"@type"})), "virtual_hosts": hosts}


def _own_assignment(cluster: Plain) -> Plain:
    written = cluster.get("load_assignment")
    return {} if written is None else {"load_assignment": _assignment(written)}


def _assignment(assignment: Plain) -> Plain:
    groups = [
        {**group, "lb_endpoints": [_member(each) for each in group.get("lb_endpoints", ())]}
        for group in assignment.get("endpoints", ())
    ]
    return {"cluster_name": assignment.get("cluster_name"), "endpoints": groups}


def _member(member: Plain) -> Plain:
    bare = _without(member, _MEMBER_FIELDS)
    return {**bare, "endpoint": _without(bare.get("endpoint", {}), _ENDPOINT_FIELDS)}
