"""Paths of the lab's own: one host behind a gateway, with as many nodes and as tight pools as is asked.

They are Istio YAML like a user's, and go the same way through registry and translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from bench.scenario.load import LoadedScenario, load_scenario

HOST: Final = "lab.example.org"
_CERTIFICATES: Final = "/etc/lab"
Balancing = Literal["ROUND_ROBIN", "RANDOM"]


@dataclass(frozen=True, slots=True)
class LabPath:
    """What the DestinationRule and the nodes of one path say."""

    nodes: int = 2
    per_subset: bool = False
    """A subset, and so a cluster, for each node; else one cluster for all of them."""
    balancing: Balancing = "ROUND_ROBIN"
    requests_per_connection: int | None = None
    idle_timeout_s: float | None = None
    http2: bool = False


def write_path(folder: Path, path: LabPath) -> LoadedScenario:
    """Write *path* as a scenario into *folder*, and read it.

    Raises:
        InputError: it is none; its files say why.
    """
    (folder / "istio").mkdir(parents=True)
    text = yaml.safe_dump_all(_resources(path), sort_keys=False)
    (folder / "istio" / "path.yaml").write_text(text, encoding="utf-8")
    (folder / "scenario.yaml").write_text(yaml.safe_dump(_scenario(path), sort_keys=False), encoding="utf-8")
    return load_scenario(folder)


def node_name(number: int) -> str:
    """The name of a node, counted from 1."""
    return f"node{number}"


def _address(number: int) -> str:
    # RFC 5737: for documentation.
    return f"192.0.2.{10 + number}"


def _numbers(path: LabPath) -> range:
    return range(1, path.nodes + 1)


def _scenario(path: LabPath) -> dict[str, Any]:
    names = [node_name(number) for number in _numbers(path)]
    requests = (
        {f"v{n}": {"headers": {"want": f"v{n}"}, "expect": {"nodes": [node_name(n)]}} for n in _numbers(path)}
        if path.per_subset
        else {"any": {"expect": {"nodes": names}}}
    )
    return {
        "name": "handshake-lab",
        "inventory": {
            "semantics": "current",
            "proxies": {
                "client": {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"},
                "egress": {
                    "role": "gateway",
                    "namespace": "istio-system",
                    "labels": {"istio": "egressgateway"},
                    "ip": "10.1.0.9",
                    "interception": "none",
                },
            },
            "services": [
                {
                    "name": "egress",
                    "namespace": "istio-system",
                    "selector": {"istio": "egressgateway"},
                    "ports": [{"name": "http", "port": 80}],
                }
            ],
        },
        "nodes": {
            node_name(number): {
                "plays": f"{_address(number)}:443",
                "page": f"v{number}",
                "protocol": "http/2" if path.http2 else "http/1.1",
            }
            for number in _numbers(path)
        },
        "tls": {
            "key": "ecdsa-p256",
            "server_names": [f"DNS:{HOST}"],
            "files": {
                f"{_CERTIFICATES}/tls.crt": "client.crt",
                f"{_CERTIFICATES}/tls.key": "client.key",
                f"{_CERTIFICATES}/ca.crt": "ca.crt",
            },
        },
        "traffic": {"client": "client", "gateway": "egress", "url": f"http://{HOST}/", "subsets": requests},
    }


def _resources(path: LabPath) -> list[dict[str, Any]]:
    return [
        _resource(
            "ServiceEntry",
            "lab",
            {
                "hosts": [HOST],
                "ports": [
                    {"number": 80, "name": "http", "protocol": "HTTP"},
                    {"number": 443, "name": "tls", "protocol": "HTTP"},
                ],
                "resolution": "STATIC",
                "endpoints": [
                    {"address": _address(number), "labels": {"version": f"v{number}"}}
                    for number in _numbers(path)
                ],
            },
        ),
        _resource(
            "Gateway",
            "out",
            {
                "selector": {"istio": "egressgateway"},
                "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [HOST]}],
            },
        ),
        _resource("VirtualService", "lab", _routes(path)),
        _resource("DestinationRule", "lab", _rule(path)),
    ]


def _routes(path: LabPath) -> dict[str, Any]:
    def to_node(subset: str | None) -> dict[str, Any]:
        destination: dict[str, Any] = {"host": HOST, "port": {"number": 443}}
        return {"destination": destination | ({"subset": subset} if subset is not None else {})}

    at_gateway: list[dict[str, Any]]
    if path.per_subset:
        at_gateway = [
            {
                "match": [{"gateways": ["out"], "port": 80, "headers": {"want": {"exact": f"v{number}"}}}],
                "route": [to_node(f"v{number}")],
            }
            for number in _numbers(path)
        ]
    else:
        at_gateway = [{"match": [{"gateways": ["out"], "port": 80}], "route": [to_node(None)]}]
    first_hop = {"host": "egress.istio-system.svc.cluster.local", "port": {"number": 80}}
    return {
        "hosts": [HOST],
        "gateways": ["mesh", "out"],
        "http": [
            {"match": [{"gateways": ["mesh"], "port": 80}], "route": [{"destination": first_hop}]},
            *at_gateway,
        ],
    }


def _rule(path: LabPath) -> dict[str, Any]:
    http: dict[str, Any] = {}
    if path.requests_per_connection is not None:
        http["maxRequestsPerConnection"] = path.requests_per_connection
    if path.idle_timeout_s is not None:
        http["idleTimeout"] = f"{round(path.idle_timeout_s * 1000)}ms"
    if path.http2:
        http["h2UpgradePolicy"] = "UPGRADE"
    policy: dict[str, Any] = {
        "loadBalancer": {"simple": path.balancing},
        "tls": {
            "mode": "MUTUAL",
            "clientCertificate": f"{_CERTIFICATES}/tls.crt",
            "privateKey": f"{_CERTIFICATES}/tls.key",
            "caCertificates": f"{_CERTIFICATES}/ca.crt",
            "sni": HOST,
            "subjectAltNames": [HOST],
        },
    }
    if http:
        policy["connectionPool"] = {"http": http}
    rule: dict[str, Any] = {"host": HOST, "trafficPolicy": policy}
    if path.per_subset:
        rule["subsets"] = [{"name": f"v{n}", "labels": {"version": f"v{n}"}} for n in _numbers(path)]
    return rule


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": spec,
    }
