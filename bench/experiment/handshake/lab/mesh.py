"""What mutual TLS on the first hop costs beside plain text: windows in turn, differences by pair."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, Literal

from bench.analysis.tls import mean_interval
from bench.errors import InputError
from bench.experiment.handshake.lab.bench import Lab, gateway_of
from bench.experiment.handshake.lab.windows import Part, Place, Step, Window, drive_side_by_side
from bench.experiment.run_context import RunContext
from bench.result import Estimate, MeshCost
from bench.scenario import mean_rate
from bench.scenario.overrides import override

_RATE: Final = 200.0
Mode = Literal["plain", "mutual"]


def measure_mesh(lab: Lab) -> None:
    """Measure both ways of the first hop.

    A scenario whose first hop cannot be secured, or is already, has no such cost: a note says so.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    try:
        secured = override(lab.loaded, mesh_mtls=True)
    except InputError as error:
        lab.observer.note(str(error))
        return
    schedule = lab.options.schedule
    rate = min(_RATE, mean_rate(lab.loaded.scenario.traffic.schedule) or _RATE)
    with ExitStack() as running:
        runs: dict[Mode, RunContext] = {
            "plain": running.enter_context(lab.context(lab.loaded)),
            "mutual": running.enter_context(lab.context(secured)),
        }
        source = lab.options.config_source
        stacks = {mode: run.start_stack(running, f"mesh-{mode}", source) for mode, run in runs.items()}
        meters = {
            mode: running.enter_context(run.instruments.open_meter(stacks[mode], gateway_of(run)))
            for mode, run in runs.items()
        }
        places: dict[str, Place] = {
            mode: Place(run, stacks[mode], meters[mode]) for mode, run in runs.items()
        }
        lab.observer.stage("first hop", schedule.mesh_pairs * 2 * schedule.window_s + 1.0)
        steps = [Step(rate, schedule.window_s)] * schedule.mesh_pairs
        done = drive_side_by_side(places, steps, 0)
    lab.add(
        misrouted=sum(each.misrouted for each in done.values()),
        mesh=compare_hops(done["plain"].windows, done["mutual"].windows),
    )


def compare_hops(plain: Sequence[Window], mutual: Sequence[Window]) -> MeshCost:
    """Medians of both, and the mean difference of the pairs with its interval."""
    sidecar = [_per_request(windows, "sidecar") for windows in (plain, mutual)]
    gateway = [_per_request(windows, "gateway") for windows in (plain, mutual)]
    return MeshCost(
        pairs=min(len(plain), len(mutual)),
        sidecar_plain_us=_median(sidecar[0]),
        sidecar_mutual_us=_median(sidecar[1]),
        sidecar_adds_us=_added(*sidecar),
        gateway_plain_us=_median(gateway[0]),
        gateway_mutual_us=_median(gateway[1]),
        gateway_adds_us=_added(*gateway),
    )


def _per_request(windows: Sequence[Window], part: Part) -> list[float | None]:
    """Microseconds of CPU for each request; None for a window without any."""
    return [each.cpu_s[part] * 1e6 / each.requests if each.requests else None for each in windows]


def _median(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def _added(plain: Sequence[float | None], mutual: Sequence[float | None]) -> Estimate | None:
    pairs = zip(plain, mutual, strict=True)
    return mean_interval([more - less for less, more in pairs if less is not None and more is not None])
