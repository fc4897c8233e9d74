"""The differences of one proxy, object by object, each with the line of YAML that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration

from bench.diff.compare import MISSING, FieldDifference, compare
from bench.diff.dump import Dump, Gap
from bench.diff.normal_form import from_translation
from bench.errors import Position
from bench.istio.cluster_names import parse_cluster_name
from bench.translate import ProxyConfig

_PARTS_OF_FIELD = {
    "transport_socket": ("tls", "policy", "service"),
    "load_assignment": ("service",),
    "type": ("service",),
    "": ("subset", "service"),
}
_POLICY = ("policy", "subset", "service")
_ROUTE_PARTS = ("rule", "service")
_CHAIN_PARTS = ("rule", "server", "service")


class Side(StrEnum):
    """Who has it."""

    PROXY = "proxy"
    """The proxy has it, and the YAML does not say it."""
    YAML = "yaml"
    """The YAML says it, and the proxy does not have it."""
    BOTH = "both"
    """Both have it, and it differs."""


@dataclass(frozen=True, slots=True)
class ObjectDifference:
    """One object of Envoy's that differs."""

    kind: str
    """``listener``, ``route configuration``, ``virtual host``, ``route`` or ``cluster``."""
    name: str
    side: Side
    fields: tuple[FieldDifference, ...] = ()
    """What differs inside of it, by path within it; empty for a whole object."""
    where: Position | None = None
    """The line of YAML that means it otherwise."""
    resource: str = ""
    """The resource that the proxy names as its origin."""
    host: str = ""
    """The host of Istio's that it is of, where its name says so."""


def diff_proxy(
    config: ProxyConfig, dump: Dump, *, compares_endpoints_of_services: bool = True
) -> tuple[int, tuple[ObjectDifference, ...]]:
    """Compare what *config* means with what *dump* has; give the number of fields, and the differences.

    Endpoints of the cluster's own Services come and go with its Pods: without
    *compares_endpoints_of_services* they are left out.
    """
    # Parts are taken out below: a dump may be compared again.
    theirs = {kind: {name: {**each} for name, each in found.items()} for kind, found in dump.has.items()}
    ours = from_translation(config)
    for gap, kind in ((Gap.LISTENERS, "listeners"), (Gap.ROUTES, "routes"), (Gap.CLUSTERS, "clusters")):
        if gap in dump.gaps:
            del theirs[kind], ours[kind]
    for side in (theirs, ours):
        for name, cluster in side.get("clusters", {}).items():
            if _leaves_endpoints_out(name, cluster, dump, compares_endpoints_of_services):
                cluster.pop("load_assignment", None)
    comparison = compare(theirs, ours)
    grouped: dict[tuple[str, ...], list[FieldDifference]] = {}
    for difference in comparison.differences:
        grouped.setdefault(_object_path(difference.path), []).append(difference)
    places = _Places(config)
    return comparison.fields, tuple(_object(path, found, places, dump) for path, found in grouped.items())


def _leaves_endpoints_out(name: str, cluster: dict[str, Any], dump: Dump, of_services: bool) -> bool:
    if cluster.get("type") != "EDS or STATIC":
        return False
    if Gap.ENDPOINTS in dump.gaps:
        return True
    parsed = parse_cluster_name(name)
    return not of_services and parsed is not None and ".svc." in parsed.host


def _object_path(path: Sequence[str]) -> tuple[str, ...]:
    """Give the part of *path* that names an object: of a route configuration down to the route."""
    if path[0] == "routes" and len(path) > 2 and path[2] == "virtual_hosts":
        return tuple(path[:6]) if len(path) > 5 and path[4] == "routes" else tuple(path[:4])
    return tuple(path[:2])


def _object(
    path: tuple[str, ...], found: Sequence[FieldDifference], places: _Places, dump: Dump
) -> ObjectDifference:
    whole = next((each for each in found if each.path == path), None)
    side = Side.BOTH
    if whole is not None:
        side = Side.PROXY if whole.ours == MISSING else Side.YAML if whole.theirs == MISSING else Side.BOTH
    inside = tuple(
        FieldDifference(each.path[len(path) :], each.theirs, each.ours) for each in found if each is not whole
    )
    if whole is not None and side is Side.BOTH:
        inside = (FieldDifference((), whole.theirs, whole.ours), *inside)
    kind, name = _title(path)
    cluster = parse_cluster_name(path[1]) if path[0] == "clusters" else None
    host = cluster.host if cluster is not None else path[3].rpartition(":")[0] if len(path) > 3 else ""
    field = inside[0].path[0] if inside and inside[0].path else ""
    return ObjectDifference(
        kind, name, side, inside, places.find(path, field), _origin_there(path, dump), host
    )


def _title(path: tuple[str, ...]) -> tuple[str, str]:
    if path[0] == "routes":
        if len(path) >= 6:
            return "route", f"{int(path[5].strip('[]')) + 1} of {path[3]} in {path[1]}"
        return (
            ("virtual host", f"{path[3]} in {path[1]}") if len(path) > 3 else ("route configuration", path[1])
        )
    return path[0].removesuffix("s"), path[1] if len(path) > 1 else ""


def _origin_there(path: tuple[str, ...], dump: Dump) -> str:
    """Give the resource that the real proxy's own metadata names for a route or a virtual host."""
    if path[0] != "routes" or len(path) < 4:
        return ""
    origins = dump.route_origins.get((path[1], path[3]), ())
    index = int(path[5].strip("[]")) if len(path) >= 6 else 0
    return origins[index] if index < len(origins) else ""


class _Places:
    """Finds the lines behind the objects of a translation."""

    def __init__(self, config: ProxyConfig) -> None:
        self._config = config
        self._routes = {each.name: each for each in config.routes}
        self._clusters = {each.name: each for each in config.clusters}
        self._listeners = {each.name: each for each in config.listeners}

    def find(self, path: Sequence[str], field: str) -> Position | None:
        origins = self._config.origins
        if path[0] == "clusters" and (cluster := self._clusters.get(path[1])) is not None:
            return origins.first(cluster, *_PARTS_OF_FIELD.get(field, _POLICY))
        if path[0] == "listeners" and (listener := self._listeners.get(path[1])) is not None:
            chains = (origins.first(each, *_CHAIN_PARTS) for each in listener.filter_chains)
            own = origins.first(listener, "service")
            return own or next((each for each in chains if each is not None), None)
        if path[0] == "routes" and (config := self._routes.get(path[1])) is not None:
            found = (origins.first(route, *_ROUTE_PARTS) for route in _routes(config, path))
            return next((each for each in found if each is not None), None)
        return None


def _routes(config: RouteConfiguration, path: Sequence[str]) -> Iterator[Any]:
    for host in config.virtual_hosts:
        if len(path) > 3 and host.name != path[3]:
            continue
        if len(path) >= 6:
            index = int(path[5].strip("[]"))
            yield from host.routes[index : index + 1]
        yield from host.routes
