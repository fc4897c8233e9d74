"""A target that does nothing but answer rightly, for the null-target baseline.

``python stub.py ANSWERS`` prints its port and serves until its standard input ends. A script that imports
nothing of this package, so that it listens at once.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
from pathlib import Path
from typing import Any


class Stub:
    """Serves any number of connections in one thread."""

    def __init__(self, answers: dict[str, Any]) -> None:
        """Read what ``null_target`` writes; bytes are text in which each character is one (Latin-1)."""
        self._kinds = [tuple(part.encode("latin-1") for part in kind) for kind in answers["kinds"]]
        self._request_id: int = answers["id_bytes"]
        self._closes: bool = answers["closes"]
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
            for head, tail, before, after in self._kinds:
                size = len(head) + self._request_id + len(tail)
                if pending.startswith(head) and len(pending) >= size:
                    answers += before + pending[len(head) : len(head) + self._request_id] + after
                    del pending[:size]
                    break
            else:
                break
        return answers


def main() -> None:
    """Serve the answers named on the command line."""
    stub = Stub(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    sys.stdout.write(f"{stub.port}\n")
    sys.stdout.flush()
    stub.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
