"""What is fed with broken inputs: every reader of something that others wrote."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.commands.check import check_sources
from bench.commands.explanation import explain_folder
from bench.commands.translation import write_translation
from bench.errors import BenchError
from bench.explain.document import document
from bench.explain.tree import tree
from bench.ledger.tally import Ids, Span, tally_log
from bench.load.engine.reader import ProtocolError, Reader
from bench.preparation import prepare
from bench.report.build import write_report
from bench.scenario.load import load_scenario
from bench.telemetry.access_log import read_envoy_log, read_node_log
from bench.telemetry.admin import Admin
from bench.telemetry.handshake import collect_handshakes
from bench.verify.calls import Call, make_call
from tests.report.synthetic import make_run

TESTS = Path(__file__).parents[1]
SCENARIO = TESTS.parent / "scenarios" / "egress-mtls"
PATIENCE_S = 20.0
"""What takes longer counts as a hang."""


@dataclass(frozen=True)
class Target:
    """One reader: whole inputs to begin with, and what reads a broken one."""

    name: str
    seeds: tuple[str, ...]
    feed: Callable[[bytes, Path], None]
    """Reads the input, in a folder of its own. Errors of ours are answers; anything else is a defect."""
    share: int = 10
    """Of all inputs, in relation to the others: drawing a report takes a second."""


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Let pass what a person would be shown, and see that it can be shown."""
    try:
        yield
    except BenchError as error:
        shown = json.dumps([str(error), error.what, str(error.where), error.remedy])
        if not error.what:
            raise AssertionError(shown) from error


def _scenario(data: bytes, folder: Path) -> None:
    shutil.copytree(SCENARIO, folder / "s")
    (folder / "s" / "scenario.yaml").write_bytes(data)
    with answered():
        check_sources([folder / "s"])
    with answered():
        prepare(load_scenario(folder / "s"))


def _istio(data: bytes, folder: Path) -> None:
    (folder / "a.yaml").write_bytes(data)
    (folder / "inventory.yaml").write_text(
        "proxies:\n  client: {role: sidecar, ip: 10.1.0.5}\n"
        "  egress: {role: gateway, namespace: istio-system, labels: {istio: egressgateway}, ip: 10.1.0.9}\n"
    )
    with answered():
        report = check_sources([folder])
        json.dumps(report.document()).encode()
    for url in ("http://api.test/a", "https://nginx.external.svc.cluster.local/"):
        with answered():
            trace = explain_folder(folder, url, headers=["want: v1"], proxy="client")
            json.dumps(document(trace)).encode()
            tree(trace).encode()
    for role in ("sidecar", "egress"):
        with answered():
            write_translation(folder, role=role, config_source="eds", out=folder / f"out-{role}")


def _request(data: bytes, folder: Path) -> None:
    text = data.decode("utf-8", "replace")
    url, *headers = text.split("\n")
    with answered():
        trace = explain_folder(SCENARIO, url, headers=headers)
        json.dumps(document(trace)).encode()
        tree(trace).encode()


def _logs(data: bytes, folder: Path) -> None:
    path = folder / "access.log"
    path.write_bytes(data)
    with answered():
        collect_handshakes(read_envoy_log(path))
    with answered():
        list(read_node_log(path))
    for proxy in ("gateway", "sidecar", "nginx01"):
        with answered():
            tally_log(proxy, [data[:100], data[100:]], Ids("my-run", (Span(0, 30),)))


@contextlib.contextmanager
def serving(data: bytes) -> Iterator[int]:
    """Give the port of somebody who answers everything with *data* and hangs up."""
    with socket.create_server(("127.0.0.1", 0), backlog=32) as listening:
        listening.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.settimeout(1)
                        connection.recv(65_536)
                        connection.sendall(data)
                        connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


def _admin(data: bytes, _: Path) -> None:
    # Half of the inputs are the body of a good answer, half are the whole answer.
    if not data.startswith(b"HTTP/"):
        data = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data)
    with serving(data) as port, Admin(f"http://127.0.0.1:{port}", timeout_s=2) as admin:
        for ask in (
            admin.stats,
            admin.texts,
            admin.snapshot,
            admin.server_info,
            admin.listeners,
            admin.memory,
            admin.config_dump,
        ):
            with answered():
                ask()


def _answer(data: bytes, _: Path) -> None:
    for cut in (1, 50, len(data) or 1):
        reader = Reader()
        with contextlib.suppress(ProtocolError):
            for begin in range(0, min(len(data), 4000), cut):
                if reader.feed(data[begin : begin + cut]):
                    break
            else:
                reader.finish()
    with serving(data) as port:
        for call in (
            Call(f"http://127.0.0.1:{port}/"),
            Call(f"http://127.0.0.1:{port}/", exactly=(("host", "x"),)),
        ):
            with answered():
                made = make_call(call)
                json.dumps([made.status, made.headers, made.text, made.error]).encode()


def _result(data: bytes, folder: Path) -> None:
    run = make_run(folder)
    (run / "result.json").write_bytes(data)
    with answered():
        write_report(run)


def _read(*patterns: str) -> tuple[str, ...]:
    return tuple(path.read_text() for pattern in patterns for path in sorted(TESTS.parent.glob(pattern)))


def _istio_seeds() -> tuple[str, ...]:
    cases = _read("tests/golden/small/*.yaml")
    # The first document is ours.
    return (*(each.partition("\n---\n")[2] for each in cases), *_read("scenarios/*/istio/*.yaml"))


def _result_seed() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return (make_run(Path(folder)) / "result.json").read_text()


ENVOY_LINE = json.dumps(
    {
        "time": "1700000000.123456",
        "id": "my-run/0000000000003",
        "want": "v1",
        "host": "a.test",
        "method": "GET",
        "path": "/",
        "status": 200,
        "flags": "-",
        "details": "via_upstream",
        "route": "r",
        "cluster": "outbound|80||a.test",
        "upstream": "10.0.0.1:80",
        "attempts": 1,
        "bytes": 5,
        "duration": 512,
        "connection": 3,
        "upstream_connection": 4,
        "failure": "-",
    }
)
NODE_LINE = json.dumps(
    {
        "time": "1700000000.123",
        "node": "nginx01",
        "id": "my-run/0000000000003",
        "status": "200",
        "method": "GET",
        "host": "a.test",
        "uri": "/",
        "bytes": "5",
        "request_time": "0.001",
        "connection": "3",
        "connection_requests": "1",
        "client_verify": "SUCCESS",
        "client_subject": "CN=c",
        "client_serial": "0A",
        "tls_version": "TLSv1.3",
        "cipher": "x",
        "server_name": "a",
        "session": "r",
    }
)
ADMIN = (
    "cluster.a.upstream_rq_total: 5\nhttp.in.downstream_rq_total: 7\nserver.uptime: 3\n",
    """{"version": "9e/1.40.0/Clean/RELEASE/BoringSSL", "state": "LIVE", "uptime_current_epoch": "3s",
 "command_line_options": {"concurrency": 2}}""",
    """{"listener_statuses":
 [{"name": "l", "local_address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}}}]}""",
    '{"allocated": "123", "heap_size": "456"}',
    '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"}]}',
    "HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno",
)
ANSWERS = (
    "HTTP/1.1 200 OK\r\nX-Node: nginx01\r\nX-Bench-Id: r/0000000000001\r\nContent-Length: 2\r\n\r\nv1",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nv1\r\n0\r\nX-A: b\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
    "HTTP/1.0 302 Found\r\nLocation: /x\r\nContent-Type: text/html; charset=latin-1\r\n\r\nbody",
)
REQUESTS = (
    "http://nginx.external.svc.cluster.local/a?b=c\nwant: v1\nx-forwarded-for: 1.2.3.4",
    "https://nginx.external.svc.cluster.local:8443/\nhost: a.test",
    "nginx.external.svc.cluster.local\nwant: v2",
)
TARGETS = (
    Target("scenario.yaml", _read("scenarios/*/scenario.yaml"), _scenario),
    Target("Istio YAML", _istio_seeds(), _istio),
    Target("requests", REQUESTS, _request),
    Target("access logs", (f"{ENVOY_LINE}\n{ENVOY_LINE}\n", f"{NODE_LINE}\n{NODE_LINE}\n"), _logs),
    Target("admin answers", ADMIN, _admin),
    Target("HTTP answers", ANSWERS, _answer),
    Target("result.json", (_result_seed(),), _result, share=1),
)
