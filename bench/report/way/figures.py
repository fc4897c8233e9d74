"""What the drawing of the way shows, read from a result: parts in layers, counts, CPU, time, certificates."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.part_costs import middle
from bench.result import (
    Book,
    ComponentCost,
    HopTimes,
    Result,
    TrialResult,
    Way,
    WayLink,
    WayPart,
    WayRole,
)

LAYERS: Final[tuple[WayRole, ...]] = ("client", "sidecar", "gateway", "node")
ENOUGH_SAMPLED: Final = 20
"""Requests whose mean time is worth a figure."""
_ROLES: Final = {"sidecar": "sidecar", "egress": "gateway", "node": "node"}


@dataclass(frozen=True, slots=True)
class Box:
    """One part. None: unknown."""

    part: WayPart
    port: int | None
    """That requests call it on."""
    requests: int | None
    """That it had, warm-ups included; of gateways only where several share them."""
    cpu_us: float | None
    """Per request of the whole load."""
    arriving: tuple[WayLink, ...]
    leaving: tuple[WayLink, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """What crosses from one layer to the next."""

    spoken: tuple[str, str]
    """See ``spoken_on``, where all links agree; empty: unknown, or several."""
    sent: int | None
    read: int | None


@dataclass(frozen=True, slots=True)
class WayFigures:
    """All that is drawn."""

    layers: tuple[tuple[Box, ...], ...]
    """From clients to nodes; a layer that does not exist is missing."""
    gaps: tuple[Gap, ...]
    """Behind each layer but the last."""
    links: tuple[WayLink, ...]
    times: HopTimes | None
    """Over all steady trials; None: not measured, or of too few requests."""
    generator_cpu_us: float | None
    is_steady: bool
    """Whether there were steady trials: then what is unknown of them is said to be unknown."""
    due: int | None
    """Of the measured stages; None: no steady trial."""
    answered: int | None


def way_figures(result: Result) -> WayFigures | None:
    """Read a result; None where it names no part that requests pass."""
    trials = [trial for trial in result.trials if trial.experiment == "steady"]
    way = result.way or _way_of_costs(trials)
    if way is None:
        return None
    layers = [[part for part in way.parts if part.role == role] for role in LAYERS]
    layers = [layer for layer in layers if layer]
    whole = result.totals[-1] if result.totals else None
    costs = _costs(result, trials)
    requests = {("node", part.name): _at_node(part.name, trials) for part in way.parts if part.role == "node"}
    gateways = [part.name for part in way.parts if part.role == "gateway"]
    if len(gateways) > 1:
        requests |= {("gateway", name): _at_gateway(name, result, trials) for name in gateways}
    return WayFigures(
        layers=tuple(
            tuple(_box(part, way, requests.get((part.role, part.name)), costs) for part in layer)
            for layer in layers
        ),
        gaps=tuple(
            _gap(first[0].role, second[0].role, way, trials) for first, second in itertools.pairwise(layers)
        ),
        links=way.links,
        times=merged_times(trials),
        generator_cpu_us=middle(cost.cpu_us_per_request for cost in costs if cost.role == "generator"),
        is_steady=bool(trials),
        due=whole.due if whole is not None else None,
        answered=whole.answered if whole is not None else None,
    )


def merged_times(trials: Iterable[TrialResult]) -> HopTimes | None:
    """The means over all trials that know them, weighted by their requests; None: too few."""
    known = [trial.hop_times for trial in trials if trial.hop_times is not None]
    samples = sum(each.samples for each in known)
    if samples < ENOUGH_SAMPLED:
        return None

    def mean(name: str) -> float | None:
        values: list[float | None] = [getattr(each, name) for each in known]
        if None in values:
            return None
        weighted = (
            value * each.samples for value, each in zip(values, known, strict=True) if value is not None
        )
        return sum(weighted) / samples

    return HopTimes.model_validate({"samples": samples} | {name: mean(name) for name in _TIMES})


_TIMES: Final = ("within_us", "sidecar_us", "between_us", "gateway_us", "beyond_us")


def _way_of_costs(trials: Sequence[TrialResult]) -> Way | None:
    """The parts that had costs, of a result that does not say how they are connected."""
    parts: dict[tuple[str, str], WayPart] = {}
    for trial in trials:
        for cost in trial.costs:
            role = _ROLES.get(cost.role)
            if role is not None:
                part = WayPart.model_validate({"name": cost.component, "role": role})
                parts.setdefault((role, cost.component), part)
    if not parts:
        return None
    clients = [
        part.model_copy(update={"role": "client"}) for part in parts.values() if part.role == "sidecar"
    ]
    return Way(parts=(*clients, *parts.values()), links=())


def _costs(result: Result, trials: Sequence[TrialResult]) -> list[ComponentCost]:
    """What the parts used under the steady trials; of a search, under the rates that it found good."""
    found = result.capacity
    if trials or found is None:
        return [cost for trial in trials for cost in trial.costs]
    good = found.lower or 0.0
    return [cost for window in found.windows if window.rate <= good for cost in window.costs]


def _box(part: WayPart, way: Way, requests: int | None, costs: Sequence[ComponentCost]) -> Box:
    def ends(link: WayLink) -> tuple[tuple[WayRole, str], tuple[WayRole, str]]:
        return (link.source_role, link.source), (link.target_role, link.target)

    me = (part.role, part.name)
    arriving = tuple(link for link in way.links if ends(link)[1] == me)
    leaving = tuple(link for link in way.links if ends(link)[0] == me)
    ports = {link.port for link in arriving}
    return Box(
        part=part,
        port=ports.pop() if len(ports) == 1 else None,
        requests=requests,
        cpu_us=None
        if part.role == "client"
        else middle(cost.cpu_us_per_request for cost in costs if cost.component == part.name),
        arriving=arriving,
        leaving=leaving,
    )


def _at_gateway(name: str, result: Result, trials: Sequence[TrialResult]) -> int | None:
    """Requests that one of several gateways had; None: unknown."""
    if trials:
        return _sum(trial.ledger.at_gateways.get(name) if trial.ledger else None for trial in trials)
    shares = result.capacity.replicas if result.capacity is not None else ()
    return next((each.requests for each in shares if each.component == name), None)


def _at_node(node: str, trials: Sequence[TrialResult]) -> int | None:
    """Requests in the node's log; None as soon as one trial does not know."""
    counts = [trial.ledger.at_nodes.get(node) if trial.ledger is not None else None for trial in trials]
    if not counts or any(count is None for count in counts):
        return _answered_alone(node, trials)
    return sum(count for count in counts if count is not None)


def _answered_alone(node: str, trials: Sequence[TrialResult]) -> int | None:
    """From the books of older results, where one is about this node alone."""
    books = [
        book
        for trial in trials
        if trial.ledger is not None
        for book in trial.ledger.books
        if book.nodes == (node,) and book.level == "counters"
    ]
    known = [book.right for book in books if book.right is not None]
    return sum(known) if known and len(known) == len(trials) else None


_BOOKS: Final[dict[tuple[WayRole, WayRole], tuple[Book, ...]]] = {
    ("client", "sidecar"): (Book.CLIENT_TO_SIDECAR,),
    ("sidecar", "gateway"): (Book.SIDECAR_TO_GATEWAY,),
    ("gateway", "node"): (Book.GATEWAY_TO_NODES,),
    ("sidecar", "node"): (Book.SIDECAR_TO_NODES,),
}


def _gap(source: WayRole, target: WayRole, way: Way, trials: Sequence[TrialResult]) -> Gap:
    links = [link for link in way.links if (link.source_role, link.target_role) == (source, target)]
    spoken = {spoken_on(link) for link in links}
    books = [
        book
        for trial in trials
        if trial.ledger is not None
        for book in trial.ledger.books
        if book.level == "counters" and book.book in _BOOKS.get((source, target), ())
    ]
    return Gap(
        spoken=spoken.pop() if len(spoken) == 1 else ("", ""),
        sent=_sum(book.left for book in books),
        read=_sum(book.right for book in books),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if not known or None in known else sum(value for value in known if value is not None)


def spoken_on(link: WayLink) -> tuple[str, str]:
    """What is spoken on a link: the protocol, and what is around it, if anything."""
    inner = "HTTP" if link.carries == "http" else "TCP"
    return {
        "none": (inner, ""),
        "simple": (inner, "in TLS"),
        "mutual": (inner, "in mutual TLS"),
        "client": ("TLS of the client", ""),
    }[link.tls]


def words_of(link: WayLink) -> str:
    """The same in one text."""
    return " ".join(spoken_on(link)).rstrip()
