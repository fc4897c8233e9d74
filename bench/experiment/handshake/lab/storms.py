"""The handshake storm: all connections new at once under load, and how long p99 is disturbed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Literal, get_args

from bench.analysis.tls import Served, read_wave
from bench.certs import rotate
from bench.errors import BenchError, MeasurementError
from bench.experiment.handshake.lab.bench import Lab, gateway_of
from bench.experiment.handshake.lab.traffic import nodes_of
from bench.experiment.handshake.lab.windows import Step, plan_of
from bench.experiment.run_context import RunContext
from bench.load import LoadEvent, LoadOutcome, StageStarted
from bench.preparation import Variation
from bench.result import Storm
from bench.scenario import Connections, mean_rate
from bench.stack import ComponentFaults, Stack
from bench.telemetry import CONNECTION_FIELDS, Snapshot, difference, read_connections, total

EventName = Literal[
    "gateway-restart", "node-restart", "certificate-rotation", "certificate-rotation-staggered"
]
EVENTS: Final[tuple[EventName, ...]] = get_args(EventName)
_MOST_RATE: Final = 200.0
_CONNECTIONS: Final = 256
_STAGGER_S: Final = 0.7
"""Between two nodes of a slower rotation."""
_GOOD: Final = range(200, 400)


def measure_storms(lab: Lab) -> None:
    """Make each storm once, on a stack of the scenario's own.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    seconds = lab.options.schedule.storm_s
    for event in EVENTS:
        lab.observer.stage(f"storms: {event}", seconds + 5)
        with lab.context(lab.loaded) as run, ExitStack() as running:
            variation = Variation(sidecar_access_log=CONNECTION_FIELDS)
            stack = run.start_stack(running, f"storm-{event}", run.options.other_source, variation)
            faults = lab.options.backend.make_faults(stack)
            found, misrouted = _storm(run, stack, _Trouble(run, stack, faults, event), seconds)
        lab.add(misrouted=misrouted, storms=[found])


@dataclass(slots=True)
class _Trouble:
    """What makes all connections new, made from a thread while the load runs."""

    run: RunContext
    stack: Stack
    faults: ComponentFaults
    event: EventName
    begun_us: int | None = None
    made_us: int | None = None
    """When the last part had been told."""
    failure: BenchError | None = None

    def make(self) -> None:
        self.begun_us = time.time_ns() // 1000
        try:
            self._make()
        except BenchError as error:
            self.failure = error
        self.made_us = time.time_ns() // 1000

    def _make(self) -> None:
        nodes = nodes_of(self.run.prepared)
        match self.event:
            case "gateway-restart":
                gateway = gateway_of(self.run)
                self.faults.kill(gateway)
                self.faults.restart(gateway)
            case "node-restart":
                self.faults.kill(nodes[0])
                self.faults.restart(nodes[0])
            case "certificate-rotation":
                rotate(self.run.material)
                self._reload(nodes, 0.0)
            case "certificate-rotation-staggered":
                rotate(self.run.material)
                self._reload(nodes, _STAGGER_S)

    def _reload(self, nodes: Sequence[str], pause_s: float) -> None:
        """Nodes read new certificates by a reload, and close their idle connections with it."""
        for number, node in enumerate(nodes):
            if number:
                time.sleep(pause_s)
            self.faults.reload(node)


def _storm(run: RunContext, stack: Stack, trouble: _Trouble, seconds: float) -> tuple[Storm, int]:
    rate = min(_MOST_RATE, mean_rate(run.scenario.traffic.schedule) or _MOST_RATE)
    before = _counters(run, stack)
    outcome = _load(run, stack, rate, seconds, trouble.make)
    if trouble.failure is not None:
        raise trouble.failure
    run.check_alive(stack, f"in or before the storm {trouble.event}", outcome)
    if trouble.begun_us is None:
        raise MeasurementError(f"{trouble.event}: the load ended before the storm.")
    # The warm-up shakes hands, too: it is not part of the calm before the storm.
    calm_from_us = trouble.begun_us - round(seconds / 3 * 1e6)
    served = [each for each in _served(run, stack) if each.start_us >= calm_from_us]
    wave = read_wave(served, trouble.begun_us, trouble.made_us)
    storm = Storm(
        event=trouble.event,
        rate=rate,
        requests=wave.requests,
        failed=wave.failed,
        handshakes=_rise(before, _counters(run, stack)),
        p99_before_us=wave.p99_before_us,
        p99_worst_us=wave.p99_worst_us,
        recovered_s=wave.recovered_s,
        deepest_queue=wave.deepest_queue,
    )
    return storm, sum(part.counts.misrouted for stage in outcome.stages for part in stage.subsets)


def _load(
    run: RunContext, stack: Stack, rate: float, seconds: float, make: Callable[[], None]
) -> LoadOutcome:
    """The scenario's traffic; *make* runs in a thread a third of the way into it."""
    timer = threading.Timer(seconds / 3, make)
    plan = plan_of(run, stack, [Step(rate, seconds)], warm_up_s=1.0)
    # What waits must wait where it is counted: in the sidecar's log, not for a free connection of the
    # client.
    connections = Connections(count=max(_CONNECTIONS, run.scenario.traffic.connections.count))
    plan = plan.model_copy(update={"run_id": f"{plan.run_id}.storm", "connections": connections})

    def on_event(event: LoadEvent) -> None:
        match event:
            case StageStarted(kind="measure"):
                timer.start()
            case _:
                return

    try:
        return run.instruments.run_load(
            plan,
            run.record.folder / "logs" / "generator" / "lab-storm",
            on_event=on_event,
            launcher=stack.client(run.scenario.traffic.client),
        )
    finally:
        timer.cancel()
        # A thread that was never started cannot be waited for.
        with contextlib.suppress(RuntimeError):
            timer.join()


def _served(run: RunContext, stack: Stack) -> list[Served]:
    """What the client's sidecar saw: the whole path, with the retries that it made."""
    log = stack.component(run.scenario.traffic.client).access_log
    if log is None:
        raise MeasurementError("the sidecar keeps no access log: the storm cannot be followed.")
    run.instruments.await_logs([log])
    return [
        Served(each.time_us, each.duration_us or 0, each.status in _GOOD) for each in read_connections(log)
    ]


def _counters(run: RunContext, stack: Stack) -> Snapshot:
    with run.instruments.open_meter(stack, gateway_of(run)) as meter:
        return meter.read().gateway


def _rise(before: Snapshot, after: Snapshot) -> int | None:
    """Handshakes in between; None where the gateway was another process before."""
    try:
        return total(difference(before, after), "ssl.handshake")
    except MeasurementError:
        return None
