"""Feed a target, and collect tracebacks and hangs."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.commands import check
from bench.commands.envoy_validation import Validation
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import PATIENCE_S, Target


class HangError(BaseException):
    """An input took too long; no handler of ours may take it for its own."""


@dataclass(frozen=True)
class Defect:
    """An input that ended in something else than an answer."""

    target: str
    number: int
    data: bytes
    what: str

    def __str__(self) -> str:
        return f"{self.target} #{self.number}: {self.what}\n{self.data[:2000]!r}"


def fuzz(target: Target, *, inputs: int, seed: int) -> list[Defect]:
    """Feed *inputs* broken inputs, the same ones for the same *seed*."""
    mutator = Mutator(target.seeds, seed)
    defects = []
    with without_envoy():
        for number in range(inputs):
            data = mutator.next()
            what = _fed(target, data)
            if what is not None:
                defects.append(Defect(target.name, number, data, what))
    return defects


def _fed(target: Target, data: bytes) -> str | None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        try:
            with limited():
                target.feed(data, Path(folder))
        except HangError:
            return f"no end within {PATIENCE_S:g} s: {traceback.format_exc(limit=-6)}"
        except Exception:  # noqa: BLE001 - the whole point
            return traceback.format_exc(limit=-8)
    return None


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """End the block after its time; a loop in C that no signal reaches ends the process with its stack."""

    def ring(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    faulthandler.dump_traceback_later(3 * PATIENCE_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def without_envoy() -> Iterator[None]:
    """Leave Envoy's own opinion out: its start would be all that is measured here."""
    before = check.validate
    check.validate = lambda *_: Validation((), ())  # type: ignore[assignment]
    try:
        yield
    finally:
        check.validate = before
