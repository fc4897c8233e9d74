"""The runs of a user's own locustfile: each EgressUser class drives its plan; the outcome is a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import gevent
from locust.env import Environment

from bench.disks import write_whole
from bench.load.engine.arrivals import Share
from bench.load.locust.coordinator import Coordinator, Orders
from bench.load.messages import (
    Broke,
    Counted,
    Done,
    Event,
    Failed,
    Join,
    Lost,
    Over,
    Ready,
    Report,
    ShareGiven,
)
from bench.load.plan import LoadPlan
from bench.load.run.merge import Merger

_JOIN_S: Final = 10.0
"""Longest time for which users that have been spawned are waited for."""


class OwnRuns:
    """One coordinator and one outcome for each class."""

    def __init__(self, environment: Environment, orders: Orders) -> None:
        self._coordinators: dict[str, Coordinator] = {}
        self._group_of: dict[str, str] = {}
        self._mergers: dict[str, Merger] = {}
        self._written: set[str] = set()
        for user_class in environment.user_classes:
            plan = getattr(user_class, "plan", None)
            if isinstance(plan, LoadPlan):
                is_solo = not getattr(user_class, "shared", True)
                self._add_group(user_class.__name__, plan, orders, environment.runner, is_solo=is_solo)
        self._runner: Any = environment.runner
        hooks: Any = environment.events
        hooks.spawning_complete.add_listener(self._on_spawned)
        hooks.test_stop.add_listener(self._on_test_stop)

    def _add_group(self, group: str, plan: LoadPlan, orders: Orders, runner: Any, *, is_solo: bool) -> None:
        self._mergers[group] = Merger(plan)
        self._coordinators[group] = Coordinator(
            plan, orders, runner, lambda event: self._notify(group, event), is_solo=is_solo
        )

    def receive(self, message: Join | Ready | Done | Failed, client: str) -> None:
        """Take a message from a participant in the Locust process *client*."""
        coordinator = self._coordinators.get(message.group)
        if coordinator is not None:
            self._group_of[message.participant] = message.group
            coordinator.receive(message, client)

    def receive_report(self, report: Report) -> None:
        """Take counts from a participant."""
        group = self._group_of.get(report.participant)
        if group is not None:
            self._coordinators[group].receive_report(report)

    def _on_spawned(self, user_count: int) -> None:  # noqa: ARG002 - Locust's signature
        # Participants join when their greenlets first run, a moment after they were spawned.
        gevent.spawn_later(0.5, self._begin_all)

    def _begin_all(self) -> None:
        deadline = time.monotonic() + _JOIN_S
        for group, coordinator in self._coordinators.items():
            # On a busy machine some take longer; who is not there at the beginning has no share.
            while coordinator.size < self._spawned(group) and time.monotonic() < deadline:
                gevent.sleep(0.05)
            coordinator.begin()

    def _spawned(self, group: str) -> int:
        counts: dict[str, int] = getattr(self._runner, "user_classes_count", None) or {}
        return counts.get(group, 0)

    def _notify(self, group: str, event: Event) -> None:
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

    def _on_test_stop(self, environment: Environment) -> None:  # noqa: ARG002 - Locust's signature
        for group in self._mergers:
            if group not in self._written:
                self._write_outcome(group, self._coordinators[group].reason)

    def _write_outcome(self, group: str, reason: str | None) -> None:
        outcome = self._mergers[group].outcome(reason)
        # Whoever waits for it may end Locust as soon as it is there.
        write_whole(Path(f"{group}.outcome.json"), outcome.model_dump_json(indent=1))
        self._written.add(group)
