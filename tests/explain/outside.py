"""An Envoy that plays every endpoint outside: it answers 200 on a port for each."""

from __future__ import annotations

from pathlib import Path

import yaml

Address = tuple[str, int]


def write_outside(addresses: list[Address], keys: Path, folder: Path) -> Path:
    """Write the bootstrap of an Envoy that answers 200 on a port for each address, with and without TLS."""
    folder.mkdir(parents=True)
    v3 = "type.googleapis.com/envoy.extensions"
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{v3}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "outside",
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{v3}.filters.http.router.v3.Router"},
                }
            ],
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                    }
                ]
            },
        },
    }
    tls = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{v3}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": f"{keys}/server.crt"},
                        "private_key": {"filename": f"{keys}/server.key"},
                    }
                ],
            },
        },
    }
    proxy_protocol = {
        "@type": f"{v3}.filters.listener.proxy_protocol.v3.ProxyProtocol",
        "allow_requests_without_proxy_protocol": True,
    }
    inspector = {"@type": f"{v3}.filters.listener.tls_inspector.v3.TlsInspector"}
    listeners = [
        {
            "name": f"e{index}",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "listener_filters": [
                {"name": "envoy.filters.listener.proxy_protocol", "typed_config": proxy_protocol},
                {"name": "envoy.filters.listener.tls_inspector", "typed_config": inspector},
            ],
            "filter_chains": [
                {
                    "filter_chain_match": {"transport_protocol": "tls"},
                    "transport_socket": tls,
                    "filters": [manager],
                },
                {"filters": [manager]},
            ],
        }
        for index in range(len(addresses))
    ]
    bootstrap = folder / "bootstrap.yaml"
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    bootstrap.write_text(yaml.safe_dump({"admin": admin, "static_resources": {"listeners": listeners}}))
    return bootstrap
