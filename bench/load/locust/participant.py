"""One EgressUser's side of a run: it owns an engine, and talks to the coordinator through a link."""

from __future__ import annotations

import gc
import os
import socket
import time
import traceback
import uuid
from pathlib import Path
from typing import Protocol

import gevent.event
from locust.env import Environment

from bench.errors import BenchError
from bench.load.engine.arrivals import Share
from bench.load.engine.engine import Engine
from bench.load.locust import statistics as locust_stats
from bench.load.locust.gevent_host import gevent_host
from bench.load.messages import Delta, Done, Failed, Go, Join, Order, Ready, Report, SetUp, Stop


class Link(Protocol):
    """The way from a participant to its coordinator."""

    def send(self, message: Join | Ready | Done | Failed) -> None:
        """Deliver it, in order."""

    def send_report(self, report: Report) -> None:
        """Deliver counts, in order with the messages."""


class Participant:
    """Joins, gets its share of a plan, connects, waits for the start, and runs until its share is done.

    One that *stays* then waits for its share of the next plan.
    """

    def __init__(self, environment: Environment, link: Link, group: str, *, stays: bool = False) -> None:
        self.id = uuid.uuid4().hex
        self.group = group
        self._environment = environment
        self._link = link
        self._stays = stays
        self._order: SetUp | None = None
        """What it works on."""
        self._engine: Engine | None = None
        self._is_over = gevent.event.Event()
        self._is_idle = gevent.event.Event()
        self._is_idle.set()
        self._deltas = 0
        self._reason: str | None = None
        """Why it ended early."""

    def run(self) -> None:
        """Take part until the end; being killed stops the engine and still delivers what it measured."""
        join = Join(
            participant=self.id,
            group=self.group,
            host=socket.gethostname(),
            pid=os.getpid(),
            clock=clock_id(),
        )
        self._link.send(join)
        try:
            self._is_over.wait()
        finally:
            if not self._is_over.is_set():
                self._stop("the user was stopped")
                self._is_idle.wait(3.0)
            if self._engine is not None:
                self._engine.close()

    def obey(self, order: Order) -> None:
        """Do what the coordinator says."""
        match order:
            case SetUp():
                self._set_up(order)
            case Go():
                self._go(order.at, order.in_s)
            case Stop():
                self._stop(order.reason)

    def _set_up(self, order: SetUp) -> None:
        """Build the engine and open its connections."""
        self._order, self._engine, self._reason, self._deltas = order, None, None, 0
        self._is_idle.clear()
        # A full collection of Locust's heap takes longer than the gap between two requests.
        gc.collect()
        gc.freeze()
        try:
            self._engine = Engine(
                order.plan,
                Share(order.index, order.total),
                gevent_host(),
                on_ready=lambda: self._link.send(Ready(participant=self.id, group=self.group, run=order.run)),
                on_delta=self._on_delta,
                on_done=self._on_done,
                on_fatal=self._on_fatal,
            )
            self._engine.connect()
        except Exception as error:  # noqa: BLE001 - reported to the coordinator, which ends the run
            self._on_fatal(error)

    def _go(self, at: float | None, in_s: float) -> None:
        """Start at *at* on the monotonic clock, or *in_s* from now if that clock is another machine's."""
        if self._engine is not None:
            self._engine.start(at if at is not None else time.monotonic() + in_s)

    def _stop(self, reason: str) -> None:
        """End early."""
        self._reason = reason
        if self._engine is not None and not self._is_idle.is_set():
            self._engine.stop()
        elif not self._stays:
            self._is_over.set()

    def _on_delta(self, delta: Delta) -> None:
        order = self._order
        assert order is not None  # noqa: S101 - an engine has a plan
        self._deltas += 1
        numbered = delta.model_copy(update={"number": self._deltas})
        self._link.send_report(Report(participant=self.id, run=order.run, delta=numbered))
        locust_stats.feed(self._environment, order.plan, delta)

    def _on_done(self) -> None:
        order = self._order
        assert order is not None  # noqa: S101 - an engine has a plan
        try:
            self._link.send(Done(participant=self.id, group=self.group, run=order.run, reason=self._reason))
        finally:
            self._settle()

    def _on_fatal(self, error: BaseException) -> None:
        if isinstance(error, BenchError):
            what, remedy = error.what, error.remedy
        else:
            what, remedy = f"the load engine failed: {type(error).__name__}: {error}.", "Please report this."
            traceback.print_exception(error)
        run = self._order.run if self._order is not None else 0
        self._link.send(Failed(participant=self.id, group=self.group, run=run, what=what, remedy=remedy))
        self._settle()

    def _settle(self) -> None:
        self._is_idle.set()
        if not self._stays:
            self._is_over.set()


def clock_id() -> str:
    """Names the monotonic clock: equal on two processes exactly if they share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{socket.gethostname()}-{uuid.getnode()}"
