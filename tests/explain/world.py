"""Real Envoys for every proxy of a case, and one more Envoy that plays all endpoints outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from envoy_data_plane.envoy.config.listener.v3 import ListenerFilter
from envoy_data_plane.envoy.extensions.filters.listener.proxy_protocol.v3 import ProxyProtocol

from bench.errors import UnsupportedError
from bench.explain.clusters import written_address
from bench.explain.proxies import STAND_INS, Proxies
from bench.explain.resources import Sources
from bench.istio.registry import Registry
from bench.istio.resource import Resources
from bench.translate import AccessLogOptions, Placement, ProxyConfig, RenderOptions, render, translate
from bench.translate.messages import pack
from bench.translate.names import VIRTUAL_OUTBOUND
from tests.explain.keys import Keys, all_names
from tests.explain.outside import write_outside
from tests.support.authority import Authority
from tests.support.envoy import RunningEnvoy, running_envoy

Address = tuple[str, int]
_NO_LISTENER: Address = ("192.0.2.254", 1)
Play = Callable[[Authority], Mapping[Address, Address]]
LOG_FIELDS = {
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "host": "%UPSTREAM_HOST%",
    "id": "%REQ(X-TEST-ID)%",
}


@dataclass
class World:
    """Everything that runs."""

    proxies: dict[str, RunningEnvoy] = field(default_factory=dict)
    listeners: dict[str, dict[Address, int]] = field(default_factory=dict)
    """Proxy -> bind address as translated -> real port."""
    endpoints: dict[Address, Address] = field(default_factory=dict)
    """Address as translated -> real one."""
    client_pair: tuple[str, str] = ("", "")
    """Files of a client certificate and its key."""
    elsewhere: Address = ("127.0.0.1", 1)
    """A server that no resource names, for what is passed on to where the client meant it to go."""

    def real(self, address: str) -> str:
        """Give the real ``host:port`` of an endpoint as translated."""
        host, _, port = address.rpartition(":")
        stand_in = self.endpoints.get((host.strip("[]"), int(port)))
        return f"{stand_in[0]}:{stand_in[1]}" if stand_in is not None else address


def endpoint_addresses(config: ProxyConfig) -> list[Address]:
    """Give each endpoint address as translated, once, sorted."""
    assignments = [*config.endpoints, *(each.load_assignment for each in config.clusters)]
    found: set[Address] = set()
    for assignment in assignments:
        for group in assignment.endpoints if assignment is not None else ():
            for endpoint in group.lb_endpoints:
                address = endpoint.endpoint.address if endpoint.endpoint is not None else None
                if address is not None and address.socket_address is not None:
                    found.add((address.socket_address.address, address.socket_address.port_value or 0))
    return sorted(found)


@contextlib.contextmanager
def running(registry: Registry, root: Path, play: Play | None = None) -> Iterator[World]:
    """Start the endpoints, then the gateways, then the sidecars; leave out what files alone cannot do.

    *play* starts other servers for some of the addresses: it is given the authority that all trust.
    """
    proxies = registry.inventory.proxies
    configs: dict[str, ProxyConfig] = {}
    for name in proxies:
        with contextlib.suppress(UnsupportedError):
            config = translate(registry, name, config_source="static", tls_material=STAND_INS)
            configs[name] = _bound(config, is_sidecar=proxies[name].role == "sidecar")
    gateways = {proxy.ip: name for name, proxy in proxies.items() if proxy.role == "gateway"}
    keys = Keys(root / "keys")
    authority = keys.issue(all_names(registry, configs))
    outside = sorted(
        {
            address
            for config in configs.values()
            for address in endpoint_addresses(config)
            if address[0] not in gateways
        }
    )
    world = World(client_pair=(f"{keys.folder}/client.crt", f"{keys.folder}/client.key"))
    with contextlib.ExitStack() as stack:
        # One more listener than there are addresses: it leads nowhere.
        bootstrap = write_outside([*outside, _NO_LISTENER], keys.folder, root / "outside")
        ports = stack.enter_context(running_envoy(bootstrap)).ports()
        world.endpoints = {address: ("127.0.0.1", ports[f"e{n}"]) for n, address in enumerate(outside)}
        world.elsewhere = ("127.0.0.1", ports[f"e{len(outside)}"])
        if play is not None:
            world.endpoints |= play(authority)
        for name in sorted(configs, key=lambda each: proxies[each].role != "gateway"):
            bootstrap = _write(name, configs[name], world.endpoints, keys, root / name)
            world.proxies[name] = stack.enter_context(running_envoy(bootstrap))
            real = world.proxies[name].ports()
            world.listeners[name] = {
                _socket(each): real[each.name] for each in configs[name].listeners if each.name in real
            }
            if proxies[name].role == "gateway":
                _open(world, name, registry, configs)
        yield world


def _write(
    name: str, config: ProxyConfig, endpoints: Mapping[Address, Address], keys: Keys, folder: Path
) -> Path:
    placement = Placement(
        config_root=str(folder),
        log_root=str(folder),
        listeners=dict.fromkeys(config.listener_addresses, ("127.0.0.1", 0)),
        endpoints=endpoints,
        files=keys.files(config),
    )
    options = RenderOptions(
        node_id=name, access_log=AccessLogOptions(LOG_FIELDS), system_roots=f"{keys.folder}/ca.crt"
    )
    for file in render(config, placement, options):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    return folder / "bootstrap.yaml"


def _open(world: World, name: str, registry: Registry, configs: Mapping[str, ProxyConfig]) -> None:
    """Let the gateway's addresses lead to its real listeners, and to none where it does not listen."""
    ports = {port: real for (_bind, port), real in world.listeners[name].items()}
    ip = registry.inventory.proxies[name].ip
    for port, real in ports.items():
        world.endpoints[ip, port] = ("127.0.0.1", real)
    proxies = Proxies(registry, Sources(Resources()))
    for other, config in configs.items():
        for address in endpoint_addresses(config):
            behind = proxies.gateway_behind(written_address(*address), proxies.get(other))
            if behind is not None and behind.proxy == name:
                target = int(behind.address.rpartition(":")[2])
                world.endpoints[address] = ("127.0.0.1", ports.get(target, 1))


def _socket(listener: Any) -> Address:
    socket = listener.address.socket_address
    return socket.address, socket.port_value or 0


def _bound(config: ProxyConfig, *, is_sidecar: bool) -> ProxyConfig:
    """Bind what redirection would have found; without iptables nothing else could reach it.

    Where the client meant to go comes with the PROXY protocol, for sidecars: without such a header it is
    where the client went.
    """
    listeners = [each for each in config.listeners if each.name != VIRTUAL_OUTBOUND]
    for listener in listeners:
        listener.bind_to_port = None
        if is_sidecar:
            reported = ListenerFilter(
                name="envoy.filters.listener.proxy_protocol",
                typed_config=pack(ProxyProtocol(allow_requests_without_proxy_protocol=True)),
            )
            listener.listener_filters = [reported, *listener.listener_filters]
    return replace(config, listeners=tuple(listeners))
