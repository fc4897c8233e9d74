"""Constrained setups of the walkthrough, each with what must be named as its limit."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from bench.preparation import Variation
from bench.scenario.load import LoadedScenario, load_scenario
from bench.stack import Stack
from tests.benchmarks.limits.overload import CGROUPS, Overload, held_back
from tests.support.waiting import wait_until

SHIPPED = Path(__file__).parents[3] / "scenarios" / "egress-mtls"
SLOW_ROUTES = 400
"""Regular expressions that are tried before the right route, each over a long header: milliseconds of CPU for
each request."""
SLOW_NODES = 4_000
LONG = "x" * 4_000
HOST = "nginx.external.svc.cluster.local"

Change = Callable[[Path, dict], None]
"""Changes the Istio folder and the scenario's document."""


@dataclass(frozen=True)
class Constrained:
    """A setup that is constrained on purpose."""

    code: str
    """What must be named, before anything but the machine."""
    part: str | None
    change: Change
    load: Overload
    in_namespace: bool = False
    """In a network namespace of its own, which has few local ports."""


def scenario_of(setup: Constrained, folder: Path) -> LoadedScenario:
    """Write the changed scenario to *folder* and read it."""
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    path = folder / "scenario.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["tls"]["key"] = "ecdsa-p256"
    document["capacity"] = None
    setup.change(folder / "istio", document)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_scenario(folder)


def _slow_routes(istio: Path, file_of: str) -> None:
    """Let the VirtualService of one proxy try many regular expressions first."""
    for path in istio.glob("*.yaml"):
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for document in documents:
            if document and document["metadata"]["name"] == file_of:
                routes = document["spec"]["http"]
                slow = [
                    {
                        "match": [{"port": 80, "headers": {"x-long": {"regex": f".*never{number}(a|b)+c"}}}],
                        "route": routes[0]["route"],
                    }
                    for number in range(SLOW_ROUTES)
                ]
                document["spec"]["http"] = [*slow, *routes]
        path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")


def _send_long_headers(document: dict) -> None:
    for subset in document["traffic"]["subsets"].values():
        subset["headers"]["x-long"] = LONG


def slow_gateway(istio: Path, document: dict) -> None:
    _slow_routes(istio, "vs-nginx-ext-egress")
    _send_long_headers(document)


def slow_sidecar(istio: Path, document: dict) -> None:
    _slow_routes(istio, "vs-mesh")
    _send_long_headers(document)


def one_connection_to_two_workers(istio: Path, document: dict) -> None:
    """HTTP/2 between sidecar and gateway: all requests on one connection, so on one worker."""
    slow_gateway(istio, document)
    document["resources"] = {"egress": {"cpus": 2}}
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "one-connection", "namespace": "istio-system"},
        "spec": {
            "host": "istio-egressgateway.istio-system.svc.cluster.local",
            "trafficPolicy": {"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}},
        },
    }
    (istio / "one-connection.yaml").write_text(yaml.safe_dump(rule), encoding="utf-8")


def _pool(istio: Path, pool: dict) -> None:
    """Limit the gateway's connections to the nodes."""
    for path in istio.glob("*.yaml"):
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for document in documents:
            if document and document["kind"] == "DestinationRule":
                document["spec"]["trafficPolicy"]["portLevelSettings"][0]["connectionPool"] = pool
        path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")


def _answer_late(document: dict) -> None:
    """One connection then carries 50 requests/s, however fast or busy the machine is."""
    for node in document["nodes"].values():
        node["delay"] = 20


def one_connection_and_no_queue(istio: Path, document: dict) -> None:
    _answer_late(document)
    _pool(istio, {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}})


def one_connection_and_a_queue(istio: Path, document: dict) -> None:
    _answer_late(document)
    _pool(istio, {"tcp": {"maxConnections": 1}})


def as_shipped(istio: Path, document: dict) -> None:
    pass


def rsa_2048(istio: Path, document: dict) -> None:
    document["tls"]["key"] = "rsa-2048"


def _a_tenth_of_a_cpu(stack: Stack) -> contextlib.AbstractContextManager[None]:
    if (CGROUPS / "cpu").is_dir():
        return held_back(stack, "egress", "cpu", {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "2000"})
    return held_back(stack, "egress", "cpu", {"cpu.max": "2000 20000"})


@contextlib.contextmanager
def slow_nodes(stack: Stack) -> Iterator[None]:
    """Let each node set a variable very often for each request."""
    for part in stack.components():
        if part.role != "node" or part.config is None or part.pid is None:
            continue
        work = "".join(f'set $work "$request_uri $work_{number}";' for number in range(SLOW_NODES))
        defined = "".join(f"set $work_{number} x;" for number in range(SLOW_NODES))
        text = part.config.read_text(encoding="utf-8")
        part.config.write_text(
            text.replace("server_name localhost;", f"server_name localhost; {defined} {work}"),
            encoding="utf-8",
        )
        before = {child.pid for child in psutil.Process(part.pid).children()}
        os.kill(part.pid, signal.SIGHUP)
        wait_until(lambda pid=part.pid, old=before: _has_new_worker(pid, old))
    yield


def _has_new_worker(pid: int, before: set[int]) -> bool:
    now = {child.pid for child in psutil.Process(pid).children()}
    return bool(now - before) and not now & before


_EACH_ITS_CONNECTION = Variation(max_requests_per_connection=1, max_session_keys=0)

SETUPS: dict[str, Constrained] = {
    "one worker of the gateway, slow routes": Constrained(
        "gateway-worker-cpu", "egress", slow_gateway, Overload(2_000)
    ),
    "two workers of the gateway, one connection": Constrained(
        "one-gateway-worker", "egress", one_connection_to_two_workers, Overload(2_000)
    ),
    "slow routes of the sidecar": Constrained("sidecar-cpu", "sleep", slow_sidecar, Overload(2_000)),
    "nodes that work for milliseconds on each request": Constrained(
        "node-cpu", None, as_shipped, Overload(2_000, around=slow_nodes)
    ),
    "a hundred local ports, a new connection for each request": Constrained(
        "ports",
        "egress",
        as_shipped,
        Overload(600, variation=_EACH_ITS_CONNECTION, seconds=2.0),
        in_namespace=True,
    ),
    "a new TLS connection for each request": Constrained(
        "tls-handshakes", None, rsa_2048, Overload(1_500, variation=_EACH_ITS_CONNECTION)
    ),
    "one connection to each node, no queue": Constrained(
        "circuit-breaker", "egress", one_connection_and_no_queue, Overload(300)
    ),
    "one connection to each node, a queue": Constrained(
        "connection-pool", "egress", one_connection_and_a_queue, Overload(300)
    ),
    "a tenth of a CPU for the gateway": Constrained(
        "cpu-quota", "egress", as_shipped, Overload(1_500, around=_a_tenth_of_a_cpu)
    ),
}
