"""What an experiment works with beside its stacks; tests put others in their place."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.certs import Material
from bench.load import LoadOutcome, LoadPlan
from bench.load.run import Launcher, LoadGenerator, measure_null_target_baseline, run_load
from bench.measure import Bookkeeper, Bookkeeping, LoadRunner, Matcher, Meter, StackMeter, Topology
from bench.preparation import Prepared
from bench.report import write_report
from bench.stack import Stack
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.telemetry import wait_until_flushed
from bench.verify.callers import Caller
from bench.verify.calls import answer_calls
from bench.verify.verifier import Verifier, Verifying


class BaselineRunner(Protocol):
    """Measures the generator on a target that answers at once; see ``bench.load.run.null_target``."""

    def __call__(self, plan: LoadPlan, folder: Path, *, launcher: Launcher | None = None) -> LoadOutcome:
        """What it returned."""


class MeterOpener(Protocol):
    """Reads a stack at the edges of the measured stage; see ``bench.measure.meter``."""

    def __call__(self, stack: Stack, gateway: str, sidecars: Sequence[str] = ()) -> StackMeter:
        """A meter of *stack* that reads the counters of *gateway*, and of *sidecars*."""


class BooksOpener(Protocol):
    """Keeps the account of the trials on one stack; see ``bench.measure.bookkeeper``."""

    def __call__(self, stack: Stack, topology: Topology, matcher: Matcher | None = None) -> Bookkeeping:
        """The books of one stack."""


def await_logs(paths: Sequence[Path]) -> None:
    """Return when these access logs have grown no more for two of the nodes' flush intervals."""
    wait_until_flushed(paths, quiet_s=2 * FLUSH_INTERVAL_S)


@dataclass(frozen=True, slots=True)
class Instruments:
    """By default the real ones."""

    clock: Callable[[], float] = time.monotonic
    """Seconds, for spans."""
    run_load: LoadRunner = run_load
    measure_baseline: BaselineRunner = measure_null_target_baseline
    call: Caller = answer_calls
    """Makes single calls."""
    make_verifier: Callable[[Prepared, Material], Verifying] = Verifier
    open_meter: MeterOpener = Meter
    keep_books: BooksOpener = Bookkeeper
    await_logs: Callable[[Sequence[Path]], None] = await_logs
    write_report: Callable[[Path], Path] = write_report


REAL = Instruments()


@contextlib.contextmanager
def one_generator(instruments: Instruments, folder: Path) -> Iterator[Instruments]:
    """The same instruments, with one generator that is started once and kept for all loads.

    Those with a load runner of their own stay as they are. *folder* gets Locust's output.
    """
    if instruments.run_load is not run_load:
        yield instruments
        return
    with LoadGenerator(folder) as generator:
        yield replace(
            instruments,
            run_load=generator.run_load,
            measure_baseline=functools.partial(measure_null_target_baseline, run_load=generator.run_load),
        )
