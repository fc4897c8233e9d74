"""A road between the proxies that reads HTTP/1.1 and may answer by itself, or change answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bench.experiment.faults.relay import Relay
from bench.placement import Address

_END = b"\r\n\r\n"
_BODILESS = (b"1", b"204", b"304")
"""What statuses of answers without a body begin with."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer."""

    lines: tuple[bytes, ...]
    """Its first line and its headers."""
    body: bytes
    """With the marks of its chunks, if it has any."""

    def header(self, name: str) -> bytes | None:
        """The first header of this name."""
        start = name.lower().encode() + b":"
        found = (line for line in self.lines[1:] if line.lower().startswith(start))
        line = next(found, None)
        return line.partition(b":")[2].strip() if line is not None else None

    def with_header(self, name: str, value: bytes) -> Message:
        """The same with this value in place of those of *name*."""
        start = name.lower().encode() + b":"
        kept = (line for line in self.lines if not line.lower().startswith(start))
        return Message((*kept, name.encode() + b": " + value), self.body)

    def encode(self) -> bytes:
        """As it goes over the wire."""
        return b"\r\n".join(self.lines) + _END + self.body


Answering = Callable[[Message], Message | None]
"""Makes the answer to a request, which then goes no further; None: let it pass."""
Changing = Callable[[Message, Message], Message]
"""Makes what the client gets of a request and its answer."""


class HttpRelay(Relay):
    """Relays HTTP/1.1, one request after the other on each connection."""

    def __init__(self, target: Address, *, host: str, answer: Answering, change: Changing) -> None:
        """As ``Relay``, with what becomes of requests and answers."""
        self._answer = answer
        self._change = change
        super().__init__(target, host=host)

    async def _between(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        try:
            while True:
                request = await _read(reader)
                answer = self._answer(request)
                if answer is None:
                    up_writer.write(request.encode())
                    asked = request.lines[0].partition(b" ")[0]
                    answer = self._change(request, await _read(up_reader, answers=asked))
                writer.write(answer.encode())
                await writer.drain()
        finally:
            up_writer.close()


async def _read(reader: asyncio.StreamReader, *, answers: bytes | None = None) -> Message:
    """The next message; *answers*: the method of the request that it answers."""
    head = await reader.readuntil(_END)
    message = Message(tuple(head[: -len(_END)].split(b"\r\n")), b"")
    if answers is not None:
        status = message.lines[0].split(b" ")[1]
        if answers == b"HEAD" or status.startswith(_BODILESS):
            return message
    if (message.header("transfer-encoding") or b"").lower() == b"chunked":
        return Message(message.lines, await _read_chunks(reader))
    return Message(message.lines, await reader.readexactly(int(message.header("content-length") or 0)))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        found += line
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            break
        found += await reader.readexactly(size + 2)
    while line != b"\r\n":
        line = await reader.readuntil(b"\r\n")
        found += line
    return found
