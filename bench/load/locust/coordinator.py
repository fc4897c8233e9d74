"""The master's side of a run: shares the plan out, starts everyone at once, passes on what they report."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import gevent
from locust.runners import STATE_MISSING

from bench.load.engine.arrivals import Share
from bench.load.locust.participant import clock_id
from bench.load.messages import (
    Began,
    Broke,
    Counted,
    Done,
    Event,
    Failed,
    Go,
    Join,
    Lost,
    Order,
    Over,
    Ready,
    Report,
    SetUp,
    ShareGiven,
    Stop,
)
from bench.load.plan import LoadPlan

_LEAD_S: Final = 0.05
"""Between the order to start and the start, in one process."""
_LEAD_DISTRIBUTED_S: Final = 0.3


class Orders(Protocol):
    """The way from the coordinator to a participant."""

    def order(self, client: str, order: Order) -> None:
        """Deliver *order* to the participant named in it, in the Locust process *client*."""


@dataclass(slots=True)
class _Participant:
    client: str
    clock: str
    name: str
    pid: int
    host: str
    share: Share = field(default_factory=Share)
    is_ready: bool = False
    is_over: bool = False


class Coordinator:
    """Coordinates one group of participants through one plan; everything it learns goes to *notify*."""

    def __init__(
        self,
        plan: LoadPlan,
        orders: Orders,
        runner: Any,
        notify: Callable[[Event], None],
        *,
        run: int = 1,
        is_solo: bool = False,
    ) -> None:
        self._plan = plan
        self._run = run
        self._is_solo = is_solo
        """Each participant has the whole plan for itself, from the moment it joins."""
        self._orders = orders
        self._runner = runner
        self._notify = notify
        self._participants: dict[str, _Participant] = {}
        self._has_begun = False
        self._is_over = False
        self._reason: str | None = None
        self._stop_reason: str | None = None
        self._started_at: float | None = None
        self._watch = gevent.spawn(self._watch_workers)

    @property
    def plan(self) -> LoadPlan:
        """What is coordinated."""
        return self._plan

    @property
    def size(self) -> int:
        """Participants that have joined."""
        return len(self._participants)

    @property
    def reason(self) -> str | None:
        """Why the run is not complete; None if every participant did all that it had to."""
        if self._participants and all(each.is_over for each in self._participants.values()):
            return self._reason
        return self._reason or "stopped"

    def receive(self, message: Join | Ready | Done | Failed, client: str) -> None:
        """Take a message from a participant in the Locust process *client*."""
        if isinstance(message, Join):
            self._join(message, client)
            return
        participant = self._participants.get(message.participant)
        if participant is None or self._is_over or message.run != self._run:
            return
        match message:
            case Ready():
                participant.is_ready = True
                if self._is_solo:
                    at = time.monotonic() + random.uniform(0, _LEAD_S)  # noqa: S311 - a phase
                    self._go(message.participant, at)
                else:
                    self._start_if_ready()
            case Done():
                participant.is_over = True
                if message.reason is not None:
                    # A participant that Locust stops before our order reaches it does not know why.
                    self._reason = self._reason or self._stop_reason or message.reason
                self._finish_if_over()
            case Failed():
                self._is_over = True
                self._notify(Broke(what=message.what, remedy=message.remedy))

    def _join(self, message: Join, client: str) -> None:
        if self._has_begun:
            return
        name = f"{message.host} pid {message.pid}"
        self._participants[message.participant] = _Participant(
            client, message.clock, name, message.pid, message.host
        )
        if self._is_solo:
            self._set_up(message.participant, Share())

    def receive_report(self, report: Report) -> None:
        """Take counts from a participant."""
        if report.participant in self._participants and report.run == self._run:
            self._notify(Counted(worker=report.participant, delta=report.delta))

    def begin(self) -> None:
        """Share the plan out among those who have joined."""
        if self._has_begun or not self._participants or self._is_solo:
            return
        self._has_begun = True
        for index, key in enumerate(self._participants):
            self._set_up(key, Share(index, len(self._participants)))

    def _set_up(self, key: str, share: Share) -> None:
        participant = self._participants[key]
        plan = self._plan
        if self._is_solo:
            plan = plan.model_copy(update={"run_id": f"{plan.run_id}-{len(self._participants)}"})
        index, total = share.index, share.total
        self._notify(ShareGiven(worker=key, name=participant.name, index=index, total=total))
        order = SetUp(participant=key, run=self._run, plan=plan, index=index, total=total)
        self._orders.order(participant.client, order)

    def stop(self, reason: str) -> None:
        """End early; what was measured still arrives. Does nothing once the run is over."""
        if self._is_over:
            return
        if not self._has_begun and not self._is_solo:
            self._is_over = True
            self._notify(Over(reason=reason))
            return
        self._stop_reason = reason
        for key, participant in self._participants.items():
            if not participant.is_over:
                self._orders.order(participant.client, Stop(participant=key, reason=reason))

    def lose(self, pid: int, host: str, detail: str) -> None:
        """The Locust worker process *pid* on *host* is known to be gone."""
        for key, participant in self._participants.items():
            if (participant.pid, participant.host) == (pid, host):
                self._lost(key, detail)

    def _lost(self, key: str, detail: str) -> None:
        participant = self._participants[key]
        if participant.is_over or not self._has_begun:
            return
        participant.is_over = True
        self._notify(Lost(worker=key, detail=detail))
        # Whoever has not been started would keep the others waiting.
        participant.is_ready = True
        self._start_if_ready()
        self._finish_if_over()

    def _start_if_ready(self) -> None:
        if self._started_at is None and all(each.is_ready for each in self._participants.values()):
            self._start()

    def _start(self) -> None:
        lead = (
            _LEAD_S
            if len({each.client for each in self._participants.values()}) == 1
            else _LEAD_DISTRIBUTED_S
        )
        at = time.monotonic() + lead
        self._started_at = at
        self._notify(Began(at=at))
        for key, participant in self._participants.items():
            if not participant.is_over:
                self._go(key, at)

    def _go(self, key: str, at: float) -> None:
        participant = self._participants[key]
        # On another machine the monotonic clock is another one; the way there is short.
        same_clock = participant.clock == clock_id()
        order = Go(participant=key, at=at if same_clock else None, in_s=at - time.monotonic())
        self._orders.order(participant.client, order)

    def _finish_if_over(self) -> None:
        if not (self._is_over or self._is_solo) and all(each.is_over for each in self._participants.values()):
            self._is_over = True
            self._notify(Over(reason=self._reason))

    def _watch_workers(self) -> None:
        """Notice Locust workers that vanished."""
        while not self._is_over:
            gevent.sleep(0.2)
            clients = getattr(self._runner, "clients", None)
            if clients is None:
                return
            for key, participant in list(self._participants.items()):
                node = clients.get(participant.client)
                if node is None or node.state == STATE_MISSING:
                    self._lost(key, "vanished in the middle of the run")
