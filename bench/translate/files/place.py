"""Real places in translated resources: sockets, certificate files, and where Envoy finds each other file.

Works on the plain form of the messages, because what it changes lies deep inside packed ones; the choices of
``RenderOptions`` are in the messages already.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.placement import Address, Placement
from bench.translate.config import ConfigSource
from bench.translate.files.bootstrap import ads_source, file_source
from bench.translate.files.confine import confine, confine_listener, socket_address
from bench.translate.files.options import RenderOptions
from bench.translate.messages import Plain, to_plain
from bench.translate.names import file_name
from bench.translate.tls_secrets import SYSTEM_ROOTS, watched_directory

_TLS_SOCKET = "envoy.transport_sockets.tls"
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


def place_listener(
    listener: Plain, placement: Placement, options: RenderOptions, source: ConfigSource = "static"
) -> None:
    """Bind *listener* to its real address; name the files of its routes and certificates."""
    _bind(listener["address"], placement)
    if placement.closed_port is not None:
        confine_listener(listener, placement, placement.closed_port)
    chains = listener.get("filter_chains", [])
    if "default_filter_chain" in listener:
        chains = [*chains, listener["default_filter_chain"]]
    for chain in chains:
        _place_tls(chain.get("transport_socket"), placement, options)
        for each in chain.get("filters", []):
            rds = each.get("typed_config", {}).get("rds")
            if rds is not None:
                rds["config_source"] = _resource_source(
                    source, placement, options, rds_path(rds["route_config_name"])
                )


def place_cluster(
    cluster: Plain, placement: Placement, options: RenderOptions, source: ConfigSource = "static"
) -> None:
    """Give *cluster* its real endpoints, or the file that has them, and its real certificate files."""
    if "eds_cluster_config" in cluster:
        service = cluster["eds_cluster_config"].get("service_name") or cluster["name"]
        cluster["eds_cluster_config"]["eds_config"] = _resource_source(
            source, placement, options, eds_path(service)
        )
    if "load_assignment" in cluster:
        place_endpoints(cluster["load_assignment"], placement)
    if placement.closed_port is not None:
        confine(cluster, placement, placement.closed_port)
    _place_tls(cluster.get("transport_socket"), placement, options)


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


def _place_tls(socket: Plain | None, placement: Placement, options: RenderOptions) -> None:
    """Place the files of a transport socket."""
    for context in _tls_contexts(socket):
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


def _tls_contexts(socket: Plain | None) -> Iterator[Plain]:
    if socket is None:
        return
    if socket["name"] == _TLS_SOCKET:
        yield socket["typed_config"]
    yield from _tls_contexts(socket["typed_config"].get("transport_socket"))


def _resource_source(source: ConfigSource, placement: Placement, options: RenderOptions, path: str) -> Plain:
    """Give where endpoints or routes come from: their file, or the aggregated stream."""
    if source in {"ads", "ads-delta"}:
        return to_plain(ads_source(options))
    return _source(placement, path)


def _source(placement: Placement, path: str) -> Plain:
    """Give ``file_source`` in plain form; thousands of clusters need one, so only the path is new."""
    source = dict(_SOURCE)
    source["path_config_source"] = {"path": f"{placement.config_root}/{path}"}
    return source
