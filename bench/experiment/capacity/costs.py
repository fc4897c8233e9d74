"""Designed loads after a search, and the cost models of gateway, sidecar and nodes that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

from bench.analysis.cost import Window, fit
from bench.errors import MeasurementError
from bench.experiment.capacity.trials import WARM_UP_S, Trials
from bench.experiment.run_context import RunContext
from bench.preparation import Variation
from bench.result import CapacityWindow, RunWarning

_SECONDS = 2.5
_BODY = 16 << 10
_KEPT: tuple[tuple[float, int], ...] = (
    (0.15, 0),
    (0.4, _BODY),
    (0.75, 0),
    (0.15, _BODY),
    (0.5, 0),
    (0.3, _BODY // 4),
)
"""Shares of the lower bound, and bytes of each request's body."""
_CHURN = (0.5, 1.0)
"""Shares of the rate of new connections."""
_NEW_CONNECTIONS = 60.0
_FEW = 200.0
"""Requests/s in place of a lower bound where there is none."""
_VARIATIONS = {
    "full": Variation(max_requests_per_connection=1, max_session_keys=0),
    "resumed": Variation(max_requests_per_connection=1),
}
COSTS_S = (len(_KEPT) + 2 * len(_CHURN)) * (_SECONDS + WARM_UP_S + 0.5) + 2
"""What it takes; for the progress bar."""

Part = Literal["gateway", "sidecar", "node"]
_ROLES: dict[Part, str] = {"gateway": "egress", "sidecar": "sidecar", "node": "node"}


def measure_costs(run: RunContext, running: ExitStack, trials: Trials) -> None:
    """Measure the windows and fit the models; they stand in the record of the run.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    found = run.record.capacity
    if found is None:
        return
    base = found.lower or _FEW
    windows = []
    for share, body in _KEPT:
        run.observer.stage(
            f"cost model: {base * share:,.0f} requests/s, bodies of {body:,} bytes", _stage_s()
        )
        windows.append(trials.measure(base * share, _SECONDS, body).model_copy(update={"body_bytes": body}))
    churn = min(_NEW_CONNECTIONS, base / 4)
    for name in _VARIATIONS:
        windows += _with_new_connections(run, running, trials, name, churn)
    run.record.capacity = found.model_copy(update={"cost_windows": tuple(windows)})
    _fit(run, windows)
    run.record.save()


def _with_new_connections(
    run: RunContext,
    running: ExitStack,
    trials: Trials,
    name: str,
    rate: float,
) -> Iterator[CapacityWindow]:
    """Windows on a stack whose gateway opens a connection for each request."""
    stack = run.start_stack(running, f"cost-{name}", trials.source, _VARIATIONS[name])
    with run.instruments.open_meter(stack, run.scenario.traffic.exit) as meter:
        there = replace(trials, stack=stack, meter=meter, windows=[], prefix=f"{name}-")
        for share in _CHURN:
            run.observer.stage(f"cost model: {rate * share:,.3g} {name} handshakes/s", _stage_s())
            yield there.measure(rate * share, _SECONDS)
        trials.misrouted += there.misrouted


def _stage_s() -> float:
    return _SECONDS + WARM_UP_S + 0.5


def _fit(run: RunContext, windows: Sequence[CapacityWindow]) -> None:
    """What cannot be fitted is told, and costs the run nothing."""
    models = []
    for part, role in _ROLES.items():
        try:
            models.append(fit(part, [_equation(window, role) for window in windows]))
        except MeasurementError as error:
            warning = RunWarning(
                code="no-cost-model",
                message=error.what,
                advice=error.remedy or "`plan` cannot use this result.",
            )
            run.record.warnings.append(warning)
            run.observer.warning(warning)
    if run.record.capacity is not None:
        run.record.capacity = run.record.capacity.model_copy(update={"cost_models": tuple(models)})


def _equation(window: CapacityWindow, role: str) -> Window:
    costs = [cost.cpu_seconds for cost in window.costs if cost.role == role]
    known = [value for value in costs if value is not None]
    resumed = window.sessions_reused or 0
    return Window(
        seconds=window.duration_s,
        requests=window.sent,
        full_handshakes=max(0, (window.handshakes or 0) - resumed),
        resumed_handshakes=resumed,
        mb_in=window.sent * window.body_bytes / 1e6,
        # One unknown part makes the sum unknown.
        cpu_s=sum(known) if known and len(known) == len(costs) else 0.0,
    )
