"""One form for what a proxy got from istiod and for what was translated, so that only meaning is compared.

As sets: listeners, filter chains, clusters, route configurations, virtual hosts by name, domains, query
parameters, endpoints within a locality. In order: routes within a virtual host, weighted clusters.
``LEFT_OUT`` names what is not compared at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH
from bench.translate import VIRTUAL_OUTBOUND, ProxyConfig, TlsMaterial, to_plain

LEFT_OUT = (
    "listener: bind_to_port, traffic_direction, listener_filters, accept limits, connect timeouts",
    "filter chain match: application_protocols, transport_protocol (HTTP detection)",
    "HTTP connection manager: all but http_filters, rds and http_protocol_options (not in the answers)",
    "stat_prefix of routes, connection managers, TCP and Mongo proxies (not in the answers)",
    "DNS settings of ORIGINAL_DST clusters, which resolve nothing",
    "config sources of RDS, EDS and SDS; virtualOutbound, BlackHole and Passthrough (not in the answers)",
)
MATERIAL = TlsMaterial(
    workload_certificate="/etc/certs/workload.crt",
    workload_private_key="/etc/certs/workload.key",
    workload_ca="/etc/certs/root.crt",
)
"""What stands in for the certificates that an agent would supply."""
CREDENTIAL_SCHEME = "kubernetes://"
"""What the files of a credential begin with, so that its secret can be named as istiod names it."""
_AGENT_SECRETS = {
    "file-cert:/etc/certs/workload.crt~/etc/certs/workload.key": "default",
    "file-root:/etc/certs/root.crt": "ROOTCA",
}
_CREDENTIAL = re.compile(rf"file-(?:cert|root):({CREDENTIAL_SCHEME}[^~]+)(?:~\1)?")
OWN_NAMES = frozenset({VIRTUAL_OUTBOUND, BLACK_HOLE, PASSTHROUGH})
_MANAGER_FIELDS = ("@type", "http_filters", "rds", "http_protocol_options")
_DNS_FIELDS = (
    "dns_refresh_rate",
    "dns_jitter",
    "respect_dns_ttl",
    "dns_lookup_family",
    "typed_dns_resolver_config",
)

Plain = dict[str, Any]


def from_istiod(answer: Plain) -> Plain:
    """Bring a recorded answer into the common form."""
    endpoints = {each["cluster_name"]: each for each in answer.get("endpoints") or []}
    return _normal(
        answer.get("listeners") or [], answer.get("routes") or [], answer.get("clusters") or [], endpoints
    )


def from_translation(config: ProxyConfig) -> Plain:
    """Bring a translation, of any config source, into the common form.

    Its workload's certificates are those of ``MATERIAL``, its credentials those of ``CREDENTIAL_SCHEME``.
    """
    endpoints = {each.cluster_name: to_plain(each) for each in config.endpoints}
    return _normal(
        [to_plain(each) for each in config.listeners if each.name not in OWN_NAMES],
        [to_plain(each) for each in config.routes],
        [to_plain(each) for each in config.clusters if each.name not in OWN_NAMES],
        endpoints,
    )


def _normal(
    listeners: Iterable[Plain],
    routes: Iterable[Plain],
    clusters: Iterable[Plain],
    endpoints: dict[str, Plain],
) -> Plain:
    return {
        "listeners": {each["name"]: _listener(each) for each in listeners},
        "routes": {each["name"]: _route_config(each) for each in routes},
        "clusters": {each["name"]: _cluster(each, endpoints) for each in clusters},
    }


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))


def _listener(listener: Plain) -> Plain:
    chains: dict[str, Any] = {}
    for chain in listener.get("filter_chains", []):
        match = _chain_match(chain.get("filter_chain_match", {}))
        chains[json.dumps(match, sort_keys=True) if match else "any"] = _chain(chain)
    normal = {"address": listener["address"], "filter_chains": chains}
    if listener.get("default_filter_chain", {}).get("name", "") not in OWN_NAMES and (
        "default_filter_chain" in listener
    ):
        normal["default_filter_chain"] = _chain(listener["default_filter_chain"])
    return normal


def _chain_match(match: Plain) -> Plain:
    normal: Plain = {}
    if match.get("server_names"):
        normal["server_names"] = sorted(match["server_names"])
    if match.get("prefix_ranges"):
        normal["prefix_ranges"] = _sorted(match["prefix_ranges"])
    others = {
        key: value
        for key, value in match.items()
        if key not in {"server_names", "prefix_ranges", "application_protocols", "transport_protocol"}
    }
    return {**normal, **others}


def _chain(chain: Plain) -> Plain:
    normal: Plain = {"filters": [_filter(each) for each in chain.get("filters", [])]}
    if "transport_socket" in chain:
        normal["transport_socket"] = _socket(chain["transport_socket"])
    return normal


def _filter(written: Plain) -> Plain:
    config = dict(written.get("typed_config", {}))
    if config.get("@type", "").endswith("HttpConnectionManager"):
        config = {key: config[key] for key in _MANAGER_FIELDS if key in config}
        config["rds"] = {"route_config_name": config["rds"]["route_config_name"]}
    config.pop("stat_prefix", None)
    return {"name": written["name"], "typed_config": config}


def _socket(socket: Plain) -> Plain:
    config = dict(socket.get("typed_config", {}))
    if "transport_socket" in config:
        config["transport_socket"] = _socket(config["transport_socket"])
    common = config.get("common_tls_context")
    if common is not None:
        common = {**common}
        if "tls_certificate_sds_secret_configs" in common:
            common["tls_certificate_sds_secret_configs"] = [
                _secret(each) for each in common["tls_certificate_sds_secret_configs"]
            ]
        config["common_tls_context"] = common
        combined = common.get("combined_validation_context")
        if combined is not None:
            default = dict(combined.get("default_validation_context", {}))
            names = [each["matcher"] for each in default.pop("match_typed_subject_alt_names", [])]
            names += default.pop("match_subject_alt_names", [])
            if names:
                default["subject_alt_names"] = _sorted(names)
            common["combined_validation_context"] = {
                "default_validation_context": default,
                "validation_context_sds_secret_config": _secret(
                    combined["validation_context_sds_secret_config"]
                ),
            }
    return {"name": socket["name"], "typed_config": config}


def _secret(reference: Plain) -> Plain:
    """Name a secret as istiod does: the agent's own are ``default`` and ``ROOTCA``."""
    name = reference["name"]
    credential = _CREDENTIAL.fullmatch(name)
    return {"name": credential[1] if credential is not None else _AGENT_SECRETS.get(name, name)}


def _route_config(config: Plain) -> Plain:
    hosts = {each["name"]: _virtual_host(each) for each in config.get("virtual_hosts", [])}
    return {**{key: value for key, value in config.items() if key != "virtual_hosts"}, "virtual_hosts": hosts}


def _virtual_host(host: Plain) -> Plain:
    return {
        **host,
        "domains": sorted(host["domains"]),
        "routes": [_route(each) for each in host.get("routes", [])],
    }


def _route(route: Plain) -> Plain:
    normal = {key: value for key, value in route.items() if key != "stat_prefix"}
    match = normal.get("match", {})
    if "query_parameters" in match:
        normal["match"] = {**match, "query_parameters": _sorted(match["query_parameters"])}
    action = normal.get("route")
    if action is not None:
        action = dict(action)
        stream = action.pop("max_stream_duration", {})
        older = action.pop("max_grpc_timeout", None)
        action["grpc_timeout"] = older if older is not None else stream.get("grpc_timeout_header_max")
        normal["route"] = action
    redirect = normal.get("redirect")
    if redirect is not None and "prefix_rewrite" not in redirect:
        normal["redirect"] = {"path_redirect": "", **redirect}
    return normal


def _cluster(cluster: Plain, endpoints: dict[str, Plain]) -> Plain:
    normal = dict(cluster)
    name = normal["name"]
    custom = normal.get("cluster_type", {})
    if custom.get("name") == "envoy.clusters.dns":
        config = custom["typed_config"]
        del normal["cluster_type"]
        normal["type"] = "LOGICAL_DNS" if config.get("all_addresses_in_single_endpoint") else "STRICT_DNS"
        normal.update({key: config[key] for key in _DNS_FIELDS if key in config})
    if normal.get("type") == "ORIGINAL_DST":
        for key in _DNS_FIELDS:
            normal.pop(key, None)
    if normal.get("type", "STATIC") in {"EDS", "STATIC"} and not custom:
        normal["type"] = "EDS or STATIC"
        normal.pop("eds_cluster_config", None)
        normal.setdefault("load_assignment", endpoints.get(name))
    if normal.get("load_assignment") is not None:
        normal["load_assignment"] = _assignment(normal["load_assignment"])
    if "transport_socket" in normal:
        normal["transport_socket"] = _socket(normal["transport_socket"])
    return normal


def _once(values: list[Any]) -> list[Any]:
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())


def repeats_endpoints(answer: Plain) -> bool:
    """Return whether an endpoint occurs twice in one locality of a recorded answer."""
    assignments = [
        *(answer.get("endpoints") or []),
        *(each["load_assignment"] for each in answer.get("clusters") or [] if "load_assignment" in each),
    ]
    groups = [group.get("lb_endpoints", []) for each in assignments for group in each.get("endpoints", [])]
    return any(len(_once(group)) < len(group) for group in groups)


def _assignment(assignment: Plain) -> Plain:
    groups: dict[str, Any] = {}
    for group in assignment.get("endpoints", []):
        locality = group.get("locality", {})
        key = "/".join(locality.get(part, "") for part in ("region", "zone", "sub_zone"))
        key = f"{key} priority {group.get('priority', 0)}"
        once = _once(group.get("lb_endpoints", []))
        weight = group.get("load_balancing_weight")
        if len(once) < len(group.get("lb_endpoints", [])):
            # Envoy folds repeated endpoints; the weight then is that of those that are left.
            weight = sum(each.get("load_balancing_weight", 1) for each in once)
        groups[key] = {"load_balancing_weight": weight, "lb_endpoints": _sorted(once)}
    return {"cluster_name": assignment.get("cluster_name"), "localities": groups}
