"""Real places in translated resources: sockets, certificate files, and where Envoy finds each other file.

Works on the plain form of the messages, because what it changes lies deep inside packed ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from envoy_data_plane.envoy.config.accesslog.v3 import AccessLog
from envoy_data_plane.envoy.config.core.v3 import SubstitutionFormatString
from envoy_data_plane.envoy.extensions.access_loggers.file.v3 import FileAccessLog
from envoy_data_plane.google.protobuf import Struct

from bench.placement import Address, Placement
from bench.translate.files.bootstrap import file_source
from bench.translate.files.confine import confine, socket_address
from bench.translate.files.options import AccessLogOptions, RenderOptions
from bench.translate.files.tls_secrets import SYSTEM_ROOTS, watched_directory
from bench.translate.messages import Plain, pack, to_plain
from bench.translate.names import file_name

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS_SOCKET = "envoy.transport_sockets.tls"
_HTTP_MANAGER = "envoy.filters.network.http_connection_manager"
_TCP_PROXY = "envoy.filters.network.tcp_proxy"
_SOURCE = to_plain(file_source("", ""))


def eds_path(cluster: str) -> str:
    """Give the path of a cluster's EDS file."""
    return f"xds/eds/{file_name(cluster)}.yaml"


def rds_path(route_config: str) -> str:
    """Give the path of a route configuration's file."""
    return f"xds/rds/{file_name(route_config)}.yaml"


def sds_path(secret: str) -> str:
    """Give the path of a secret's file."""
    return f"xds/sds/{file_name(secret)}.yaml"


def place_listener(listener: Plain, placement: Placement, options: RenderOptions) -> None:
    """Bind *listener* to its real address; name the files of its routes, certificates and access log."""
    _bind(listener["address"], placement)
    chains = listener.get("filter_chains", [])
    if "default_filter_chain" in listener:
        chains = [*chains, listener["default_filter_chain"]]
    log = _access_log(options.access_log, placement) if options.access_log is not None else None
    for chain in chains:
        _place_tls(chain.get("transport_socket"), placement, options)
        for each in chain.get("filters", []):
            if each["name"] not in {_HTTP_MANAGER, _TCP_PROXY}:
                continue
            config = each["typed_config"]
            if "rds" in config:
                config["rds"]["config_source"] = _source(
                    placement, rds_path(config["rds"]["route_config_name"])
                )
            if log is not None:
                config["access_log"] = [log]


def place_cluster(cluster: Plain, placement: Placement, options: RenderOptions) -> None:
    """Give *cluster* its real endpoints, or the file that has them, and its real certificate files."""
    if "eds_cluster_config" in cluster:
        service = cluster["eds_cluster_config"].get("service_name") or cluster["name"]
        cluster["eds_cluster_config"]["eds_config"] = _source(placement, eds_path(service))
    if "load_assignment" in cluster:
        place_endpoints(cluster["load_assignment"], placement)
    if placement.closed_port is not None:
        confine(cluster, placement, placement.closed_port)
    socket = cluster.get("transport_socket")
    if _place_tls(socket, placement, options):
        if options.max_requests_per_connection is not None:
            http = cluster.setdefault("typed_extension_protocol_options", {}).setdefault(
                HTTP_OPTIONS,
                {
                    "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                    "explicit_http_config": {"http_protocol_options": {}},
                },
            )
            http.setdefault("common_http_protocol_options", {})["max_requests_per_connection"] = (
                options.max_requests_per_connection
            )
        if options.max_session_keys is not None:
            for context in _tls_contexts(socket):
                context["max_session_keys"] = options.max_session_keys
        if options.tls_versions is not None:
            for context in _tls_contexts(socket):
                lowest, highest = options.tls_versions
                context.setdefault("common_tls_context", {}).setdefault("tls_params", {}).update(
                    tls_minimum_protocol_version=lowest, tls_maximum_protocol_version=highest
                )


def place_endpoints(assignment: Plain, placement: Placement) -> None:
    """Send the endpoints of *assignment* to their stand-ins."""
    for group in assignment.get("endpoints", []):
        for endpoint in group.get("lb_endpoints", []):
            _send_to_stand_in(endpoint["endpoint"]["address"], placement)


def place_secret(secret: Plain, placement: Placement, options: RenderOptions) -> None:
    """Name the real files of *secret*, and the folder in which their rotation shows."""
    pair = secret.get("tls_certificate")
    if pair is not None:
        for part in ("certificate_chain", "private_key"):
            pair[part]["filename"] = real_file(pair[part]["filename"], placement, options)
        pair["watched_directory"] = {"path": watched_directory(pair["certificate_chain"]["filename"])}
    trust = secret.get("validation_context")
    if trust is not None:
        written = trust["trusted_ca"]["filename"]
        trust["trusted_ca"]["filename"] = real_file(written, placement, options)
        if written != SYSTEM_ROOTS:
            trust["watched_directory"] = {"path": watched_directory(trust["trusted_ca"]["filename"])}


def real_file(written: str, placement: Placement, options: RenderOptions) -> str:
    """Give the real file of a file name in the Istio resources."""
    fallback = options.system_roots if written == SYSTEM_ROOTS else written
    return placement.files.get(written, fallback)


def _bind(address: Plain, placement: Placement) -> None:
    socket = address.get("socket_address")
    if socket is not None:
        translated: Address = (socket["address"], socket.get("port_value", 0))
        socket["address"], socket["port_value"] = placement.listeners.get(translated, translated)


def _send_to_stand_in(address: Plain, placement: Placement) -> None:
    socket = address.get("socket_address")
    if socket is not None:
        endpoint: Address = (socket["address"], socket.get("port_value", 0))
        socket["address"], socket["port_value"] = placement.stand_in(endpoint)
    elif "pipe" in address and placement.closed_port is not None:
        # A Unix socket of the YAML is one of this machine's, and not of the stack's.
        del address["pipe"]
        address["socket_address"] = socket_address(placement.closed_port)


def _place_tls(socket: Plain | None, placement: Placement, options: RenderOptions) -> bool:
    """Place the files of a transport socket; tell whether there is any TLS in it."""
    found = False
    for context in _tls_contexts(socket):
        found = True
        common = context.get("common_tls_context", {})
        references = list(common.get("tls_certificate_sds_secret_configs", []))
        combined = common.get("combined_validation_context", {})
        if "validation_context_sds_secret_config" in combined:
            references.append(combined["validation_context_sds_secret_config"])
        for reference in references:
            reference["sds_config"] = _source(placement, sds_path(reference["name"]))
        crl = combined.get("default_validation_context", {}).get("crl")
        if crl is not None:
            crl["filename"] = real_file(crl["filename"], placement, options)
    return found


def _tls_contexts(socket: Plain | None) -> Iterator[Plain]:
    if socket is None:
        return
    if socket["name"] == _TLS_SOCKET:
        yield socket["typed_config"]
    yield from _tls_contexts(socket["typed_config"].get("transport_socket"))


def _source(placement: Placement, path: str) -> Plain:
    """Give ``file_source`` in plain form; thousands of clusters need one, so only the path is new."""
    source = dict(_SOURCE)
    source["path_config_source"] = {"path": f"{placement.config_root}/{path}"}
    return source


def _access_log(options: AccessLogOptions, placement: Placement) -> Plain:
    fields = Struct.from_dict(dict(options.fields))
    log = FileAccessLog(
        path=f"{placement.log_root}/{options.file}", log_format=SubstitutionFormatString(json_format=fields)
    )
    return to_plain(AccessLog(name="envoy.access_loggers.file", typed_config=pack(log)))
