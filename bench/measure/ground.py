"""Where a trial takes place: the stack under load, those beside it, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from bench.errors import BenchError, ControlPlaneLostError, StackError
from bench.load import LoadOutcome, LoadPlan
from bench.measure.bookkeeper import Readings
from bench.measure.hop_times import HopWatch
from bench.measure.meter import Reading
from bench.measure.topology import Topology
from bench.result import ComponentCost, LedgerResult
from bench.stack import Stack


class StackMeter(Protocol):
    """Reads a stack at one moment; see ``bench.measure.meter.Meter``."""

    def read(self) -> Reading:
        """Everything, at once."""

    def costs(
        self, before: Reading, after: Reading, requests: int, peaks: Mapping[str, int]
    ) -> tuple[ComponentCost, ...]:
        """What each part used between two readings."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Bookkeeping(Protocol):
    """Keeps the account of trials on one stack; see ``bench.measure.bookkeeper.Bookkeeper``."""

    def read(self) -> Readings:
        """All hops before the load."""

    def close(self, before: Readings, load: LoadPlan, outcome: LoadOutcome) -> LedgerResult:
        """The account of a trial whose load is over."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a trial takes place."""

    stacks: Mapping[str, Stack]
    """The stack under load and those that are idle beside it, by name."""
    name: str
    """Of the stack under load."""
    meter: StackMeter
    books: Bookkeeping

    way: Topology | None = None
    """Whose logs of some requests are read; None: no proxy keeps one."""

    lost: dict[str, str] = field(default_factory=dict)
    """Stacks whose control plane has died under way, and how it ended."""

    @property
    def stack(self) -> Stack:
        """The stack under load."""
        return self.stacks[self.name]

    def watch_hops(self) -> HopWatch | None:
        """Watch where the time of the requests goes, from now on; None: that is not to be seen."""
        if self.way is None:
            return None
        gateways = self.way.gateways if self.way.has_gateway else ()
        return HopWatch.begin(self.stack, self.way.clients, gateways)

    def check_alive(self) -> None:
        """Raise ``StackError`` that names stack and part if a part of any of the stacks has died.

        Without its control plane a proxy serves on, and the load shows how: that is noted in ``lost``.
        """
        for name, stack in self.stacks.items():
            try:
                stack.check_alive()
            except ControlPlaneLostError as error:
                self.lost.setdefault(name, error.how)

    def read_meter(self) -> Reading:
        """Read the stack under load; errors name it, and the part that died where one has."""
        try:
            return self.meter.read()
        except BenchError as error:
            self.check_alive()
            raise StackError(error.what, where=error.where, remedy=error.remedy).about(
                f"stack {self.name}"
            ) from error
