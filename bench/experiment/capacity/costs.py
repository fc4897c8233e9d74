"""Designed loads after a search, and the cost models of gateway, sidecar and nodes that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from typing import Literal

from bench.analysis.cost import equation, fit, has_designed_handshakes
from bench.errors import BenchError, MeasurementError
from bench.experiment.capacity.design import Design, DesignedLoad, churned
from bench.experiment.capacity.memory import CLUSTERS, MEMORY_S, measure_cluster_memory, measure_memory
from bench.experiment.capacity.pages import LargePages
from bench.experiment.capacity.trials import WARM_UP_S, Trials
from bench.experiment.run_context import RunContext
from bench.preparation import Variation
from bench.result import HANDSHAKE_KINDS, CapacityWindow, RunWarning
from bench.stack import Stack

_NEW_CONNECTIONS = 60.0
_FEW = 200.0
"""Requests/s in place of a lower bound where there is none."""
_FEW_HANDSHAKES = 0.001
"""For each request: so few change its cost by less than a hundredth."""
_AROUND_S = 0.5
_STACK_S = 1.5


def planned_costs_s(design: Design) -> float:
    """What it takes, for the progress bar."""
    windows_s = design.windows * (design.seconds + WARM_UP_S + _AROUND_S)
    return windows_s + MEMORY_S + _STACK_S * (len(CLUSTERS) + design.stacks)


Part = Literal["gateway", "sidecar", "node"]
ROLES: dict[Part, str] = {"gateway": "egress", "sidecar": "sidecar", "node": "node"}


def measure_costs(run: RunContext, running: ExitStack, trials: Trials, design: Design) -> None:
    """Measure the windows and fit the models; they are in the record of the run.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    found = run.record.capacity
    if found is None:
        return
    base = found.lower or _FEW
    kept = _Windows(run, trials, base, design.seconds)
    windows = [kept.measure(load) for load in design.kept]
    churn = min(_NEW_CONNECTIONS, base / 4)
    for kind, (requests, loads) in product(HANDSHAKE_KINDS, design.churn.items()):
        name = f"{kind}-{requests}"
        stack = run.start_stack(running, f"cost-{name}", trials.source, churned(kind, requests))
        with run.instruments.open_meter(
            stack, run.scenario.traffic.exit, run.scenario.traffic.senders
        ) as meter:
            there = replace(trials, stack=stack, meter=meter, windows=[], prefix=f"{name}-")
            of_kind = _Windows(run, there, churn * requests, design.seconds)
            windows += [of_kind.measure(load) for load in loads]
            trials.misrouted += there.misrouted
    run.record.capacity = found.model_copy(update={"cost_windows": tuple(windows)})
    _fit(run, windows)
    _fit_memory(run, trials)
    _fit_cluster_memory(run)
    run.record.save()


class _Windows:
    """Measures the loads of a design on one stack."""

    def __init__(self, run: RunContext, trials: Trials, base: float, seconds: float) -> None:
        """*base*: the rate of which a load's share is one."""
        self._run, self._trials, self._base, self._seconds = run, trials, base, seconds
        self._pages = LargePages(run.options.backend.make_faults(trials.stack), list(run.scenario.nodes))

    def measure(self, load: DesignedLoad) -> CapacityWindow:
        """One of them."""
        rate = self._base * load.share
        self._run.observer.stage(
            f"cost model: {rate:,.3g} requests/s, {load.body_in:,} bytes in, {load.body_out:,} out",
            self._seconds + WARM_UP_S + _AROUND_S,
        )
        path = self._pages.path(load.body_out) if load.body_out else None
        window = self._trials.measure(rate, self._seconds, load.body_in, path)
        return window.model_copy(update={"body_bytes": load.body_in, "answer_bytes": load.body_out})


def _fit_memory(run: RunContext, trials: Trials) -> None:
    """What cannot be measured is reported, and costs the run nothing."""
    traffic = run.scenario.traffic
    run.observer.stage("memory for each connection", MEMORY_S)
    first = next((each for each in traffic.mix if each.is_plain_http), None)
    if first is None or run.record.capacity is None:
        return
    try:
        models = measure_memory(trials.stack, traffic.client, first.port, first)
    except BenchError as error:
        _report_no_memory(run, error)
        return
    run.record.capacity = run.record.capacity.model_copy(update={"memory_models": models})


def _fit_cluster_memory(run: RunContext) -> None:
    """The gateway of stacks that carry nothing, with more and more copies of its clusters.

    The copies hold their endpoints themselves, whatever the config source: file EDS takes an inotify instance
    of this machine for each cluster.
    """
    gateway = run.scenario.traffic.exit
    own = len(run.prepared.configs[gateway, "static"].clusters)
    run.observer.stage("memory for each cluster", _STACK_S * len(CLUSTERS))
    try:
        model = measure_cluster_memory(_stacks_of_clusters(run, own), gateway)
    except BenchError as error:
        _report_no_memory(run, error)
        return
    if model is not None and run.record.capacity is not None:
        models = (*run.record.capacity.memory_models, model)
        run.record.capacity = run.record.capacity.model_copy(update={"memory_models": models})


def _stacks_of_clusters(run: RunContext, own: int) -> Iterator[tuple[int, Stack]]:
    """One after the other, with the number of the gateway's clusters: *own* and the copies."""
    for count in CLUSTERS:
        with ExitStack() as running:
            variation = Variation(more_clusters=count)
            yield own + count, run.start_stack(running, f"clusters-{own + count}", "static", variation)


def _report_no_memory(run: RunContext, error: BenchError) -> None:
    advice = error.remedy or "`plan` says nothing about memory."
    run.record.warn(RunWarning(code="no-memory-model", message=error.what, advice=advice), run.observer)


def _fit(run: RunContext, windows: Sequence[CapacityWindow]) -> None:
    """What cannot be fitted is reported, and costs the run nothing."""
    models = []
    for part, role in on_the_way(windows).items():
        try:
            models.append(fit(part, [equation(window, role) for window in windows]))
        except MeasurementError as error:
            advice = error.remedy or "`plan` cannot use this result."
            run.record.warn(RunWarning(code="no-cost-model", message=error.what, advice=advice), run.observer)
        else:
            for warning in unfitted(part, role, windows):
                run.record.warn(warning, run.observer)
    if run.record.capacity is not None:
        run.record.capacity = run.record.capacity.model_copy(update={"cost_models": tuple(models)})


def on_the_way(windows: Sequence[CapacityWindow]) -> dict[Part, str]:
    """Give the parts that requests passed: where there is no gateway, none is missed."""
    absent = {role for role in ROLES.values() if all(w.by_role and role not in w.by_role for w in windows)}
    return {part: role for part, role in ROLES.items() if role not in absent}


def unfitted(part: Part, role: str, windows: Sequence[CapacityWindow]) -> Iterator[RunWarning]:
    """Say what parts did in the windows of a model that has no term in it: it is in the cost of a request."""
    carried = [window.by_role[role] for window in windows]
    requests = sum(each.requests or 0 for each in carried)
    apart = sum(
        each.handshakes or 0
        for each, window in zip(carried, windows, strict=True)
        if not has_designed_handshakes(window, role)
    )
    if apart > requests * _FEW_HANDSHAKES:
        yield RunWarning(
            code="handshakes-not-fitted",
            message=f"In the windows of its cost model the {part} made {apart:,} TLS handshakes of its own"
            f" for {requests:,} requests. Their cost is in that of a request.",
            advice="What such a handshake costs is unknown: the loads vary those of the gateway only.",
        )
    if any(each.more_handshakes for each in carried):
        yield RunWarning(
            code="handshakes-not-counted",
            message=f"In the windows of its cost model the {part} took part in TLS handshakes on connections"
            " that proxies pass on as bytes: nobody counted them. Their cost is in that of a request.",
            advice="Read the cost of a request as an upper bound.",
        )
