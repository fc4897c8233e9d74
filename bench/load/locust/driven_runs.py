"""The runs that a process above asks for: one plan after the other, ordered and reported through pipes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

import gevent
import gevent.os
import locust.stats
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

from bench.load.locust.coordinator import Coordinator, Orders
from bench.load.locust.web_guard import WebGuard
from bench.load.messages import (
    COMMAND,
    Broke,
    Command,
    Done,
    Event,
    Failed,
    Join,
    Quit,
    Ready,
    Report,
    RunPlan,
    StandingBy,
    StopRun,
    WorkerGone,
    WorkersPresent,
    line_of,
)
from bench.load.plan import LoadPlan
from bench.load.variables import Variable, descriptor, variable

_ARRIVALS_S: Final = 0.2
_READ: Final = 65_536


class DrivenRuns:
    """Keeps the participants that have joined, and gives them one plan at a time."""

    def __init__(self, environment: Environment, orders: Orders) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._orders = orders
        self._expected = int(variable(Variable.WORKERS) or 1)
        self._joined: dict[str, tuple[Join, str]] = {}
        self._coordinator: Coordinator | None = None
        self._runs = 0
        events_fd = descriptor(Variable.EVENTS)
        assert events_fd is not None  # noqa: S101 - else nothing would be above
        self._events_fd = events_fd
        hooks: Any = environment.events
        hooks.test_stopping.add_listener(self._on_test_stopping)
        if environment.web_ui is not None:
            app: Any = environment.web_ui.app
            app.wsgi_app = WebGuard(app.wsgi_app, environment.web_ui.host)
        if isinstance(self._runner, MasterRunner):
            self._close_when_full()
            gevent.spawn(self._count_arrivals)
        control = descriptor(Variable.CONTROL)
        if control is not None:
            gevent.spawn(self._read_commands, control)

    # --- participants

    def receive(self, message: Join | Ready | Done | Failed, client: str) -> None:
        """Take a message from a participant in the Locust process *client*."""
        if isinstance(message, Join):
            if len(self._joined) >= self._expected:
                # One too many: nothing waits for it.
                return
            self._joined[message.participant] = (message, client)
            if len(self._joined) == self._expected:
                self._notify(StandingBy())
        elif self._coordinator is not None:
            self._coordinator.receive(message, client)

    def receive_report(self, report: Report) -> None:
        """Take counts from a participant."""
        if self._coordinator is not None:
            self._coordinator.receive_report(report)

    def _close_when_full(self) -> None:
        """Answer no worker beyond those expected: Locust would share its users out again, and end some."""
        server: Any = self._runner.server
        receive = server.recv_from_client

        def receive_invited() -> tuple[str, Any]:
            while True:
                client, message = receive()
                is_full = len(self._joined) >= self._expected or len(self._runner.clients) >= self._expected
                if message.type != "client_ready" or client in self._runner.clients or not is_full:
                    return client, message

        server.recv_from_client = receive_invited

    def _count_arrivals(self) -> None:
        """Report how many workers have come, until all have: Locust begins only then."""
        reported = -1
        while reported != self._expected:
            # Whoever has begun is no longer "ready", and is here all the same.
            present = sum(node.state != STATE_MISSING for node in list(self._runner.clients.values()))
            if present != reported:
                reported = present
                self._notify(WorkersPresent(workers=present))
            gevent.sleep(_ARRIVALS_S)

    # --- commands

    def _read_commands(self, fd: int) -> None:
        """Commands from the process above, one a line."""
        pending = b""
        gevent.os.make_nonblocking(fd)
        while data := gevent.os.nb_read(fd, _READ):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._obey(COMMAND.validate_json(line))
        if fd == descriptor(Variable.LIFELINE):
            os._exit(70)

    def _obey(self, command: Command) -> None:
        match command:
            case RunPlan():
                self._run(Path(command.plan))
            case StopRun():
                if self._coordinator is not None:
                    self._coordinator.stop(command.reason)
            case WorkerGone():
                if self._coordinator is not None:
                    self._coordinator.lose(command.pid, socket.gethostname(), command.detail)
            case Quit():
                gevent.spawn_later(self._before_quit_s(), self._quit)

    def _run(self, path: Path) -> None:
        self._runs += 1
        try:
            plan = LoadPlan.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self._notify(Broke(what=f"the plan {path} cannot be read: {error}."))
            return
        gone = [join for join, client in self._joined.values() if not self._is_there(client)]
        if gone:
            names = ", ".join(f"{join.host} pid {join.pid}" for join in gone)
            self._notify(Broke(what=f"{len(gone)} of {self._expected} workers are gone: {names}."))
            return
        self._coordinator = Coordinator(plan, self._orders, self._runner, self._notify, run=self._runs)
        for join, client in self._joined.values():
            self._coordinator.receive(join, client)
        self._coordinator.begin()

    def _is_there(self, client: str) -> bool:
        if not isinstance(self._runner, MasterRunner):
            return True
        node = self._runner.clients.get(client)
        return node is not None and node.state != STATE_MISSING

    def _before_quit_s(self) -> float:
        """Locust writes its CSV files once in a while and not at the end: let it do so once more."""
        options = self._environment.parsed_options
        has_csv = options is not None and options.csv_prefix
        return locust.stats.CSV_STATS_INTERVAL_SEC if has_csv else 0.0

    def _quit(self) -> None:
        self._environment.process_exit_code = 0
        self._runner.quit()
        if self._environment.web_ui is not None:
            # With a web UI, Locust lives as long as that.
            self._environment.web_ui.stop()  # type: ignore[no-untyped-call]

    def _on_test_stopping(self, environment: Environment) -> None:  # noqa: ARG002 - Locust's signature
        """Somebody pressed Stop in the web UI: the participants must learn it before Locust kills them."""
        if self._coordinator is not None:
            self._coordinator.stop("stopped in Locust's web UI")

    # --- events

    def _notify(self, event: Event) -> None:
        data = line_of(event)
        while data:
            data = data[os.write(self._events_fd, data) :]
