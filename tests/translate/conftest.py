"""What the tests of the translation share: resources, real Envoys, a TLS server that tells who called."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import Registry, build_registry
from bench.translate import ConfigFile

WALKTHROUGH = """
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: partners}
spec:
  ports: [{port: 80, name: http}]
  selector: {app: shop}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: to-egress}
spec:
  hosts: [shop.partners.svc.cluster.local]
  http:
  - match: [{port: 80}]
    route:
    - destination: {host: egress.istio-system.svc.cluster.local, port: {number: 80}}
---
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.partners.svc.cluster.local]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: to-shop}
spec:
  hosts: [shop.partners.svc.cluster.local]
  gateways: [out]
  http:
  - match: [{port: 80, headers: {want: {exact: v1}}}]
    route:
    - destination: {host: shop.partners.svc.cluster.local, port: {number: 443}, subset: v1}
  - match: [{port: 80, headers: {want: {exact: v2}}}]
    route:
    - destination: {host: shop.partners.svc.cluster.local, port: {number: 443}, subset: v2}
---
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: shop}
spec:
  hosts: [shop.partners.svc.cluster.local]
  ports: [{number: 443, name: http-tls, protocol: HTTP}]
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints:
  - {address: 192.0.2.63, ports: {http-tls: 443}, labels: {version: v1}}
  - {address: 192.0.2.64, ports: {http-tls: 443}, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop.partners.svc.cluster.local
  trafficPolicy:
    portLevelSettings:
    - port: {number: 443}
      tls:
        mode: MUTUAL
        clientCertificate: /etc/istio/certs/tls.crt
        privateKey: /etc/istio/certs/tls.key
        caCertificates: /etc/istio/ca-certs/ca.crt
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
"""
"""An egress path like the one that this suite is about: a Service and a ServiceEntry share a host."""

SHOP = "shop.partners.svc.cluster.local"


def walkthrough_inventory(semantics: str = "istio-1.0") -> dict[str, object]:
    """The surroundings of the walkthrough, with real sockets."""
    return {
        "semantics": semantics,
        "proxies": {
            "client": {
                "role": "sidecar",
                "namespace": "default",
                "labels": {"app": "client"},
                "ip": "10.1.0.5",
                "interception": "none",
            },
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
            },
            {"name": "shop", "namespace": "partners", "clusterIP": "10.233.36.124"},
        ],
    }


def registry_of(text: str, inventory: Mapping[str, object]) -> Registry:
    """Load resources from *text* into a registry."""
    return build_registry(load_text(text, "input.yaml"), Inventory.model_validate(inventory))


def write_files(files: Sequence[ConfigFile], root: Path) -> Path:
    """Write rendered files below *root*; give the bootstrap."""
    for file in files:
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    return root / "bootstrap.yaml"


@dataclass
class RunningEnvoy:
    """An Envoy with its admin address."""

    process: subprocess.Popen[bytes]
    admin: str
    log: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=5) as answer:
            return answer.read().decode()

    def stats(self, pattern: str) -> dict[str, int]:
        found = json.loads(self.get(f"/stats?format=json&filter={pattern}"))["stats"]
        return {each["name"]: each["value"] for each in found if "name" in each}

    def ports(self) -> dict[str, int]:
        listeners = json.loads(self.get("/listeners?format=json"))["listener_statuses"]
        return {each["name"]: each["local_address"]["socket_address"]["port_value"] for each in listeners}


@contextlib.contextmanager
def running_envoy(binary: str, bootstrap: Path) -> Iterator[RunningEnvoy]:
    """Run Envoy, as strict about its files as it can be, until the block ends."""
    address, log = bootstrap.parent / "admin-address", bootstrap.parent / "envoy.log"
    command = [
        binary,
        "-c",
        str(bootstrap),
        "--reject-unknown-dynamic-fields",
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--admin-address-path",
        str(address),
        "--drain-time-s",
        "1",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            if address.exists() and address.read_text():
                running = RunningEnvoy(process, address.read_text(), log)
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    if running.get("/ready").strip() == "LIVE":
                        break
            time.sleep(0.05)
        else:
            pytest.fail(f"Envoy is not ready: {log.read_text()}")
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Certificates:
    """A CA, a server certificate for the shop and for loopback, and a client certificate, as files."""

    folder: Path
    ca_key: ec.EllipticCurvePrivateKey

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def pair(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def serial(self, name: str) -> int:
        return x509.load_pem_x509_certificate(self.pair(name)[0].read_bytes()).serial_number


_CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])


def issue_certificates(folder: Path, ca_key: ec.EllipticCurvePrivateKey | None = None) -> Certificates:
    """Write certificates of a CA, a fresh one unless its key is given, into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    issued = Certificates(folder, ca_key or ec.generate_private_key(ec.SECP256R1()))
    issued.ca.write_bytes(_certificate(_CA_NAME, issued.ca_key, issued.ca_key, [], is_ca=True))
    names: list[x509.GeneralName] = [x509.DNSName(SHOP), x509.IPAddress(ip_address("127.0.0.1"))]
    for subject in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private_key = issued.pair(subject)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        certificate.write_bytes(_certificate(name, key, issued.ca_key, names if subject == "server" else []))
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return issued


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    *,
    is_ca: bool = False,
) -> bytes:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_CA_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextlib.contextmanager
def tls_node(name: str, certificates: Certificates) -> Iterator[int]:
    """Serve over mutual TLS; answers say the node's name and the client certificate's serial number."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            certificate = self.connection.getpeercert() or {}
            body = f"{name} {certificate.get('serialNumber')}".encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.pair("server"))
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def call(port: int, host: str, headers: Mapping[str, str] | None = None, path: str = "/") -> tuple[int, str]:
    """Ask ``127.0.0.1:port`` for *path* under the name *host*; give status and body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Host": host, **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
