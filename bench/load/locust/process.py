"""Ties participants and coordinator to one Locust process: messages, reports, pipes to the process above."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

import gevent
import gevent.os
import gevent.queue
import locust.runners
import locust.stats
from locust import events
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from bench.load.engine.arrivals import Share
from bench.load.locust.coordinator import Coordinator
from bench.load.locust.participant import Participant
from bench.load.messages import (
    COMMAND,
    ORDER,
    PARTICIPANT_MESSAGE,
    Broke,
    Counted,
    Done,
    Event,
    Failed,
    Join,
    Lost,
    Order,
    Over,
    Ready,
    Report,
    ShareGiven,
    StopRun,
    WorkerGone,
    WorkersPresent,
    line_of,
)
from bench.load.plan import LoadPlan
from bench.load.run.command import Variable, descriptor, variable
from bench.load.run.merge import Merger

_REPORT_S: Final = 0.5
_BEFORE_QUIT_S: Final = 0.05
_ARRIVALS_S: Final = 0.2
_TO_COORDINATOR: Final = "egress-coordinator"
_TO_PARTICIPANT: Final = "egress-participant"


def plan_from_environment() -> LoadPlan | None:
    """The plan that the environment names, or None."""
    path = variable(Variable.PLAN)
    return LoadPlan.model_validate_json(Path(path).read_text(encoding="utf-8")) if path else None


class LocustProcess:
    """All that one Locust process knows about egress runs."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._participants: dict[str, Participant] = {}
        self._coordinators: dict[str, Coordinator] = {}
        self._group_of: dict[str, str] = {}
        self._mergers: dict[str, Merger] = {}
        self._written: set[str] = set()
        self._pending: list[Report] = []
        self._outbox: gevent.queue.Queue[Join | Ready | Done | Failed] = gevent.queue.Queue()
        self._expected: int | None = None
        self._events_fd = descriptor(Variable.EVENTS)
        if isinstance(self._runner, WorkerRunner):
            self._runner.register_message(_TO_PARTICIPANT, self._on_order)
            _listen(environment.events.report_to_master, self._fill_report)
            gevent.spawn(self._send_all)
        else:
            if isinstance(self._runner, MasterRunner):
                self._runner.register_message(_TO_COORDINATOR, self._on_message)
                _listen(environment.events.worker_report, self._read_report)
            for user_class in environment.user_classes:
                plan = getattr(user_class, "plan", None)
                if isinstance(plan, LoadPlan):
                    self._add_group(
                        user_class.__name__, plan, is_solo=not getattr(user_class, "shared", True)
                    )
            _listen(environment.events.spawning_complete, self._on_spawned)
            _listen(environment.events.test_stopping, self._on_test_stopping)
            _listen(environment.events.test_stop, self._on_test_stop)
            if self._events_fd is not None:
                plan = next(coordinator.plan for coordinator in self._coordinators.values())
                self._expected = plan.workers + plan.remote_workers
                if isinstance(self._runner, MasterRunner):
                    gevent.spawn(self._count_arrivals)
            control = descriptor(Variable.CONTROL)
            if control is not None:
                gevent.spawn(self._obey, control)

    def _add_group(self, group: str, plan: LoadPlan, *, is_solo: bool) -> None:
        self._mergers[group] = Merger(plan)
        self._coordinators[group] = Coordinator(
            plan, self, self._runner, lambda event: self._tell(group, event), is_solo=is_solo
        )

    # --- participants

    def take_part(self, group: str) -> None:
        """Run one participant of *group* in the current greenlet until its share is done."""
        participant = Participant(self._environment, self, group)
        self._participants[participant.id] = participant
        try:
            participant.run()
        finally:
            del self._participants[participant.id]
        raise StopUser

    def send(self, message: Join | Ready | Done | Failed) -> None:
        """Participant to coordinator."""
        if isinstance(self._runner, WorkerRunner):
            self._outbox.put(message)
        else:
            self._deliver(message, "local")

    def send_report(self, report: Report) -> None:
        """Participant to coordinator, with Locust's next report."""
        if isinstance(self._runner, WorkerRunner):
            self._pending.append(report)
        else:
            self._deliver_report(report)

    def _send_all(self) -> None:
        """Engines call from the event loop itself, where nothing may wait: this greenlet sends."""
        for message in self._outbox:
            if isinstance(message, Done | Failed):
                # The counts must be there before the news that there are no more.
                self._runner._send_stats()  # noqa: SLF001 - Locust has no public way to report now
            self._runner.send_message(_TO_COORDINATOR, message.model_dump(mode="json"))

    def _on_order(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._obey_order(ORDER.validate_python(msg.data))

    def _obey_order(self, order: Order) -> None:
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
            self._obey_order(order)

    def _on_message(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._deliver(PARTICIPANT_MESSAGE.validate_python(msg.data), msg.node_id)

    def _deliver(self, message: Join | Ready | Done | Failed, client: str) -> None:
        coordinator = self._coordinators.get(message.group)
        if coordinator is None:
            return
        self._group_of[message.participant] = message.group
        coordinator.receive(message, client)
        is_last = self._expected is not None and coordinator.size == self._expected
        if isinstance(message, Join) and is_last:
            coordinator.begin()

    def _read_report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Locust's signature
        for entry in data.get("egress", ()):
            self._deliver_report(Report.model_validate(entry))

    def _deliver_report(self, report: Report) -> None:
        group = self._group_of.get(report.participant)
        if group is not None:
            self._coordinators[group].receive_report(report)

    def _count_arrivals(self) -> None:
        """Tell how many workers have come, until all have: Locust begins only then."""
        told = -1
        while told != self._expected:
            # Whoever has begun is no longer "ready", and is here all the same.
            present = sum(node.state != STATE_MISSING for node in list(self._runner.clients.values()))
            if present != told:
                told = present
                self._write(WorkersPresent(workers=present))
            gevent.sleep(_ARRIVALS_S)

    def _on_spawned(self, user_count: int) -> None:  # noqa: ARG002 - Locust's signature
        if self._expected is None:
            # Participants join when their greenlets first run, a moment after they were spawned.
            gevent.spawn_later(0.5, self._begin_all)

    def _begin_all(self) -> None:
        for coordinator in self._coordinators.values():
            coordinator.begin()

    def _tell(self, group: str, event: Event) -> None:
        if self._events_fd is not None:
            self._write(event)
            if isinstance(event, Over | Broke):
                gevent.spawn_later(self._before_quit_s(), self._quit)
            return
        merger = self._mergers[group]
        match event:
            case ShareGiven():
                merger.add_worker(event.worker, Share(event.index, event.total), event.name)
            case Counted():
                merger.add(event.worker, event.delta)
            case Lost():
                merger.lose(event.worker, event.detail)
            case Over():
                self._write_outcome(group, event.reason)
            case Broke():
                print(f"{group}: {event.what} {event.remedy or ''}")  # noqa: T201 - Locust's console

    def _write(self, event: Event) -> None:
        """An event for the process above."""
        assert self._events_fd is not None  # noqa: S101 - the caller looked
        _write_all(self._events_fd, line_of(event))

    def _before_quit_s(self) -> float:
        """Locust writes its CSV files once in a while and not at the end: let it do so once more."""
        options = self._environment.parsed_options
        has_csv = options is not None and options.csv_prefix
        return _BEFORE_QUIT_S + (locust.stats.CSV_STATS_INTERVAL_SEC if has_csv else 0.0)

    def _quit(self) -> None:
        self._environment.process_exit_code = 0
        self._runner.quit()
        if self._environment.web_ui is not None:
            # With a web UI, Locust lives as long as that.
            self._environment.web_ui.stop()  # type: ignore[no-untyped-call]

    def _on_test_stopping(self, environment: Environment) -> None:  # noqa: ARG002 - Locust's signature
        """Somebody pressed Stop in the web UI: the participants must learn it before Locust kills them."""
        if self._events_fd is not None:
            for coordinator in self._coordinators.values():
                coordinator.stop("stopped in Locust's web UI")

    def _on_test_stop(self, environment: Environment) -> None:  # noqa: ARG002 - Locust's signature
        if self._events_fd is not None:
            return
        for group in self._mergers:
            if group not in self._written:
                self._write_outcome(group, self._coordinators[group].reason)

    def _write_outcome(self, group: str, reason: str | None) -> None:
        outcome = self._mergers[group].outcome(reason)
        Path(f"{group}.outcome.json").write_text(outcome.model_dump_json(indent=1), encoding="utf-8")
        self._written.add(group)

    def _obey(self, fd: int) -> None:
        """Commands from the process above."""
        pending = b""
        while True:
            gevent.os.make_nonblocking(fd)
            data = gevent.os.nb_read(fd, 1024)
            if not data:
                if fd == descriptor(Variable.LIFELINE):
                    os._exit(70)
                return
            pending += data
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                command = COMMAND.validate_json(line)
                for coordinator in self._coordinators.values():
                    match command:
                        case StopRun():
                            coordinator.stop(command.reason)
                        case WorkerGone():
                            coordinator.lose(command.pid, socket.gethostname(), command.detail)


def of(environment: Environment) -> LocustProcess:
    """What this Locust process knows."""
    return _PROCESSES[environment]


_PROCESSES: dict[Environment, LocustProcess] = {}


def _on_init(environment: Environment, **_: Any) -> None:
    locust.runners.WORKER_REPORT_INTERVAL = _REPORT_S
    _PROCESSES[environment] = LocustProcess(environment)
    lifeline = descriptor(Variable.LIFELINE)
    # One descriptor may be both: whoever reads the commands then notices its end.
    if lifeline is not None and lifeline != descriptor(Variable.CONTROL):
        gevent.spawn(_die_with, lifeline)


def _die_with(fd: int) -> None:
    gevent.os.make_nonblocking(fd)
    while gevent.os.nb_read(fd, 1):
        pass
    os._exit(70)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _listen(hook: Any, listener: Any) -> None:
    """Locust's hooks are untyped."""
    hook.add_listener(listener)


_listen(events.init, _on_init)
