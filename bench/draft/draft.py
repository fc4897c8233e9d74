"""From resources and inventory to a scenario that runs at once."""

from __future__ import annotations

from dataclasses import dataclass

from bench.draft.material import files_to_make
from bench.draft.nodes import Stage, cast_nodes, misfits
from bench.draft.targets import Reached, Target, find_targets
from bench.draft.text import Contents, scenario_text
from bench.errors import InputError
from bench.istio.inventory import Inventory
from bench.istio.registry import build_registry
from bench.istio.resource import Resources
from bench.scenario.assumed import Assumption
from bench.translate import ConfigSource, Refusal, RefusedError, translate


class NothingReachableError(InputError):
    """No client of these resources reaches any destination: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A scenario, as text and as what it came from."""

    text: str
    """Of its ``scenario.yaml``."""
    targets: tuple[Target, ...]
    unreached: tuple[tuple[str, str], ...]
    """Host and port -> why no request goes there."""
    nodes: int
    needs_containers: bool
    """Whether connections must be intercepted, which only containers do."""


_NEEDS_INTERCEPTION = frozenset(
    {Refusal.DYNAMIC_DNS, Refusal.RESOLUTION_NONE, Refusal.HEADLESS, Refusal.PASSTHROUGH_BALANCING}
)


def draft_scenario(
    name: str, resources: Resources, inventory: Inventory, assumptions: tuple[Assumption, ...] = ()
) -> Draft:
    """Give a scenario for *resources*, with every *assumption* as a comment at its place.

    Raises:
        NothingReachableError: no request of any client reaches a destination.
        InputError: the resources contradict the inventory.
        UnsupportedError: files alone cannot do what a resource asks for.
    """
    plain = _with_interception(inventory, "none")
    needs_containers = False
    try:
        return _draft(name, resources, plain, assumptions, needs_containers=False)
    except RefusedError as error:
        if error.code not in _NEEDS_INTERCEPTION:
            raise
        needs_containers = True
    kept = _with_interception(inventory, "redirect")
    return _draft(name, resources, kept, assumptions, needs_containers=needs_containers)


def _with_interception(inventory: Inventory, way: str) -> Inventory:
    proxies = {
        name: proxy.model_copy(update={"interception": way if proxy.role == "sidecar" else "none"})
        for name, proxy in inventory.proxies.items()
    }
    # Without hosts that no request reaches, a proxy takes less memory and fewer file watches.
    return inventory.model_copy(update={"proxies": proxies, "clusters": "reachable"})


def _draft(
    name: str,
    resources: Resources,
    inventory: Inventory,
    assumptions: tuple[Assumption, ...],
    *,
    needs_containers: bool,
) -> Draft:
    registry = build_registry(resources, inventory)
    source: ConfigSource = "static"
    configs = [translate(registry, proxy, config_source=source) for proxy in inventory.proxies]
    reached = find_targets(registry, resources)
    wrong = misfits(reached.targets, configs)
    for target in reached.targets:
        if target.name in wrong:
            reached.unreached[_place(target)] = wrong[target.name]
    reached.targets = [each for each in reached.targets if each.name not in wrong]
    if not reached.targets:
        raise NothingReachableError(
            f"no client reaches any destination{_because(reached)}.",
            remedy="`egress-bench check` says what is wrong; `egress-bench explain` follows one request.",
        )
    stage: Stage = cast_nodes(reached.targets, configs)
    files = files_to_make(configs)
    text = scenario_text(Contents(name, inventory, assumptions, reached, stage, files, needs_containers))
    return Draft(
        text,
        tuple(reached.targets),
        tuple(reached.unreached.items()),
        len(stage.nodes),
        needs_containers,
    )


def _place(target: Target) -> str:
    first = next(iter(target.shares))
    return f"{first.host}:{first.port}"


def _because(reached: Reached) -> str:
    first = next(iter(reached.unreached.items()), None)
    return "" if first is None else f"; {first[0]}: {first[1]}"
