"""Ties participants and coordinators to one Locust process: how it gets there what they say to each other."""

from __future__ import annotations

import math
import os
from typing import Any, Final, Protocol

import gevent
import gevent.os
import gevent.queue
import locust.runners
from locust import events
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from bench.load.locust.driven_runs import DrivenRuns
from bench.load.locust.own_runs import OwnRuns
from bench.load.locust.participant import Participant
from bench.load.locust.securing import secure
from bench.load.messages import (
    ORDER,
    PARTICIPANT_MESSAGE,
    Done,
    Failed,
    Join,
    Order,
    Ready,
    Report,
)
from bench.load.variables import Variable, descriptor, variable

_REPORT_S: Final = 0.5
_PATIENCE_S: Final = 300.0
_TO_COORDINATOR: Final = "egress-coordinator"
_TO_PARTICIPANT: Final = "egress-participant"


class Runs(Protocol):
    """What this process has to run, if it coordinates: plans from the process above, or of a user's own."""

    def receive(self, message: Join | Ready | Done | Failed, client: str) -> None:
        """Take a message from a participant in the Locust process *client*."""

    def receive_report(self, report: Report) -> None:
        """Take counts from a participant."""


class LocustProcess:
    """All that one Locust process knows about egress runs."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._participants: dict[str, Participant] = {}
        self._pending: list[Report] = []
        self._outbox: gevent.queue.Queue[Join | Ready | Done | Failed] = gevent.queue.Queue()
        self._is_driven = descriptor(Variable.LIFELINE) is not None
        """Whether plans come from a process above, one after the other."""
        self._runs: Runs | None = None
        if isinstance(self._runner, WorkerRunner):
            self._runner.register_message(_TO_PARTICIPANT, self._on_order)
            listen(environment.events.report_to_master, self._fill_report)
            gevent.spawn(self._send_all)
            return
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(_TO_COORDINATOR, self._on_message)
            listen(environment.events.worker_report, self._read_report)
        self._runs = (
            DrivenRuns(environment, self)
            if descriptor(Variable.EVENTS) is not None
            else OwnRuns(environment, self)
        )

    # --- participants

    def take_part(self, group: str) -> None:
        """Run one participant of *group* in the current greenlet until its share is done."""
        participant = Participant(self._environment, self, group, stays=self._is_driven)
        self._participants[participant.id] = participant
        try:
            participant.run()
        finally:
            del self._participants[participant.id]
        raise StopUser

    def send(self, message: Join | Ready | Done | Failed) -> None:
        """Participant to coordinator."""
        if self._runs is None:
            self._outbox.put(message)
        else:
            self._runs.receive(message, "local")

    def send_report(self, report: Report) -> None:
        """Participant to coordinator, with Locust's next report."""
        if self._runs is None:
            self._pending.append(report)
        else:
            self._runs.receive_report(report)

    def _send_all(self) -> None:
        """Engines call from the event loop itself, where nothing may wait: this greenlet sends."""
        for message in self._outbox:
            if isinstance(message, Done | Failed):
                # The counts must be there before the news that there are no more.
                self._runner._send_stats()  # noqa: SLF001 - Locust has no public way to report now
            self._runner.send_message(_TO_COORDINATOR, message.model_dump(mode="json"))

    def _on_order(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._obey(ORDER.validate_python(msg.data))

    def _obey(self, order: Order) -> None:
        participant = self._participants.get(order.participant)
        if participant is not None:
            participant.obey(order)

    def _fill_report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Locust's signature
        data["egress"] = [report.model_dump(mode="json") for report in self._pending]
        self._pending = []

    # --- coordinator

    def order(self, client: str, order: Order) -> None:
        """Coordinator to participant."""
        if isinstance(self._runner, MasterRunner):
            self._runner.send_message(_TO_PARTICIPANT, order.model_dump(mode="json"), client)
        else:
            self._obey(order)

    def _on_message(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        if self._runs is not None:
            self._runs.receive(PARTICIPANT_MESSAGE.validate_python(msg.data), msg.node_id)

    def _read_report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Locust's signature
        if self._runs is not None:
            for entry in data.get("egress", ()):
                self._runs.receive_report(Report.model_validate(entry))


def of(environment: Environment) -> LocustProcess:
    """What this Locust process knows."""
    return _PROCESSES[environment]


_PROCESSES: dict[Environment, LocustProcess] = {}


def _prepare() -> None:
    """Before Locust makes its runner, which binds or connects at once."""
    locust.runners.WORKER_REPORT_INTERVAL = _REPORT_S
    patience_s = float(variable(Variable.PATIENCE) or _PATIENCE_S)
    locust.runners.CONNECT_RETRY_COUNT = math.ceil(patience_s / locust.runners.CONNECT_TIMEOUT)
    token = variable(Variable.TOKEN)
    if token is not None:
        secure(token)


def _on_init(environment: Environment, **_: Any) -> None:
    _PROCESSES[environment] = LocustProcess(environment)
    joined = descriptor(Variable.JOINED)
    if joined is not None:
        os.write(joined, b"1")
    lifeline = descriptor(Variable.LIFELINE)
    # One descriptor may be both: whoever reads the commands then notices its end.
    if lifeline is not None and lifeline != descriptor(Variable.CONTROL):
        gevent.spawn(_die_with, lifeline)


def _die_with(fd: int) -> None:
    gevent.os.make_nonblocking(fd)
    while gevent.os.nb_read(fd, 1):
        pass
    os._exit(70)


def listen(hook: Any, listener: Any) -> None:
    """Locust's hooks are untyped."""
    hook.add_listener(listener)


_prepare()
listen(events.init, _on_init)
