"""What the tests of the translation share: resources, real Envoys, a TLS server that reports who called."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import Registry, build_registry
from bench.translate import ConfigFile
from tests.support.authority import Authority, PrivateKey
from tests.support.waiting import PATIENCE_S

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


def issue_certificates(folder: Path, ca_key: PrivateKey | None = None) -> Authority:
    """Write a CA, a server certificate for the shop and for loopback, and a client certificate."""
    issued = Authority(folder, key=ca_key)
    issued.issue("server", [SHOP, "127.0.0.1"])
    issued.issue("client")
    return issued


@contextlib.contextmanager
def tls_node(name: str, certificates: Authority) -> Iterator[int]:
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
    context.load_verify_locations(certificates.file)
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
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
