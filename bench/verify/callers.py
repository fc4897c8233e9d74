"""Where calls are made: here, or by one program beside each pod's client that is asked batch after batch."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Protocol, Self

from bench.errors import MeasurementError
from bench.stack import ClientPlace, Stack
from bench.verify.calls import Answer, Call, answer_calls

_PATIENCE_S = 120.0
"""For all calls of one batch together, somewhere else."""
_END_S = 5.0
"""For a program that has nothing more to answer."""


class Caller(Protocol):
    """Makes calls at one place."""

    def __call__(self, calls: Sequence[Call], *, at_once: int = 1) -> Sequence[Answer]:
        """The answers in the order of the calls, of which this many are made at once.

        Raises:
            MeasurementError: the place cannot make calls at all.
        """


class Callers:
    """The callers beside the clients of a stack, each started when it is first asked; a context manager."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._opened = ExitStack()
        self._callers: dict[str, Caller] = {}

    def beside(self, client: str) -> Caller:
        """The caller beside a sidecar; raises ``StackError`` if there is no such place."""
        if client not in self._callers:
            place = self._stack.client(client)
            self._callers[client] = self._opened.enter_context(open_caller(place))
        return self._callers[client]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()


@contextlib.contextmanager
def open_caller(place: ClientPlace | None = None) -> Iterator[Caller]:
    """A caller at *place* or, without one, here; what it started has ended afterwards."""
    if place is None:
        yield answer_calls
        return
    program = _Program(place)
    try:
        yield program
    finally:
        program.close()


def make_calls(calls: Sequence[Call], place: ClientPlace | None = None, *, at_once: int = 1) -> list[Answer]:
    """Make *calls* once; see :func:`open_caller` and :class:`Caller`, also for what is raised."""
    with open_caller(place) as call:
        return list(call(calls, at_once=at_once))


class _Program:
    """A program beside a client: it answers a line of calls by a line of answers until its input ends."""

    def __init__(self, place: ClientPlace) -> None:
        self._place = place
        self._aside = ThreadPoolExecutor(1)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._running: subprocess.Popen[bytes] | None = None

    def __call__(self, calls: Sequence[Call], *, at_once: int = 1) -> list[Answer]:
        if not calls:
            return []
        asked = json.dumps({"at_once": at_once, "calls": [asdict(call) for call in calls]})
        try:
            running = self._start()
            line = self._aside.submit(_exchange, running, asked.encode()).result(_PATIENCE_S)
            answers = [Answer(**answer) for answer in json.loads(line)] if line else None
        except NoAnswer as error:
            self._end()
            raise MeasurementError(
                f"calls cannot be made from the pod: no answers within {_PATIENCE_S:g} s."
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise MeasurementError(f"calls cannot be made from the pod: {error}.") from error
        if answers is None or len(answers) != len(calls):
            raise self._failed(running)
        return answers

    def close(self) -> None:
        """End it: with its input, or else at once."""
        self._end(_END_S)
        self._aside.shutdown()
        self._said.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            self._running = subprocess.Popen(
                self._place.command("caller", ["-m", "bench.verify.calls"], {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
            )
        return self._running

    def _end(self, grace_s: float = 0.0) -> None:
        running = self._running
        if running is None:
            return
        assert running.stdin is not None  # noqa: S101 - a pipe
        assert running.stdout is not None  # noqa: S101 - the same
        with contextlib.suppress(OSError):
            running.stdin.close()
        try:
            running.wait(grace_s)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        running.stdout.close()

    def _failed(self, running: subprocess.Popen[bytes]) -> MeasurementError:
        self._end(_END_S)
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip()
        return MeasurementError(
            f"calls cannot be made from the pod ({running.returncode}). It said:\n{said or '(nothing)'}"
        )


def _exchange(running: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Ask one line and wait for one; none comes from a program that has ended."""
    assert running.stdin is not None  # noqa: S101 - a pipe
    assert running.stdout is not None  # noqa: S101 - the same
    with contextlib.suppress(BrokenPipeError):
        running.stdin.write(line + b"\n")
        running.stdin.flush()
    return running.stdout.readline()
