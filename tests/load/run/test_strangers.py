"""The port where a run waits for workers survives whoever else finds it, and so does the web UI."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from bench.errors import LoadError
from bench.load import LoadOutcome, Progress
from bench.load.locust.web_guard import WebGuard
from bench.load.run import Address, LocustOutputs, run_load, run_worker
from bench.load.run.starting import free_port
from tests.load.locust_processes import locust_processes
from tests.load.run.test_run import by_header, two_subsets
from tests.load.stubs import ROOT, Stub, always, counts
from tests.support.waiting import PATIENCE_S

STRANGER = """
import sys, zmq
from locust.rpc.protocol import Message
socket = zmq.Context().socket(zmq.DEALER)
socket.setsockopt(zmq.IDENTITY, b"stranger")
socket.connect("tcp://127.0.0.1:" + sys.argv[1])
for message in [
    Message("client_ready", "2.47.0", "stranger"),
    Message("egress-coordinator", {"type": "failed", "participant": "x", "group": "PlanUser", "run": 1,
                                   "what": "the stranger ends it.", "remedy": None}, "stranger"),
    Message("quit", None, "stranger"),
]:
    socket.send(message.serialize())
socket.send(b"\\xff\\x00garbage")
print("answered" if socket.poll(2000) else "ignored", flush=True)
"""


def total(outcome: LoadOutcome) -> int:
    counts(outcome)
    return sum(subset.counts.answered for stage in outcome.stages for subset in stage.subsets)


@pytest.mark.slow
def test_garbage_strangers_and_workers_of_other_runs_end_nothing(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    said: list[str] = []

    def pester() -> None:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 10_000, os.urandom(5_000), b"\xff" * 10):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as conn:
                conn.sendall(garbage)
        command = [sys.executable, "-W", "ignore", "-c", STRANGER, str(port)]
        said.append(subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout)
        with pytest.raises(LoadError, match="took this worker"):
            run_worker("127.0.0.1", token="of another run", port=port, wait_s=4)
        said.append("gave up")

    pestering = threading.Thread(target=pester)

    def watch(event) -> None:
        if isinstance(event, Progress) and not pestering.ident:
            pestering.start()

    stop = threading.Event()
    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=100, main_s=120, workers=2, master_port=port)
        ender = threading.Thread(target=lambda: (_wait_for(pestering), stop.set()))
        ender.start()
        outcome = run_load(plan, tmp_path, on_event=watch, stop=stop)
        ender.join()

    assert said == ["ignored\n", "gave up"]
    assert (outcome.reason, outcome.lost_workers) == ("stopped", ())
    assert outcome.generator.workers == 2
    assert total(outcome) > 100
    assert not locust_processes(tmp_path)


def _wait_for(thread: threading.Thread) -> None:
    while not thread.ident:
        threading.Event().wait(0.1)
    thread.join()


@pytest.mark.slow
def test_a_worker_too_many_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_BENCH_TOKEN", "of this run")
    port = free_port("127.0.0.1")
    ended: list[bool] = []

    def join() -> None:
        with pytest.raises(LoadError, match="0 of 1 were taken"):
            run_worker("127.0.0.1", token="of this run", port=port, wait_s=4)
        ended.append(True)

    joining = threading.Thread(target=join)

    def watch(event) -> None:
        if isinstance(event, Progress) and not joining.ident:
            joining.start()

    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=100, main_s=8, workers=2, master_port=port)
        outcome = run_load(plan, tmp_path, on_event=watch)
    joining.join()

    assert outcome.complete
    assert (outcome.generator.workers, total(outcome)) == (2, 50 + 800)
    assert ended == [True]


def test_a_worker_without_a_run_gives_up_with_the_reason() -> None:
    port = free_port("127.0.0.1")
    with pytest.raises(
        LoadError, match=rf"no run at 127\.0\.0\.1:{port} took this worker within 2 s"
    ) as reported:
        run_worker("127.0.0.1", token="t", port=port, wait_s=2)
    assert "token" in reported.value.remedy
    with pytest.raises(LoadError, match="0 worker processes"):
        run_worker("127.0.0.1", token="t", port=port, processes=0)


def test_the_web_ui_refuses_other_sites(tmp_path: Path) -> None:
    web = Address("127.0.0.1", free_port("127.0.0.1"))
    answers: dict[str, int] = {}

    def ask(name: str, method: str, path: str, **headers: str) -> None:
        answers[name] = httpx.request(
            method, f"http://{web}{path}", headers=headers, timeout=PATIENCE_S
        ).status_code

    def watch(event) -> None:
        if not isinstance(event, Progress) or answers or not event.answered:
            return
        ask("as a user", "GET", "/")
        ask("by a link", "GET", "/", **{"Sec-Fetch-Site": "cross-site"})
        ask("other name", "GET", "/", Host="evil.example")
        ask("post of another site", "POST", "/stop", Origin="http://evil.example")
        ask("the same, asked otherwise", "POST", "/stop", **{"Sec-Fetch-Site": "cross-site"})
        ask("figures for another site", "GET", "/stats/requests", **{"Sec-Fetch-Site": "cross-site"})

    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, main_s=5)
        outcome = run_load(plan, tmp_path, on_event=watch, locust_outputs=LocustOutputs(web=web))

    assert outcome.complete
    assert answers == {
        "as a user": 200,
        "by a link": 200,
        "other name": 403,
        "post of another site": 403,
        "the same, asked otherwise": 403,
        "figures for another site": 403,
    }


@pytest.mark.parametrize(
    ("environ", "passes"),
    [
        ({"HTTP_HOST": "127.0.0.1:8089"}, True),
        ({"HTTP_HOST": "[::1]:8089"}, True),
        ({"HTTP_HOST": "localhost:8089"}, True),
        ({"HTTP_HOST": "BOX.example"}, True),
        ({"HTTP_HOST": "box.example.evil"}, False),
        ({"HTTP_HOST": ""}, False),
        ({"HTTP_HOST": "[::1"}, False),
        ({}, False),
        ({"HTTP_HOST": "127.0.0.1:8089", "HTTP_ORIGIN": "http://127.0.0.1:8089"}, True),
        ({"HTTP_HOST": "127.0.0.1:8089", "HTTP_ORIGIN": "http://127.0.0.1:9999"}, False),
        ({"HTTP_HOST": "127.0.0.1:8089", "HTTP_ORIGIN": "null"}, False),
        ({"HTTP_HOST": "127.0.0.1", "HTTP_SEC_FETCH_SITE": "same-origin", "REQUEST_METHOD": "POST"}, True),
        ({"HTTP_HOST": "127.0.0.1", "HTTP_SEC_FETCH_SITE": "same-site", "REQUEST_METHOD": "POST"}, False),
    ],
)
def test_the_guard_knows_its_own(environ: dict[str, str], passes: bool) -> None:
    statuses: list[str] = []
    guard = WebGuard(lambda environ, start: (start("200 OK", []), [b""])[1], "box.example")

    guard({"REQUEST_METHOD": "GET", "PATH_INFO": "/x", **environ}, lambda status, _: statuses.append(status))

    assert statuses == (["200 OK"] if passes else ["403 Forbidden"])
