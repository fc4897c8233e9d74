"""Mutual TLS of the mesh on the first hop: what a user would write for ISTIO_MUTUAL, put into the resources.

The servers of the scenario's gateway terminate it, and the rule of the gateway's Service originates it, with
the workload certificates that the suite makes. Nothing else changes, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.errors import InputError
from bench.istio.hosts import expand_host
from bench.istio.inventory import Proxy
from bench.istio.models import (
    ClientTLSSettings,
    DestinationRule,
    Gateway,
    PortTrafficPolicy,
    Server,
    ServerTLSSettings,
    TrafficPolicy,
)
from bench.istio.resource import Resource, Resources
from bench.scenario.load import LoadedScenario
from bench.scenario.models import WorkloadMaterial

_WORKLOAD = WorkloadMaterial(
    certificate="/etc/certs/cert-chain.pem", privateKey="/etc/certs/key.pem", ca="/etc/certs/root-cert.pem"
)
"""Where Istio's agent puts them."""
_PLAIN = ("HTTP", "HTTP2", "GRPC")


def with_mesh_mtls(loaded: LoadedScenario, *, asked_by: str = "--mesh-mtls") -> LoadedScenario:
    """The scenario with ISTIO_MUTUAL between sidecar and gateway; *asked_by* is what messages call it.

    Raises:
        InputError: there is no gateway, it serves no plain HTTP that could be secured, or its servers need
            more than one server name.
    """
    scenario = loaded.scenario
    name = scenario.traffic.gateway
    if name is None:
        raise InputError(
            f"{asked_by} secures the hop to a gateway, and this scenario has none.",
            where=str(loaded.position("traffic")),
            remedy=f"Leave {asked_by} out.",
        )
    gateway = scenario.inventory.proxies[name]
    secured: list[Resource[Gateway]] = []
    changed: list[Resource[Any]] = []
    for resource in loaded.resources:
        if isinstance(resource.spec, Gateway) and _selects(resource.spec.selector, gateway):
            servers = tuple(_secured(server) for server in resource.spec.servers)
            if servers != resource.spec.servers:
                spec = resource.spec.model_copy(update={"servers": servers})
                secured.append(replace(resource, spec=spec))
                changed.append(secured[-1])
                continue
        changed.append(resource)
    sni = _server_name(loaded, name, secured, asked_by)
    hosts = _service_hosts(loaded, gateway, asked_by)
    port = _own_port(loaded, gateway)
    for host in hosts:
        domain = loaded.scenario.inventory.domain
        changed = _originating(changed, host, sni, domain, beside=secured[0], port=port)
    tls = scenario.tls.model_copy(update={"workload": scenario.tls.workload or _WORKLOAD})
    return replace(
        loaded,
        scenario=scenario.model_copy(update={"tls": tls}),
        resources=Resources(tuple(changed), loaded.resources.warnings),
    )


def _selects(selector: Mapping[str, str], proxy: Proxy) -> bool:
    return all(proxy.labels.get(label) == value for label, value in selector.items())


def _secured(server: Server) -> Server:
    """A plain HTTP server becomes one of ISTIO_MUTUAL; others stay."""
    if server.port.protocol.upper() not in _PLAIN:
        return server
    return server.model_copy(
        update={
            "port": server.port.model_copy(update={"protocol": "HTTPS"}),
            "tls": ServerTLSSettings(mode="ISTIO_MUTUAL"),
        }
    )


def _server_name(loaded: LoadedScenario, name: str, secured: list[Resource[Gateway]], asked_by: str) -> str:
    """The name that the sidecar asks for: a host of the server, by which its filter chain is found."""
    servers = [server for each in secured for server in each.spec.servers if server.tls is not None]
    servers = [server for server in servers if server.tls and server.tls.mode == "ISTIO_MUTUAL"]
    if not servers:
        raise InputError(
            f"{asked_by} finds no Gateway with a plain HTTP server on {name}.",
            where=str(loaded.istio_folder),
            remedy=f"Leave {asked_by} out: its first hop is secured already, or it is not HTTP.",
        )
    if len(servers) > 1:
        raise InputError(
            f"{asked_by} can secure one server of {name}, and there are {len(servers)}: a rule has one SNI.",
            where=str(secured[1 if len(secured) > 1 else 0].position(("spec", "servers"))),
            remedy="Write ISTIO_MUTUAL yourself, with a subset and an `sni` for each.",
        )
    hosts = [host.rpartition("/")[2] for host in servers[0].hosts]
    concrete = next((host for host in hosts if not host.startswith("*")), None)
    return concrete or loaded.scenario.traffic.host.partition(":")[0]


def _service_hosts(loaded: LoadedScenario, gateway: Proxy, asked_by: str) -> list[str]:
    """Full names of the Services whose endpoint the gateway is."""
    domain = loaded.scenario.inventory.domain
    found = [
        f"{fact.name}.{fact.namespace}.svc.{domain}"
        for fact in loaded.scenario.inventory.services
        if fact.selector and _selects(fact.selector, gateway)
    ]
    found += [
        f"{each.name}.{each.namespace}.svc.{domain}"
        for each in loaded.resources.services
        if each.spec.selector and _selects(each.spec.selector, gateway)
    ]
    if not found:
        raise InputError(
            f"{asked_by} finds no Service of the gateway, whose rule could originate TLS.",
            where=str(loaded.position("inventory", "services")),
            remedy="Add it under `inventory: {services: …}` with its selector.",
        )
    return list(dict.fromkeys(found))


def _own_port(loaded: LoadedScenario, gateway: Proxy) -> int | None:
    """The port of the gateway's plain HTTP server, where it has others; None: all of its ports are secured.

    TLS of the clients' own and bytes go on as they are.
    """
    servers = [
        server
        for each in loaded.resources.gateways
        if _selects(each.spec.selector, gateway)
        for server in each.spec.servers
    ]
    plain = {server.port.number for server in servers if server.port.protocol.upper() in _PLAIN}
    others = {server.port.number for server in servers} - plain
    return min(plain) if plain and others else None


def _with_tls(policy: TrafficPolicy, tls: ClientTLSSettings, port: int | None) -> TrafficPolicy:
    """*policy* with *tls*, on *port* alone if one is given; what else it says stays there, too."""
    if port is None:
        return policy.model_copy(update={"tls": tls})
    settings = policy.port_level_settings
    written = [each for each in settings if each.port is not None and each.port.number == port]
    general = PortTrafficPolicy.model_validate({"port": {"number": port}}).model_copy(
        update={
            "load_balancer": policy.load_balancer,
            "connection_pool": policy.connection_pool,
            "outlier_detection": policy.outlier_detection,
        }
    )
    own = (written[0] if written else general).model_copy(update={"tls": tls})
    others = tuple(each for each in settings if each not in written)
    return policy.model_copy(update={"port_level_settings": (*others, own)})


def _originating(
    resources: list[Resource[Any]],
    host: str,
    sni: str,
    domain: str,
    *,
    beside: Resource[Gateway],
    port: int | None,
) -> list[Resource[Any]]:
    """Let the rule of *host* originate TLS, on *port* alone if one is given; without one, add a rule."""
    tls = ClientTLSSettings(mode="ISTIO_MUTUAL", sni=sni)
    found = False
    changed: list[Resource[Any]] = []
    for resource in resources:
        spec = resource.spec
        if isinstance(spec, DestinationRule) and expand_host(spec.host, resource.namespace, domain) == host:
            found = True
            policy = _with_tls(spec.traffic_policy or TrafficPolicy(), tls, port)
            changed.append(replace(resource, spec=spec.model_copy(update={"traffic_policy": policy})))
        else:
            changed.append(resource)
    if found:
        return changed
    rule = DestinationRule.model_validate({"host": host})
    rule = rule.model_copy(update={"traffic_policy": _with_tls(TrafficPolicy(), tls, port)})
    namespace = host.split(".")[1]
    added = Resource(
        kind="DestinationRule",
        api_version="networking.istio.io/v1",
        name="egress-bench-mesh-mtls",
        namespace=namespace,
        labels={},
        annotations={},
        spec=rule,
        order=max(each.order for each in resources) + 1,
        document=beside.document,
        root=beside.root,
    )
    return [*changed, added]
