"""One load with or without a fault in its middle, and everything that the instruments saw of it."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.errors import BenchError, MeasurementError
from bench.experiment.faults.aims import requests_sent
from bench.experiment.faults.diagnosis import Finding, diagnose
from bench.experiment.faults.evidence import collect
from bench.experiment.faults.field import Field
from bench.experiment.faults.kinds import Fault
from bench.experiment.faults.lateness import generator_limit
from bench.load import LoadEvent, LoadPlan, Progress, StageStarted
from bench.load.run import run_load
from bench.measure import (
    Bookkeeper,
    LoadRunner,
    Matcher,
    TrialPlan,
    expected_shares,
    load_plan,
    second_rows,
    stack_target,
)
from bench.result import RunEvent, SecondRow
from bench.scenario import Constant

WARM_UP_S = 0.5
_BEFORE_S = 0.8
"""Of the measured stage before the fault: what is usual is learnt there."""
_CONNECTIONS = 256
"""This many, so that requests to one node never wait for those to another."""
_MOST_KINDS = 8
_OPEN = 0.25
"""A part of the requests of half a second: this many open ones show that answers do not come."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One load, seen by the instruments."""

    findings: tuple[Finding, ...]
    noticed_s: float | None
    """From the injection to the first instrument that reported it; None: none did, or no injection."""
    noticed_by: str | None
    requests: int
    early: int
    """Wrong answers before the injection: a false alarm."""
    is_balanced: bool = True
    """Whether the ledger of the load balances."""
    seconds: tuple[SecondRow, ...] = ()
    events: tuple[RunEvent, ...] = ()
    limited: str | None = None
    """How late the generator was: what was seen need not be the path's doing. None: it was not."""


@dataclass(slots=True)
class _Watch:
    """What can be said while the load runs."""

    parts: dict[str, Callable[[], bool]]
    """Part -> whether its process is there."""
    rate: float
    started_at: float = 0.0
    injected_at: float | None = None
    healed_at: float | None = None
    """What healing does to requests is not a sign of the fault."""
    noticed_at: float | None = None
    noticed_by: str | None = None
    early: int = 0
    died: dict[str, float] = field(default_factory=dict)
    _known: int = 0

    def see(self, event: LoadEvent) -> None:
        """Take in one event."""
        now = time.monotonic()
        if isinstance(event, StageStarted) and event.kind == "measure":
            self.started_at = event.at
        for name, runs in self.parts.items():
            if name not in self.died and not runs():
                self.died[name] = now - self.started_at
                self._notice(now, "process watch")
        if isinstance(event, Progress):
            if self.injected_at is None:
                self.early = self._known = event.bad
            elif event.bad > self._known or self._open(event) > max(10.0, self.rate * 0.5 * _OPEN):
                self._notice(now, "client")

    @staticmethod
    def _open(event: Progress) -> int:
        return event.due - event.answered - event.bad

    def _notice(self, now: float, instrument: str) -> None:
        if self.noticed_at is None and self.injected_at is not None and self.healed_at is None:
            self.noticed_at, self.noticed_by = now, instrument


class Proving:
    """Runs loads on one stack, one after the other."""

    def __init__(self, ground: Field, folder: Path, run_load: LoadRunner = run_load) -> None:
        """Each load has a folder below *folder*; *run_load* may keep its processes for the next."""
        self._field = ground
        self._folder = folder
        self._run_load = run_load
        self._matcher = Matcher.of_prepared(ground.prepared, ground.topology, ground.material)
        self._bookkeeper = Bookkeeper(ground.stack, ground.topology, self._matcher)
        self._number = 0

    def run(self, run_id: str, fault: Fault | None, *, measure_s: float, arrival_rate: float) -> Observed:
        """Drive one load; with a *fault*, inject and heal it under way.

        Raises:
            LoadError, StackError, MeasurementError: the load could not be driven, the fault not injected, or
                the stack does not recover from it.
        """
        ground = self._field
        self._number += 1
        load = self._load(run_id, measure_s, arrival_rate)
        ground.load = load
        watch = _Watch(
            {
                part.name: functools.partial(ground.parts.runs, part.name)
                for part in ground.stack.components()
            },
            arrival_rate,
        )
        injection = _Injection(ground, fault, watch)
        if fault is not None:
            fault.prepare(ground)
        before = self._bookkeeper.read()

        def on_event(event: LoadEvent) -> None:
            watch.see(event)
            if isinstance(event, StageStarted) and event.kind == "measure":
                injection.start(event.at + _BEFORE_S)

        try:
            outcome = self._run_load(
                load,
                self._folder / f"load-{self._number}",
                on_event=on_event,
                launcher=ground.stack.client(ground.scenario.traffic.client),
            )
        finally:
            injection.finish()
            # What was prepared goes, too, where the load ended before the fault began.
            ground.heal()
        injection.raise_error()
        ledger = self._bookkeeper.close(before, load, outcome)
        after = self._bookkeeper.read()
        findings = diagnose(
            collect(
                load,
                outcome,
                topology=ground.topology,
                before=before,
                after=after,
                ledger=ledger,
                died=watch.died,
                pages={name: f"<h1>{node.word(name)}!</h1>" for name, node in ground.scenario.nodes.items()},
                nodes=_addresses(ground),
                shares={
                    name: {nodes: float(part) for nodes, part in each.of.items()}
                    for name, each in expected_shares(ground.prepared.loaded).items()
                },
            )
        )
        if findings and watch.noticed_at is None and watch.injected_at is not None:
            watch.noticed_at, watch.noticed_by = time.monotonic(), findings[0].instrument
        if fault is not None:
            ground.await_recovery()
        return Observed(
            findings=findings,
            noticed_s=watch.noticed_at - watch.injected_at
            if watch.noticed_at is not None and watch.injected_at is not None
            else None,
            noticed_by=watch.noticed_by,
            requests=ledger.requests,
            early=watch.early,
            is_balanced=ledger.is_balanced,
            seconds=second_rows(fault.title if fault is not None else run_id, "faults", outcome),
            events=tuple(_events(fault, watch)),
            limited=generator_limit(outcome),
        )

    def _load(self, run_id: str, measure_s: float, arrival_rate: float) -> LoadPlan:
        scenario = self._field.scenario
        plan = TrialPlan(
            name="faults",
            experiment="steady",
            config_source=self._field.source,
            schedule=Constant(arrival_rate=arrival_rate),
            measure_s=measure_s,
        )
        load = load_plan(scenario, plan, stack_target(self._field.stack, scenario), run_id)
        # What is injected is on the way by the gateway, and so is what the logs are held against.
        sent = requests_sent(self._field.prepared, self._field.topology)
        requests = tuple(each for each in load.requests if each.name in sent)
        warm_up = load.stages[0].model_copy(update={"duration_s": WARM_UP_S})
        connections = load.connections.model_copy(update={"count": _CONNECTIONS})
        aims = self._field.aims
        aimed = {each.subset for each in (aims.first, aims.second) if each is not None}
        first = [kind for kind in requests if kind.name in aimed]
        others = [kind for kind in requests if kind.name not in aimed]
        # Of a hundred kinds each would have two requests a second: too few to show anything in time.
        kinds = tuple([*first, *others][:_MOST_KINDS]) if len(requests) > _MOST_KINDS else requests
        return load.model_copy(
            update={
                "stages": (warm_up, *load.stages[1:]),
                "connections": connections,
                "requests": kinds,
            }
        )


def _events(fault: Fault | None, watch: _Watch) -> Iterator[RunEvent]:
    """Injection and healing as marks in time."""
    if fault is None or watch.injected_at is None:
        return
    at_s = watch.injected_at - watch.started_at
    yield RunEvent(trial=fault.title, at_s=at_s, kind="fault", label=fault.title)
    if watch.healed_at is not None:
        yield RunEvent(
            trial=fault.title, at_s=watch.healed_at - watch.started_at, kind="healed", label="healed"
        )


class _Injection:
    """Injects and heals at their times, beside the load."""

    def __init__(self, ground: Field, fault: Fault | None, watch: _Watch) -> None:
        self._field = ground
        self._fault = fault
        self._watch = watch
        self._thread: threading.Thread | None = None
        self._cancel = threading.Event()
        self._error: BaseException | None = None

    def start(self, at: float) -> None:
        """Inject at *at* on the monotonic clock."""
        if self._fault is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(self._fault, at), name="fault")
            self._thread.start()

    def finish(self) -> None:
        """Return when the fault is healed, at once if it is not injected yet."""
        self._cancel.set()
        if self._thread is not None:
            self._thread.join()

    def raise_error(self) -> None:
        """Raise what went wrong in injecting or healing."""
        if self._error is None:
            return
        if isinstance(self._error, BenchError):
            raise self._error
        title = self._fault.title if self._fault is not None else ""
        raise MeasurementError(f"the fault {title!r} could not be made: {self._error!r}.") from self._error

    def _run(self, fault: Fault, at: float) -> None:
        try:
            if self._cancel.wait(max(0.0, at - time.monotonic())):
                return
            self._watch.injected_at = time.monotonic()
            try:
                self._field.in_force = True
                fault.inject(self._field)
                # From the end of the injection: a node that reads its files again takes its time.
                self._cancel.wait(fault.hold_s)
            finally:
                self._watch.healed_at = time.monotonic()
                fault.heal(self._field)
        except (BenchError, OSError, psutil.Error, KeyError, StopIteration, LookupError) as error:
            self._error = error


def _addresses(ground: Field) -> dict[str, str]:
    """Real address, as Envoy writes it -> node."""
    return {
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}": name
        for name in ground.scenario.nodes
        for host, port in ground.stack.component(name).addresses.values()
    }


def every_fault() -> Sequence[Fault]:
    """All faults, in the order in which they are injected."""
    from bench.experiment.faults import answers, connections, gateway, nodes, routing, tls  # noqa: PLC0415

    return (
        *nodes.FAULTS,
        *routing.FAULTS,
        *tls.FAULTS,
        *gateway.FAULTS,
        *answers.FAULTS,
        *connections.FAULTS,
    )
