"""Nothing leaves a stack: no packet and no DNS query goes anywhere but to its own parts.

Each stack runs in a network namespace of its own in which every packet is read as it is sent (AF_PACKET on
the one device; see ``tests/support/netwatch.py``), while requests reach for each of its clusters.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.scenario.load import load_scenario

ROOT = Path(__file__).parents[2]
NETWATCH = ROOT / "tests/support/netwatch.py"
TOUR = ROOT / "tests/support/stack_tour.py"
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]


def has_namespaces():
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"], check=False, capture_output=True)
    return tried.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.envoy,
    pytest.mark.nginx,
    pytest.mark.skipif(not has_namespaces(), reason="needs network namespaces (unshare, ip)"),
]


def watched(tmp_path, *command):
    """Where packets went that went outside, and what the command printed."""
    report = tmp_path / "netwatch.json"
    done = subprocess.run(
        [*UNSHARE, sys.executable, str(NETWATCH), str(report), sys.executable, *map(str, command)],
        cwd=ROOT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    found = json.loads(report.read_text())
    assert found["code"] == 0, done.stderr[-2000:]
    return found["seen"], done.stdout


GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: played, namespace: istio-system}
spec:
  hosts: [played.example]
  gateways: [mesh, istio-system/egress]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [istio-system/egress], port: 80}]
    route: [{destination: {host: played.example, port: {number: 80}}}]
---
"""
AT_THE_GATEWAY = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: istio-system}}
spec:
  hosts: [{name}.example]
  gateways: [istio-system/egress]
  http:
  - route: [{{destination: {{host: {name}.example, port: {{number: 80}}}}}}]
---
"""
PASSTHROUGH = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: passed-on, namespace: istio-system}
spec:
  host: passed-on.example
  exportTo: ["."]
  trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}
---
"""


def entry(name, resolution, *addresses, ports=((80, "http", "HTTP"), (443, "tls", "TLS"))):
    spec = {
        "hosts": [f"{name}.example"],
        "location": "MESH_EXTERNAL",
        "resolution": resolution,
        "ports": [{"number": number, "name": key, "protocol": kind} for number, key, kind in ports],
    }
    if addresses:
        spec["endpoints"] = [{"address": address} for address in addresses]
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": spec,
    }
    return yaml.safe_dump(document) + "---\n" + AT_THE_GATEWAY.format(name=name)


ISTIO = (
    GATEWAY
    + entry("played", "STATIC", "192.0.2.1").partition("---\n")[0]
    + "---\n"
    + entry("unplayed", "DNS")
    + entry("another-name", "DNS", "elsewhere.example.com")
    + entry("one-at-a-time", "DNS_ROUND_ROBIN")
    + entry("elsewhere", "STATIC", "198.51.100.7", "2001:db8::7")
    + entry("socket", "STATIC", "unix:///run/elsewhere.sock", ports=((80, "http", "HTTP"),))
    + entry("passed-on", "STATIC", "198.51.100.8")
    + PASSTHROUGH
)


def write_scenario(folder):
    (folder / "istio").mkdir(parents=True)
    (folder / "istio" / "all.yaml").write_text(ISTIO)
    proxy = {"namespace": "istio-system", "interception": "none"}
    scenario = {
        "name": "confined",
        "inventory": {
            "outbound": "REGISTRY_ONLY",
            "proxies": {
                "client": {**proxy, "role": "sidecar", "namespace": "default", "ip": "10.0.0.5"},
                # Gateways get no redirection whatever is written, as in the form's default.
                "egress": {
                    **proxy,
                    "role": "gateway",
                    "labels": {"istio": "egressgateway"},
                    "ip": "10.0.0.9",
                    "interception": "redirect",
                },
            },
            "services": [
                {
                    "name": "istio-egressgateway",
                    "namespace": "istio-system",
                    "selector": {"istio": "egressgateway"},
                    # The gateway has no listener on 443 and 8080.
                    "ports": [
                        {"name": "http", "port": 80},
                        {"name": "tls", "port": 443},
                        {"name": "http-alt", "port": 8080},
                    ],
                }
            ],
        },
        "nodes": {"played": {"plays": "192.0.2.1:80", "page": "played"}},
        "traffic": {
            "client": "client",
            "gateway": "egress",
            "url": "http://played.example/",
            "subsets": {"every": {"expect": {"nodes": ["played"]}}},
        },
    }
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    return folder


def test_the_watch_sees_connections_datagrams_and_queries(tmp_path):
    """Otherwise it would prove nothing."""
    leak = tmp_path / "leak.py"
    leak.write_text(
        "import socket\n"
        "try: socket.getaddrinfo('leak.example', 80)\n"
        "except OSError: pass\n"
        "try: socket.create_connection(('203.0.113.1', 443), 1)\n"
        "except OSError: pass\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.2', 9))\n"
    )
    seen, _ = watched(tmp_path, leak)

    assert {"198.51.100.53:53", "203.0.113.1:443", "203.0.113.2:9"} <= set(seen)


@pytest.mark.parametrize("source", ["static", "eds"])
def test_a_stack_connects_to_nothing_and_resolves_nothing_outside_of_it(tmp_path, source):
    """Names, addresses and sockets elsewhere, ports without a listener, destinations that a client chose."""
    folder = write_scenario(tmp_path / "scenario")

    seen, said = watched(tmp_path, TOUR, source, folder)

    assert seen == {}
    connections = dict(line.split() for line in said.splitlines())
    # The requests did reach for the clusters: otherwise nothing would have gone out anyhow.
    assert int(connections["client"]) > 5
    assert int(connections["egress"]) > 5


def test_the_shipped_scenarios_stay_within_their_stacks(tmp_path):
    """All of them, one after the other, in one network."""
    folders = sorted(path.parent for path in (ROOT / "scenarios").glob("*/scenario.yaml"))

    seen, said = watched(tmp_path, TOUR, "static", *folders)

    assert seen == {}
    proxies = sum(len(load_scenario(folder).scenario.inventory.proxies) for folder in folders)
    assert len(said.splitlines()) == proxies > len(folders)
