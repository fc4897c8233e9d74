"""Real Envoys for every proxy of a case, and one more Envoy that plays all endpoints outside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import UnsupportedError
from bench.explain.proxies import STAND_INS
from bench.istio.registry import Registry
from bench.translate import AccessLogOptions, Placement, ProxyConfig, RenderOptions, render, translate
from bench.translate.names import VIRTUAL_OUTBOUND
from tests.explain.keys import Keys, all_names
from tests.explain.outside import write_outside
from tests.support.envoy import RunningEnvoy, running_envoy

Address = tuple[str, int]
LOG_FIELDS = {
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "host": "%UPSTREAM_HOST%",
    "id": "%REQ(X-TEST-ID)%",
}


@dataclass
class World:
    """Everything that stands."""

    proxies: dict[str, RunningEnvoy] = field(default_factory=dict)
    listeners: dict[str, dict[Address, int]] = field(default_factory=dict)
    """Proxy -> bind address as translated -> real port."""
    endpoints: dict[Address, Address] = field(default_factory=dict)
    """Address as translated -> real one."""
    client_pair: tuple[str, str] = ("", "")
    """Files of a client certificate and its key."""

    def real(self, address: str) -> str:
        """Give the real ``host:port`` of an endpoint as translated."""
        host, _, port = address.rpartition(":")
        stand_in = self.endpoints.get((host.strip("[]"), int(port)))
        return f"{stand_in[0]}:{stand_in[1]}" if stand_in is not None else address


@contextlib.contextmanager
def standing(registry: Registry, root: Path) -> Iterator[World]:
    """Start the endpoints, then the gateways, then the sidecars; leave out what files alone cannot do."""
    proxies = registry.inventory.proxies
    configs: dict[str, ProxyConfig] = {}
    for name in proxies:
        with contextlib.suppress(UnsupportedError):
            configs[name] = _bound(translate(registry, name, config_source="static", tls_material=STAND_INS))
    gateways = {proxy.ip: name for name, proxy in proxies.items() if proxy.role == "gateway"}
    keys = Keys(root / "keys")
    keys.issue(all_names(registry, configs))
    outside = sorted(
        {
            address
            for config in configs.values()
            for address in config.endpoint_addresses
            if address[0] not in gateways
        }
    )
    world = World(client_pair=(f"{keys.folder}/client.crt", f"{keys.folder}/client.key"))
    with contextlib.ExitStack() as stack:
        if outside:
            ports = stack.enter_context(
                running_envoy(write_outside(outside, keys.folder, root / "outside"))
            ).ports()
            world.endpoints = {address: ("127.0.0.1", ports[f"e{n}"]) for n, address in enumerate(outside)}
        for name in sorted(configs, key=lambda each: proxies[each].role != "gateway"):
            bootstrap = _write(name, configs[name], world.endpoints, keys, root / name)
            world.proxies[name] = stack.enter_context(running_envoy(bootstrap))
            real = world.proxies[name].ports()
            world.listeners[name] = {
                _socket(each): real[each.name] for each in configs[name].listeners if each.name in real
            }
            if proxies[name].role == "gateway":
                _open(world, name, proxies[name].ip, configs)
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


def _open(world: World, name: str, ip: str, configs: Mapping[str, ProxyConfig]) -> None:
    """Let the gateway's address lead to its real listeners, and to none where it does not listen."""
    for (_bind, port), real_port in world.listeners[name].items():
        world.endpoints[ip, port] = ("127.0.0.1", real_port)
    for other in configs.values():
        for address in other.endpoint_addresses:
            if address[0] == ip:
                world.endpoints.setdefault(address, ("127.0.0.1", 1))


def _socket(listener: Any) -> Address:
    socket = listener.address.socket_address
    return socket.address, socket.port_value or 0


def _bound(config: ProxyConfig) -> ProxyConfig:
    """Bind what redirection would have found; without iptables nothing else could reach it."""
    listeners = [each for each in config.listeners if each.name != VIRTUAL_OUTBOUND]
    for listener in listeners:
        listener.bind_to_port = None
    return replace(config, listeners=tuple(listeners))
