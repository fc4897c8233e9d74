"""From resources and inventory to a scenario that runs at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from bench.draft.material import files_to_make
from bench.draft.nodes import Stage, cast_nodes, misfits
from bench.draft.targets import Reached, Surroundings, Target, find_targets
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
    left_to_containers: bool
    """Whether some of ``unreached`` are reached where connections are intercepted."""


StackChoice = Literal["local", "docker"]
_NEEDS_INTERCEPTION = frozenset(
    {Refusal.DYNAMIC_DNS, Refusal.RESOLUTION_NONE, Refusal.HEADLESS, Refusal.PASSTHROUGH_BALANCING}
)


def draft_scenario(
    name: str,
    resources: Resources,
    inventory: Inventory,
    assumptions: tuple[Assumption, ...] = (),
    stack: StackChoice | None = None,
) -> Draft:
    """Give a scenario for *resources*, with every *assumption* as a comment at its place.

    *stack* is where it is to run. By default that is anywhere, unless connections that are intercepted, which
    needs containers, reach more.

    Raises:
        NothingReachableError: no request of any client reaches a destination.
        InputError: the resources contradict the inventory.
        UnsupportedError: files alone cannot do what a resource asks for.
    """
    anywhere: Draft | Exception | None = None
    if stack != "docker":
        try:
            anywhere = _draft(name, resources, inventory, assumptions, needs_containers=False)
        except (NothingReachableError, RefusedError) as error:
            if stack == "local" or (
                isinstance(error, RefusedError) and error.code not in _NEEDS_INTERCEPTION
            ):
                raise
            anywhere = error
    if isinstance(anywhere, Draft) and (stack == "local" or not anywhere.left_to_containers):
        return anywhere
    try:
        contained = _draft(name, resources, inventory, assumptions, needs_containers=True)
    except NothingReachableError:
        if isinstance(anywhere, NothingReachableError):
            raise anywhere from None
        raise
    if isinstance(anywhere, Draft) and len(contained.targets) <= len(anywhere.targets):
        return anywhere
    return contained


def _with_interception(inventory: Inventory, way: str) -> Inventory:
    proxies = {
        name: proxy.model_copy(update={"interception": way}) for name, proxy in inventory.proxies.items()
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
    inventory = _with_interception(inventory, "redirect" if needs_containers else "none")
    registry = build_registry(resources, inventory)
    source: ConfigSource = "static"
    configs = [translate(registry, proxy, config_source=source) for proxy in inventory.proxies]
    reached = _reached(Surroundings.of(registry, resources, is_intercepted=needs_containers))
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
        reached.left_to_interception,
    )


def _reached(around: Surroundings) -> Reached:
    """Find what is reached: by one client alone where connections are intercepted, as load must be."""
    found = find_targets(around)
    clients = Counter(target.client for target in found.targets)
    if not around.is_intercepted or len(clients) < 2:
        return found
    ((client, _),) = clients.most_common(1)
    alone = find_targets(replace(around, clients=(client,)))
    kept = {target.key for target in alone.targets}
    for target in found.targets:
        if target.key not in kept:
            alone.unreached[_place(target)] = (
                f"only {target.client} reaches it, and intercepted load comes from one client, {client}"
            )
    return alone


def _place(target: Target) -> str:
    first = next(iter(target.shares))
    return f"{first.host}:{first.port}"


def _because(reached: Reached) -> str:
    first = next(iter(reached.unreached.items()), None)
    return "" if first is None else f"; {first[0]}: {first[1]}"
