"""How throughput grows with workers of the gateway, or with its replicas: a coarse search at each size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from bench.analysis.cost import fit_scaling
from bench.errors import InputError, MeasurementError
from bench.istio.inventory import Proxy
from bench.result import CapacityResult, ScalingPoint, ScalingResult
from bench.scenario import Resources
from bench.scenario.load import LoadedScenario

Over = Literal["workers", "replicas"]


def check_sizes(over: Over, sizes: tuple[int, ...]) -> None:
    """Refuse sizes to which nothing can be fitted, before anything is measured.

    Raises:
        InputError: fewer than three of them, or one that is none.
    """
    if len(set(sizes)) < 3 or min(sizes) < 1 or max(sizes) > 32:
        raise InputError(
            f"the scaling over {', '.join(map(str, sizes))} {over} cannot be fitted.",
            remedy="Give three different sizes or more, from 1 to 32, such as 1,2,4.",
        )


def measure_scaling(
    over: Over,
    sizes: tuple[int, ...],
    loaded: LoadedScenario,
    search: Callable[[LoadedScenario], CapacityResult],
) -> ScalingResult:
    """Search at each size and fit the universal scalability law to the bounds.

    Args:
        over: what there is more and more of.
        sizes: as ``check_sizes`` lets them through.
        loaded: the scenario.
        search: a whole search on a stack of its own.

    Raises:
        StackError, LoadError, MeasurementError: as the search.
    """
    points = []
    for size in sizes:
        found = search(with_size(loaded, over, size))
        limit = found.constraints[0].code if found.constraints else None
        points.append(ScalingPoint(size=size, rate=found.lower, limit=limit))
    known = [(point.size, point.rate) for point in points if point.rate is not None]
    if len({size for size, _ in known}) < 3:
        raise MeasurementError(
            f"a bound was found at {len(known)} of {len(sizes)} sizes only: nothing can be fitted.",
            remedy="Relax the limit, or lower --lowest.",
        )
    law = fit_scaling([size for size, _ in known], [rate for _, rate in known])
    return ScalingResult(
        over=over,
        points=tuple(points),
        rate_of_one=law.rate,
        contention=law.contention,
        coherence=law.coherence,
        peak=law.peak,
        worst_error=law.worst_error,
        predicted={size: law.at(size) for size in range(1, 2 * max(sizes) + 1)},
    )


def with_size(loaded: LoadedScenario, over: Over, size: int) -> LoadedScenario:
    """The scenario with this many workers or replicas of its gateway."""
    scenario = loaded.scenario
    gateway = scenario.traffic.exit
    if over == "workers":
        limits = scenario.resources.get(gateway) or scenario.resources.get("egress") or Resources()
        resources = {**scenario.resources, gateway: limits.model_copy(update={"cpus": float(size)})}
        return replace(loaded, scenario=scenario.model_copy(update={"resources": resources}))
    # Those of before go first: their number changes.
    proxies: dict[str, Proxy] = {
        name: proxy for name, proxy in scenario.inventory.proxies.items() if proxy.replica_of != gateway
    }
    proxies[gateway] = proxies[gateway].model_copy(update={"replicas": size})
    written = scenario.inventory.model_dump() | {
        "proxies": {name: proxy.model_dump() for name, proxy in proxies.items()}
    }
    inventory = type(scenario.inventory).model_validate(written)
    return replace(loaded, scenario=scenario.model_copy(update={"inventory": inventory}))
