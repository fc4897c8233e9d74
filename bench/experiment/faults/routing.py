"""Faults of routing at the gateway: endpoints or routes swapped, one request in 10,000 astray, one twice."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from bench.errors import MeasurementError
from bench.experiment.faults.aims import NO_SPLIT, NotPossibleError
from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, Tree, no_exchange, no_second, no_split
from bench.experiment.faults.kinds import Fault
from bench.load import LoadPlan
from bench.load.engine import REQUEST_ID, SEQUENCES, kinds_of

_ONE_IN = 10_000


def _swap_endpoints(field: Field) -> None:
    one, other = field.aims.split or field.aims.pair()
    found: dict[str, Any] = {}

    def collect(assignment: Tree) -> bool:
        if assignment["cluster_name"] in one.clusters | other.clusters:
            found[assignment["cluster_name"]] = assignment["endpoints"]
        return False

    field.edit_endpoints(collect)
    first, second = _first_of(found, one.clusters), _first_of(found, other.clusters)

    def swap(assignment: Tree) -> bool:
        name = assignment["cluster_name"]
        if name in found:
            assignment["endpoints"] = second if name in one.clusters else first
        return name in found

    field.edit_endpoints(swap)


def _first_of(found: dict[str, Any], clusters: frozenset[str]) -> Any:
    endpoints = next((found[name] for name in sorted(clusters) if name in found), None)
    if endpoints is None:
        raise NotPossibleError(f"{min(clusters)} has no written endpoints")
    return endpoints


def _no_pair(field: Field) -> str | None:
    return None if field.aims.split is not None else no_exchange(field)


def _swap_weights(field: Field) -> None:
    split = field.aims.split
    if split is None:
        raise NotPossibleError(NO_SPLIT)
    first, second = (min(each.clusters) for each in split)
    other = {first: second, second: first}

    def swap(tree: Tree) -> bool:
        changed = False
        for route in _routes(tree):
            for each in route.get("route", {}).get("weighted_clusters", {}).get("clusters", ()):
                changed |= each["name"] in other
                each["name"] = other.get(each["name"], each["name"])
        return changed

    if not field.edit_gateway("rds", swap):
        raise NotPossibleError("no route of the gateway divides requests between these clusters")


def _swap_routes(field: Field) -> None:
    first, second = _clusters(field)

    def swap(tree: Tree) -> bool:
        changed = False
        for route in _routes(tree):
            cluster = route.get("route", {}).get("cluster")
            if cluster in (first, second):
                route["route"]["cluster"] = second if cluster == first else first
                changed = True
        return changed

    if not field.edit_gateway("rds", swap):
        raise NotPossibleError("no route of the gateway leads to one of these clusters alone")


def _lead_one_astray(field: Field) -> None:
    first, second = _clusters(field)
    load = field.running_load()
    sequence = _one_of(load, field.aims.first.subset, after=0.4)
    match = {"suffix": f"{sequence % _ONE_IN:04d}"}
    if not field.edit_gateway(
        "rds", lambda tree: _branch_off(tree, first, load.id_header, match, {"cluster": second})
    ):
        raise NotPossibleError("no route of the gateway leads to that cluster alone")


def _deliver_twice(field: Field) -> None:
    first = min(field.aims.first.clusters)
    load = field.running_load()
    sequence = _one_of(load, field.aims.first.subset, after=0.6)
    match = {"exact": REQUEST_ID.format(run_id=load.run_id, sequence=sequence)}
    # Under another host, which Envoy would give the copy, TLS would ask for another name.
    policy = {"cluster": first, "disable_shadow_host_suffix_append": True}
    mirror = {"request_mirror_policies": [policy]}
    if not field.edit_gateway("rds", lambda tree: _branch_off(tree, first, load.id_header, match, mirror)):
        raise NotPossibleError("no route of the gateway leads to that cluster alone")


def _clusters(field: Field) -> tuple[str, str]:
    first, second = field.aims.pair()
    return min(first.clusters), min(second.clusters)


def _routes(tree: Tree) -> list[dict[str, Any]]:
    return [
        route
        for resource in tree["resources"]
        for host in resource.get("virtual_hosts", ())
        for route in host.get("routes", ())
    ]


def _branch_off(tree: Tree, cluster: str, header: str, match: dict[str, str], action: Tree) -> bool:
    """Before each route to *cluster* put one that differs in *action*, for requests with such an id only."""
    changed = False
    for resource in tree["resources"]:
        for host in resource.get("virtual_hosts", ()):
            routes = []
            for route in host.get("routes", ()):
                if route.get("route", {}).get("cluster") == cluster:
                    branch = copy.deepcopy(route)
                    branch["match"].setdefault("headers", []).append({"name": header, "string_match": match})
                    branch["route"].update(action)
                    routes.append(branch)
                    changed = True
                routes.append(route)
            host["routes"] = routes
    return changed


def _one_of(load: LoadPlan, kind: str, *, after: float) -> int:
    """The sequence number of the first request of *kind* in the last stage after that part of it."""
    stage = len(load.stages) - 1
    number = [request.name for request in load.requests].index(kind)
    rate = getattr(load.stages[stage].schedule, "arrival_rate", None)
    if rate is None:
        raise MeasurementError("which request is next is only known of a constant schedule.")
    size = int(rate * load.stages[stage].duration_s)
    kinds = kinds_of(load, stage, size)
    start = int(size * after)
    return stage * SEQUENCES + start + int(np.flatnonzero(kinds[start:] == number)[0])


FAULTS = (
    Fault(
        "endpoints-swapped",
        "endpoints of both subsets swapped",
        Cause.ENDPOINTS_SWAPPED,
        _swap_endpoints,
        obstacle=_no_pair,
    ),
    Fault(
        "routes-swapped",
        "routes of both subsets swapped",
        Cause.ROUTES_SWAPPED,
        _swap_routes,
        obstacle=no_exchange,
    ),
    Fault(
        "one-astray",
        "one request in 10,000 misrouted",
        Cause.STRAY_MISROUTE,
        _lead_one_astray,
        obstacle=no_second,
        hold_s=5.5,
        measure_s=7.0,
        arrival_rate=1500.0,
    ),
    Fault(
        "weights-swapped",
        "weights of a split swapped",
        Cause.OTHER_SHARES,
        _swap_weights,
        obstacle=no_split,
        hold_s=4.0,
        measure_s=5.5,
    ),
    Fault("delivered-twice", "one request delivered twice", Cause.DUPLICATE_DELIVERY, _deliver_twice),
)
