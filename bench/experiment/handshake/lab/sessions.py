"""How often the gateway resumes sessions, by what both ends keep, beside the prediction."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from bench.analysis.tls import Attempt, Sessions, predict_full_after, predict_reuse
from bench.certs import write_files
from bench.experiment.handshake.lab.bench import Lab, gateway_of
from bench.experiment.handshake.lab.paths import LabPath, node_name, write_path
from bench.experiment.handshake.lab.windows import Drive, Step, drive
from bench.experiment.run_context import RunContext
from bench.measure import Reading, StackMeter
from bench.placement import Placement
from bench.preparation import Variation
from bench.result import ReuseEvent, ReusePoint, TlsVersionName
from bench.stack import NodeTlsOptions, Stack
from bench.telemetry import CONNECTION_FIELDS, ConnectionEntry, difference, read_connections, total
from bench.translate import BOOTSTRAP_FILE, ConfigSource

_RATE: Final = 150.0
_EVENT_RATE: Final = 20.0
"""Connections that overlap would each meet the old keys: few enough not to."""
_EVENT_S: Final = 1.0
_TICKET_KEY: Final = "ticket.key"
_TICKET_KEY_BYTES: Final = 80
By = Literal["tickets", "ids", "none"]
EventName = Literal["none", "endpoint-update", "node-restart", "ticket-key-rotation"]


_SUBSETS: Final = LabPath(per_subset=True)


@dataclass(frozen=True, slots=True)
class SessionCase:
    """One way of keeping sessions."""

    max_session_keys: int = 1
    by: By = "tickets"
    shared_keys: bool = False
    path: LabPath = _SUBSETS
    tls_version: TlsVersionName = "TLSv1.3"

    @property
    def name(self) -> str:
        """For stacks and folders."""
        clusters = "subsets" if self.path.per_subset else "one"
        shared = "shared" if self.shared_keys else "own"
        balancing = self.path.balancing.lower().replace("_", "-")
        version = self.tls_version[-1]
        return (
            f"{clusters}-{self.path.nodes}-{balancing}-{self.by}-{shared}-{self.max_session_keys}-{version}"
        )

    @property
    def node_tls(self) -> NodeTlsOptions:
        """How its nodes keep sessions."""
        return NodeTlsOptions(
            tickets=self.by == "tickets",
            session_cache=self.by == "ids",
            ticket_key=_TICKET_KEY if self.shared_keys else None,
        )


_ONE: Final = LabPath()
_BY_LOT: Final = LabPath(balancing="RANDOM")
QUICK_CASES: Final = (
    SessionCase(0),
    SessionCase(1),
    SessionCase(8),
    SessionCase(1, path=_ONE),
    SessionCase(1, path=_ONE, shared_keys=True),
    SessionCase(8, path=_BY_LOT),
    SessionCase(1, by="ids", tls_version="TLSv1.2"),
)
FULL_CASES: Final = (
    *(SessionCase(keys, path=path) for path in (_SUBSETS, _ONE) for keys in (0, 1, 8, 64)),
    *(SessionCase(keys, path=_ONE, shared_keys=True) for keys in (1, 8)),
    *(SessionCase(keys, path=_BY_LOT) for keys in (1, 8)),
    *(SessionCase(8, path=replace(_BY_LOT, nodes=nodes)) for nodes in (3, 4)),
    *(SessionCase(8, path=replace(_SUBSETS, nodes=nodes)) for nodes in (3, 4)),
    *(SessionCase(1, by="ids", path=path, tls_version="TLSv1.2") for path in (_SUBSETS, _ONE)),
    SessionCase(1, tls_version="TLSv1.2"),
    SessionCase(1, by="none"),
)
_EVENTS: Final[tuple[tuple[EventName, bool], ...]] = (
    ("none", False),
    ("endpoint-update", False),
    ("node-restart", False),
    ("node-restart", True),
    ("ticket-key-rotation", True),
)


def measure_sessions(lab: Lab) -> None:
    """Measure all cases, then what events cost.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    for number, case in enumerate(FULL_CASES if lab.options.is_full else QUICK_CASES):
        seconds = lab.options.schedule.session_s
        lab.observer.stage(f"sessions: {case.name}", seconds + 3)
        with running_path(lab, case.path, f"sessions-{number}", session_variation(case)) as ground:
            done = drive(ground.run, ground.stack, ground.meter, [Step(_RATE, seconds)], 0)
            lab.add(misrouted=done.misrouted, reuse=[_point(ground, case, done)])
    for shared in (False, True):
        _measure_events(lab, [event for event, is_shared in _EVENTS if is_shared is shared], shared=shared)


@dataclass(frozen=True, slots=True)
class RunningPath:
    """A running stack of a path of the lab's own."""

    run: RunContext
    stack: Stack
    meter: StackMeter
    variation: Variation
    source: ConfigSource


@contextlib.contextmanager
def running_path(
    lab: Lab,
    path: LabPath,
    name: str,
    variation: Variation,
    *,
    source: ConfigSource | None = None,
    prepare: Callable[[RunContext], None] | None = None,
) -> Iterator[RunningPath]:
    """Start a stack on *path*, after *prepare* has changed its certificates; *source* replaces the lab's."""
    source = source or lab.options.config_source
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="egress-bench-lab-")))
        run = running.enter_context(lab.context(write_path(folder / "path", path)))
        write_ticket_key(run)
        if prepare is not None:
            prepare(run)
        stack = run.start_stack(running, name, source, variation)
        meter = running.enter_context(run.instruments.open_meter(stack, gateway_of(run)))
        yield RunningPath(run, stack, meter, variation, source)


def write_ticket_key(run: RunContext) -> None:
    """Make a new key for session tickets; nodes that share one read it at a start or reload."""
    write_files(run.material.live.resolve(), {_TICKET_KEY: os.urandom(_TICKET_KEY_BYTES)})


def session_variation(case: SessionCase) -> Variation:
    """A connection for each request, with the sessions of *case*."""
    return Variation(
        access_log=CONNECTION_FIELDS,
        max_requests_per_connection=1,
        max_session_keys=case.max_session_keys,
        tls_version="TLSv1_2" if case.tls_version == "TLSv1.2" else "TLSv1_3",
        # One worker: connections in turn go to the nodes in turn.
        concurrency=1,
        node_tls=case.node_tls,
    )


def _point(ground: RunningPath, case: SessionCase, done: Drive) -> ReusePoint:
    (window,) = done.windows
    entries = sorted(gateway_entries(ground.run, ground.stack), key=lambda each: each.time_us)
    measured = [each for each in entries if each.time_us >= done.measured_from_us]
    durations = [each.duration_us for each in measured if each.duration_us is not None]
    return ReusePoint(
        max_session_keys=case.max_session_keys,
        session_by=case.by,
        shared_keys=case.shared_keys,
        nodes=case.path.nodes,
        clusters="per-subset" if case.path.per_subset else "one",
        balancing=case.path.balancing,
        tls_version=case.tls_version,
        handshakes=window.handshakes,
        resumed=window.resumed,
        predicted=predict_reuse(
            _sessions(case), _attempts(entries), counted_from=float(done.measured_from_us)
        ),
        gateway_cpu_us=window.cpu_s["gateway"] * 1e6 / window.requests if window.requests else None,
        p99_us=round(float(np.percentile(durations, 99))) if len(durations) >= 1000 else None,
    )


def _sessions(case: SessionCase) -> Sessions:
    return Sessions(
        max_session_keys=case.max_session_keys,
        tls_version=case.tls_version,
        nodes=case.path.nodes,
        shared_keys=case.shared_keys,
        per_subset=case.path.per_subset,
        resumable=case.by != "none",
    )


def _attempts(entries: list[ConnectionEntry]) -> list[Attempt]:
    """The connections as the load balancer placed them; tickets are there with the answer at the latest."""
    numbers: dict[str, int] = {}
    return [
        Attempt(
            node=numbers.setdefault(each.upstream, len(numbers)),
            begin=float(each.time_us),
            ready=float(each.time_us + each.answered_us),
        )
        for each in entries
        if each.upstream is not None and each.answered_us is not None
    ]


def gateway_entries(run: RunContext, stack: Stack) -> list[ConnectionEntry]:
    """All of the gateway's log so far."""
    log = stack.component(gateway_of(run)).access_log
    if log is None:
        return []
    run.instruments.await_logs([log])
    return list(read_connections(log))


def _measure_events(lab: Lab, events: list[EventName], *, shared: bool) -> None:
    """Full handshakes that each event costs, on one stack whose endpoints change, a cluster for each node."""
    case = SessionCase(max_session_keys=4, shared_keys=shared)
    lab.observer.stage(f"sessions: after events, {'shared' if shared else 'own'} keys", len(events) * 4.0)
    name = f"events-{'shared' if shared else 'own'}"
    source = lab.options.source_of_changes
    with running_path(lab, case.path, name, session_variation(case), source=source) as ground:
        steps = [Step(_EVENT_RATE, _EVENT_S)]
        drive(ground.run, ground.stack, ground.meter, steps, 0)
        for number, event in enumerate(events, 1):
            run, stack = ground.run, ground.stack
            with run.instruments.open_meter(stack, gateway_of(run)) as meter:
                before = meter.read()
            _make(lab, ground, event)
            # A node that was restarted is another process, whose CPU an older meter would not find.
            with run.instruments.open_meter(stack, gateway_of(run)) as meter:
                done = drive(run, stack, meter, steps, number)
                handshakes, full = _handshakes(before, meter.read())
            touched = case.path.nodes if event == "ticket-key-rotation" else 1
            found = ReuseEvent(
                event=event,
                shared_keys=shared,
                handshakes=handshakes,
                full=full,
                predicted_full=touched * predict_full_after(event, shared_keys=shared),
            )
            lab.add(misrouted=done.misrouted, reuse_events=[found])


def _handshakes(before: Reading, after: Reading) -> tuple[int, int]:
    rises = difference(before.gateway, after.gateway)
    handshakes = total(rises, "ssl.handshake")
    return handshakes, handshakes - total(rises, "ssl.session_reused")


def _make(lab: Lab, ground: RunningPath, event: EventName) -> None:
    nodes = [part.name for part in ground.stack.components() if part.role == "node"]
    match event:
        case "none":
            return
        case "endpoint-update":
            _move_endpoints(ground)
        case "node-restart":
            faults = lab.options.backend.make_faults(ground.stack)
            faults.kill(node_name(1))
            faults.restart(node_name(1))
        case "ticket-key-rotation":
            write_ticket_key(ground.run)
            faults = lab.options.backend.make_faults(ground.stack)
            for node in nodes:
                faults.reload(node)


def _move_endpoints(ground: RunningPath) -> None:
    """Let each cluster find its endpoints elsewhere, and then where they were."""
    gateway = gateway_of(ground.run)
    spec = ground.run.prepared.stack_spec("update", ground.source, ground.run.material, ground.variation)
    proxy = next(each for each in spec.proxies if each.name == gateway)
    placement = ground.stack.placement(gateway)
    for each in (_swapped(placement), placement):
        files = [file for file in proxy.render(each) if file.path != BOOTSTRAP_FILE]
        ground.stack.write_config(gateway, files)


def _swapped(placement: Placement) -> Placement:
    """Each endpoint at the place of the next one."""
    played = list(placement.endpoints)
    real = list(placement.endpoints.values())
    return replace(placement, endpoints=dict(zip(played, [*real[1:], *real[:1]], strict=True)))
