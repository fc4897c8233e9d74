"""Servers that misbehave in one particular way, and a way to send a plan to them."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from bench.errors import LoadError
from bench.load import Expectation, LoadOutcome, LoadPlan, RequestKind, Stage, Target
from bench.load.engine.arrivals import SEQUENCES
from bench.load.packing import unpack_sequences
from bench.result.reasons import Reason, ReasonCode
from bench.scenario.traffic import Connections, Constant

ROOT = Path(__file__).resolve().parents[2]
RST = struct.pack("ii", 1, 0)


class Stub:
    """Accepts on a loopback port; each connection is served by *serve(socket, number)* in a thread."""

    def __init__(self, serve, *, context: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        # A blocked accept only returns if the listener is shut down.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(conn)
            threading.Thread(target=self._one, args=(conn, self.accepted), daemon=True).start()

    def _one(self, conn: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            if self._context is not None:
                conn = self._context.wrap_socket(conn, server_side=True)
                self._open.append(conn)
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(conn, number)
            conn.close()


def read_request(conn: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65_536)
        if not piece:
            raise OSError("closed")
        data += piece
    return data


def request_id_of(request: bytes) -> bytes:
    return request.split(b"x-bench-id: ")[1].split(b"\r\n")[0]


def good(request: bytes, body: bytes = b"<h1>v1!</h1>", node: bytes = b"nginx01") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Node: %s\r\nx-bench-id: %s\r\n\r\n%s" % (
        len(body),
        node,
        request_id_of(request),
        body,
    )


def always(answer):
    """Serve every request on a connection with *answer(request)*."""

    def serve(conn, number) -> None:
        while True:
            conn.sendall(answer(read_request(conn)))

    return serve


def reset(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    conn.close()


def plan_for(
    port: int,
    *,
    rate: float = 200,
    duration_s: float = 0.3,
    schedule=None,
    expect: Expectation | None = None,
    connections: Connections | None = None,
    tls=None,
    **changes,
) -> LoadPlan:
    kind = {"method": changes.pop("method", "GET"), "body": changes.pop("body", "").encode()}
    return LoadPlan(
        run_id="r",
        target=Target(address=changes.pop("address", "127.0.0.1"), port=port, host="test", tls=tls),
        requests=(
            RequestKind(
                name="v1", expect=expect or Expectation(nodes=("nginx01",), body_contains="v1!"), **kind
            ),
        ),
        stages=(
            Stage(
                name="main",
                kind="measure",
                duration_s=duration_s,
                schedule=schedule or Constant(arrival_rate=rate),
            ),
        ),
        connections=connections or Connections(count=4, read_timeout_s=1.0, connect_timeout_s=1.0),
        **changes,
    )


def _start(*options: str, files: int | None = None) -> subprocess.Popen:
    command = [sys.executable, str(Path(__file__).with_name("engine_process.py")), *options]
    if files is not None:
        command = ["prlimit", f"--nofile={files}", *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


_engine: list[subprocess.Popen] = []


def _end() -> None:
    for process in _engine:
        process.kill()
        process.communicate()


atexit.register(_end)


def send(plan: LoadPlan, *, files: int | None = None, portable: bool = False) -> LoadOutcome:
    """Let the engine carry out *plan* in a process of its own.

    Args:
        plan: what to send.
        files: how many files that process may have open; None: as many as this one.
        portable: do without epoll and timerfd.
    """
    is_special = files is not None or portable
    if is_special:
        process = _start(*(["--portable"] if portable else []), files=files)
    else:
        if not _engine or _engine[0].poll() is not None:
            _engine[:] = [_start()]
        process = _engine[0]
    try:
        process.stdin.write(plan.model_dump_json() + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
    finally:
        if is_special:
            process.kill()
            process.communicate()
    if "error" in answer:
        raise LoadError(answer["error"])
    return LoadOutcome.model_validate(answer)


def texts(result) -> dict[str, int]:
    """The reasons in *result*, counts of a subset, as people read them."""
    return {Reason.of(key).text: count for key, count in result.reasons.items()}


def ended(outcome: LoadOutcome) -> dict[ReasonCode, list[int]]:
    """Numbers within the last stage of the requests that ended badly, by code."""
    stage = outcome.stages[-1]
    assert stage.has_all_ended
    first = (len(outcome.stages) - 1) * SEQUENCES
    return {each.code: (unpack_sequences(each.sequences) - first).tolist() for each in stage.ended}


def counts(outcome: LoadOutcome):
    """Counts of the only subset of the last stage; checks that nothing vanished."""
    for stage in outcome.stages:
        for subset in stage.subsets:
            each = subset.counts
            assert each.due == each.sent + each.unsent
            assert each.sent == each.answered + each.failed + each.misrouted
            assert each.failed + each.misrouted + each.unsent == sum(each.reasons.values())
    return outcome.stages[-1].subsets[0].counts
