"""A target that does nothing but answer rightly, for the null-target baseline.

``python -m bench.load.run.stub PLAN`` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from pathlib import Path
from typing import Final

from bench.load.engine.request import encode
from bench.load.plan import LoadPlan, RequestKind

_ID_DIGITS: Final = 13


def answer_to(plan: LoadPlan, kind: RequestKind) -> tuple[bytes, bytes]:
    """A right answer to *kind*, before and after the id."""
    expect = kind.expect
    body = (expect.body_exact if expect.body_exact is not None else (expect.body_contains or "")).encode()
    lines = [f"HTTP/1.1 {expect.status} Stub"]
    if expect.status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    if expect.nodes:
        lines.append(f"{plan.node_header}: {expect.nodes[0]}")
    lines.append(f"{plan.id_header}: ")
    has_body = expect.status not in (204, 304) and kind.method.upper() != "HEAD"
    return "\r\n".join(lines).encode("latin-1"), b"\r\n\r\n" + (body if has_body else b"")


class Stub:
    """Serves any number of connections in one thread."""

    def __init__(self, plan: LoadPlan) -> None:
        self._kinds = [(*encode(plan, kind), *answer_to(plan, kind), kind.name) for kind in plan.requests]
        self._request_id = len(plan.run_id) + 1 + _ID_DIGITS
        self._closes = not plan.connections.keep_alive
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        self.port: int = self._listener.getsockname()[1]

    def serve(self, until_readable: int) -> None:
        """Serve until descriptor *until_readable* is readable."""
        self._epoll.register(until_readable, select.EPOLLIN)
        while True:
            for fd, _ in self._epoll.poll():
                if fd == until_readable:
                    return
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(fd)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[sock.fileno()] = (sock, bytearray())
                self._epoll.register(sock, select.EPOLLIN)

    def _read(self, fd: int) -> None:
        sock, pending = self._connections[fd]
        try:
            data = sock.recv(65_536)
        except OSError:
            data = b""
        if data:
            pending += data
            answer = self._answer(pending)
            if not answer:
                return
            with contextlib.suppress(OSError):
                sock.sendall(answer)
            if not self._closes:
                return
        self._epoll.unregister(fd)
        del self._connections[fd]
        sock.close()

    def _answer(self, pending: bytearray) -> bytes:
        """Answers to all whole requests in *pending*, which are taken out of it."""
        answers = b""
        while pending:
            for head, tail, before, after, _ in self._kinds:
                size = len(head) + self._request_id + len(tail)
                if pending.startswith(head) and len(pending) >= size:
                    answers += before + pending[len(head) : len(head) + self._request_id] + after
                    del pending[:size]
                    break
            else:
                break
        return answers


def main() -> None:
    """Serve the plan named on the command line."""
    plan = LoadPlan.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    stub = Stub(plan)
    sys.stdout.write(f"{stub.port}\n")
    sys.stdout.flush()
    stub.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
