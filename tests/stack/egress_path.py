"""The walkthrough's path as hand-written Envoy files: sidecar, egress gateway, two mTLS nodes."""

import json
import ssl
from http.client import HTTPConnection, HTTPSConnection

from bench.placement import ConfigFile
from bench.stack import NodeSpec, ProxySpec, StackSpec
from tests.support.waiting import PATIENCE_S

HOST = "nginx.external.svc.cluster.local"
NAMES = ("192.168.0.63", "192.168.0.64", HOST, "127.0.0.1")
GATEWAY_IP = "10.0.0.9"
NODES = {"v1": ("192.168.0.63", 443), "v2": ("192.168.0.64", 443)}
CERTIFICATE_FILES = {
    "/etc/istio/egressgateway-certs/tls.crt": "client.crt",
    "/etc/istio/egressgateway-certs/tls.key": "client.key",
    "/etc/istio/egressgateway-ca-certs/ca.crt": "ca.crt",
}
API = "type.googleapis.com/envoy"
TLS_CONTEXT = f"{API}.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
HTTP_MANAGER = f"{API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def dump(resources):
    return json.dumps({"version_info": "1", "resources": resources}, indent=1)


def socket_address(address):
    return {"socket_address": {"address": address[0], "port_value": address[1]}}


def admin_address(admin):
    return {"pipe": {"path": admin}} if isinstance(admin, str) else socket_address(admin)


def source(placement, name):
    return {
        "path_config_source": {"path": f"{placement.config_root}/{name}"},
        "resource_api_version": "V3",
    }


def bootstrap(placement, node):
    return ConfigFile(
        "bootstrap.yaml",
        json.dumps(
            {
                "node": {"id": node, "cluster": node},
                "admin": {"address": admin_address(placement.admin)},
                "dynamic_resources": {
                    "cds_config": source(placement, "cds.yaml"),
                    "lds_config": source(placement, "lds.yaml"),
                },
            }
        ),
    )


def listener(placement, name, bind, route, access_log):
    manager = {
        "@type": HTTP_MANAGER,
        "stat_prefix": f"outbound_{name}",
        "rds": {"route_config_name": route, "config_source": source(placement, "rds.yaml")},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{API}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    if access_log:
        manager["access_log"] = [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": f"{API}.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": f"{placement.log_root}/access.log",
                    "log_format": {"json_format": dict(access_log)},
                },
            }
        ]
    return {
        "@type": f"{API}.config.listener.v3.Listener",
        "name": name,
        "address": socket_address(placement.listeners[bind]),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def routes(name, entries):
    return ConfigFile(
        "rds.yaml",
        dump(
            [
                {
                    "@type": f"{API}.config.route.v3.RouteConfiguration",
                    "name": name,
                    "virtual_hosts": [{"name": HOST, "domains": [HOST], "routes": entries}],
                }
            ]
        ),
    )


def assignment(name, address):
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(address)}}]}],
    }


def eds_file(placement, subset, address=None):
    """The endpoint file of one subset; replaced while the proxy runs."""
    name = f"outbound|443|{subset}|{HOST}"
    real = placement.endpoints[address or NODES[subset]]
    body = {"@type": f"{API}.config.endpoint.v3.ClusterLoadAssignment", **assignment(name, real)}
    return ConfigFile(f"eds/{subset}.yaml", dump([body]))


def gateway_files(placement, *, access_log=None, eds=False, tls=("TLSv1_2", "TLSv1_3"), one_shot=False):
    clusters, files = [], []
    for subset, address in NODES.items():
        name = f"outbound|443|{subset}|{HOST}"
        certificate, key, authority = (placement.files[written] for written in CERTIFICATE_FILES)
        context = {
            "@type": TLS_CONTEXT,
            "sni": HOST,
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": tls[0],
                    "tls_maximum_protocol_version": tls[1],
                },
                "tls_certificates": [
                    {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
                ],
                "validation_context": {
                    "trusted_ca": {"filename": authority},
                    "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": HOST}}],
                },
            },
        }
        cluster = {
            "@type": f"{API}.config.cluster.v3.Cluster",
            "name": name,
            "alt_stat_name": name.replace(".", "_"),
            "connect_timeout": "1s",
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
        }
        if one_shot:
            options = {
                "@type": f"{API}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"max_requests_per_connection": 1},
            }
            cluster["typed_extension_protocol_options"] = {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
            }
        if eds:
            files.append(eds_file(placement, subset))
            cluster |= {
                "type": "EDS",
                "eds_cluster_config": {"eds_config": source(placement, f"eds/{subset}.yaml")},
            }
        else:
            cluster |= {
                "type": "STATIC",
                "load_assignment": assignment(name, placement.endpoints[address]),
            }
        clusters.append(cluster)
    entries = [
        {
            "match": {"prefix": "/", "headers": [{"name": "want", "string_match": {"exact": subset}}]},
            "route": {"cluster": f"outbound|443|{subset}|{HOST}", "timeout": "0s"},
        }
        for subset in NODES
    ]
    return [
        *files,
        ConfigFile("cds.yaml", dump(clusters)),
        routes("http.80", entries),
        ConfigFile(
            "lds.yaml",
            dump([listener(placement, "0.0.0.0_80", ("0.0.0.0", 80), "http.80", access_log)]),
        ),
        bootstrap(placement, "egress"),
    ]


def sidecar_files(placement, *, access_log=None):
    name = "outbound|80||istio-egressgateway.istio-system.svc.cluster.local"
    cluster = {
        "@type": f"{API}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": assignment(name, placement.endpoints[(GATEWAY_IP, 80)]),
    }
    return [
        ConfigFile("cds.yaml", dump([cluster])),
        routes("80", [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}]),
        ConfigFile("lds.yaml", dump([listener(placement, "0.0.0.0_80", ("0.0.0.0", 80), "80", access_log)])),
        bootstrap(placement, "sidecar"),
    ]


def egress_spec(
    certificates, *, name="walkthrough", ports=None, gateway=gateway_files, sidecar=sidecar_files
):
    """The walkthrough as a specification; *certificates* is a folder of live material."""
    return StackSpec(
        name=name,
        proxies=(
            ProxySpec("sidecar", "sidecar", "10.0.0.1", (("0.0.0.0", 80),), sidecar),
            ProxySpec("egress", "egress", GATEWAY_IP, (("0.0.0.0", 80),), gateway),
        ),
        nodes=tuple(
            NodeSpec(f"nginx0{number}", address, subset)
            for number, (subset, address) in enumerate(NODES.items(), 1)
        ),
        certificates=certificates,
        files={written: certificates / real for written, real in CERTIFICATE_FILES.items()},
        ports=ports or {},
    )


def entrance(stack):
    """Where the client's requests go in."""
    return stack.component("sidecar").addresses[("0.0.0.0", 80)]


def call(stack, want=None, *, host=HOST, request_id=None, at=None, timeout_s=PATIENCE_S):
    """One request through the path: status, headers, body."""
    headers = {"Host": host}
    if want is not None:
        headers["want"] = want
    if request_id is not None:
        headers["x-bench-id"] = request_id
    connection = HTTPConnection(*(at or entrance(stack)), timeout=timeout_s)
    try:
        connection.request("GET", "/", headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


def call_node(address, *, trust, client=None, server_hostname=HOST):
    """One request to a node directly, with or without a client certificate."""
    context = ssl.create_default_context(cafile=str(trust / "ca.crt"))
    context.check_hostname = False
    if client is not None:
        context.load_cert_chain(client / "client.crt", client / "client.key")
    connection = HTTPSConnection(*address, timeout=PATIENCE_S, context=context)
    try:
        connection.request("GET", "/", headers={"Host": server_hostname})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
