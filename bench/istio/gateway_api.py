"""Documents of the Kubernetes Gateway API: not read, but the VirtualService that says the same is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

GROUP = "gateway.networking.k8s.io"
_FIELDS = {"HTTPRoute": "http", "GRPCRoute": "http", "TLSRoute": "tls", "TCPRoute": "tcp"}


def equivalent(kind: str, data: dict[str, Any]) -> str:
    """Give what to write instead of the document *data* of that *kind*, as a sentence."""
    field = _FIELDS.get(kind)
    spec = data.get("spec")
    if kind == "Gateway":
        return "Write an Istio Gateway (networking.istio.io/v1) with a server for each listener."
    if field is None or not isinstance(spec, dict):
        return "Write what it does as a VirtualService (networking.istio.io/v1)."
    hosts = [str(host) for host in _list(spec, "hostnames")]
    gateways = [_reference(parent) for parent in _list(spec, "parentRefs")]
    routes = [_backend(each) for rule in _list(spec, "rules") for each in _list(rule, "backendRefs")]
    match = f"match: [{{sniHosts: [{', '.join(hosts)}]}}], " if field == "tls" else ""
    return (
        f"The same as a VirtualService: hosts: [{', '.join(hosts) or '*'}], "
        f"gateways: [{', '.join(gateways) or 'mesh'}], "
        f"{field}: [{{{match}route: [{', '.join(routes)}]}}]; matches and filters have fields of their own."
    )


def _list(value: Any, field: str) -> Iterator[Any]:
    items = value.get(field) if isinstance(value, dict) else None
    yield from items if isinstance(items, list) else ()


def _reference(parent: Any) -> str:
    if not isinstance(parent, dict):
        return "mesh"
    name, namespace = parent.get("name", ""), parent.get("namespace")
    return f"{namespace}/{name}" if namespace else str(name)


def _backend(backend: Any) -> str:
    if not isinstance(backend, dict):
        return "{}"
    host = str(backend.get("name", ""))
    if namespace := backend.get("namespace"):
        host = f"{host}.{namespace}.svc.cluster.local"
    port = f", port: {{number: {backend['port']}}}" if "port" in backend else ""
    weight = f", weight: {backend['weight']}" if "weight" in backend else ""
    return f"{{destination: {{host: {host}{port}}}{weight}}}"
