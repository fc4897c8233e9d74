"""Which Envoys of a local stack follow each other, and which of them are not gone yet."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.errors import StackError
from bench.stack.processes import Process
from bench.stack.protocol import HotRestart
from bench.stack.proxies import Epoch


@dataclass(slots=True)
class _Line:
    """The Envoys of one proxy."""

    epoch: Epoch
    """Of the one that serves."""
    former: list[Process] = field(default_factory=list)
    """Those before it, which drain: one, or more after a crash."""
    starting: Process | None = None
    """The one after it."""
    is_broken: bool = False
    """Whether a successor ended before it served: the memory that they share says for ever that one is still
    starting, and Envoy starts no second one then (seen with Envoy 1.40)."""


class Succession:
    """The lines of Envoys in one stack."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._launcher: ThreadPoolExecutor | None = None

    def begin(self, proxy: str, base_id: int, leave: HotRestart) -> Epoch:
        """Begin a line, or another one after a crash; gives its first epoch."""
        epoch = Epoch(base_id, 0, f"{proxy}/hot", leave)
        crashed = self._lines.get(proxy)
        self._lines[proxy] = _Line(epoch, crashed.former if crashed is not None else [])
        return epoch

    def next(self, proxy: str) -> Epoch:
        """The epoch after the one that serves.

        Raises:
            StackError: there can be none, or none yet.
        """
        line = self._lines.get(proxy)
        if line is None:
            raise StackError(f"{proxy} runs without hot restart.")
        if line.is_broken:
            raise StackError(
                f"{proxy} cannot be restarted hot any more: a successor has ended before it served.",
                remedy="Let an Envoy validate the files before.",
            )
        if self.former(proxy):
            raise StackError(f"the former Envoy of {proxy} has not ended yet.")
        now = line.epoch
        return Epoch(now.base_id, now.number + 1, now.socket, now.leave)

    def launch(self, make: Callable[[], Process]) -> Process:
        """Start an Envoy from a thread that lives as long as the stack.

        An Envoy with hot restart has itself ended by the kernel when the thread that started it ends
        (``PR_SET_PDEATHSIG``; seen with Envoy 1.40), which may be long before the stack does.
        """
        if self._launcher is None:
            self._launcher = ThreadPoolExecutor(1, thread_name_prefix="envoys")
        return self._launcher.submit(make).result()

    def expect(self, proxy: str, successor: Process) -> None:
        """Note a successor that starts, so that it ends with the stack."""
        self._lines[proxy].starting = successor

    def give_up(self, proxy: str, successor: Process) -> None:
        """End a successor that does not serve."""
        successor.end()
        line = self._lines[proxy]
        line.starting = None
        line.is_broken = True

    def follow(self, proxy: str, epoch: Epoch, former: Process) -> None:
        """Note that the successor that started serves as *epoch*, and that *former* is left to drain."""
        line = self._lines[proxy]
        line.epoch = epoch
        line.starting = None
        line.former.append(former)

    def former(self, proxy: str | None = None) -> list[Process]:
        """The processes that drain, without those that have ended in peace."""
        lines = [line for name, line in self._lines.items() if proxy in {None, name}]
        for line in lines:
            line.former = [each for each in line.former if each.exit_code() != 0]
        return [each for line in lines for each in line.former]

    def others(self) -> list[Process]:
        """The processes beside those that serve: what drains, and what starts."""
        starting = [line.starting for line in self._lines.values() if line.starting is not None]
        return [*self.former(), *starting]

    def close(self) -> None:
        """Forget all lines; their processes are to be ended before."""
        if self._launcher is not None:
            self._launcher.shutdown()
            self._launcher = None
        self._lines.clear()
