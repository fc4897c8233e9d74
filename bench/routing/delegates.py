"""A VirtualService's HTTP rules with delegates put in place of the rules that name them.

Source: ``Delegate`` in Istio's API reference: one level deep; what the delegate sets counts, else what the
root sets; a pair of matches that contradict each other is not a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.errors import Position
from bench.istio.models import HTTPMatchRequest, HTTPRoute, StringMatch, VirtualService
from bench.istio.resource import Resource
from bench.routing.names import is_visible

_TEXTS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "without_headers", "query_params")
_INHERITED = (
    "rewrite",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrors",
    "mirror_percent",
    "mirror_percentage",
    "cors_policy",
    "headers",
)


@dataclass(frozen=True, slots=True)
class WrittenMatch:
    """One match and where it is."""

    match: HTTPMatchRequest
    where: Position
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One rule after delegation: no ``matches`` means every request."""

    route: HTTPRoute
    matches: tuple[WrittenMatch, ...]
    title: str
    """``VirtualService default/web, http[0]``."""
    where: Position
    namespace: str
    """Short names of destinations are names in here."""
    mirror_namespace: str


def http_rules(
    resource: Resource[VirtualService], all_of_them: Iterable[Resource[VirtualService]]
) -> Iterator[WrittenRule]:
    """The rules of *resource* in their order."""
    delegates = {(other.namespace, other.name): other for other in all_of_them if not other.spec.hosts}
    for index, route in enumerate(resource.spec.http):
        rule = _written(resource, index, route)
        if route.delegate is None:
            yield rule
            continue
        key = (route.delegate.namespace or resource.namespace, route.delegate.name)
        target = delegates.get(key)
        if target is None or not is_visible(
            target.spec.export_to, owner=target.namespace, viewer=resource.namespace
        ):
            continue
        for leaf_index, leaf in enumerate(target.spec.http):
            merged = _merged(rule, _written(target, leaf_index, leaf))
            if merged is not None and leaf.delegate is None:
                yield merged


def _written(resource: Resource[VirtualService], index: int, route: HTTPRoute) -> WrittenRule:
    path = ("spec", "http", index)
    name = f" {route.name!r}" if route.name else ""
    return WrittenRule(
        route,
        tuple(
            WrittenMatch(match, resource.position((*path, "match", number)))
            for number, match in enumerate(route.match)
        ),
        f"{resource.title}, http[{index}]{name}",
        resource.position(path),
        resource.namespace,
        resource.namespace,
    )


def _merged(root: WrittenRule, leaf: WrittenRule) -> WrittenRule | None:
    if root.matches and leaf.matches:
        matches = tuple(
            pair
            for inner in leaf.matches
            for outer in root.matches
            if (pair := _both(outer, inner)) is not None
        )
        if not matches:
            return None
    else:
        matches = leaf.matches or root.matches
    inherited = {
        name: getattr(root.route, name)
        for name in _INHERITED
        if not getattr(leaf.route, name) and getattr(root.route, name)
    }
    mirror_from_root = "mirror" in inherited or "mirrors" in inherited
    return WrittenRule(
        leaf.route.model_copy(update=inherited),
        matches,
        f"{leaf.title} (delegate of {root.title})",
        leaf.where,
        leaf.namespace,
        root.namespace if mirror_from_root else leaf.namespace,
    )


def _both(outer: WrittenMatch, inner: WrittenMatch) -> WrittenMatch | None:  # noqa: PLR0911
    root, leaf = outer.match, inner.match
    update: dict[str, object] = {}
    for name in _TEXTS:
        wide, narrow = getattr(root, name), getattr(leaf, name)
        if wide is not None and narrow is not None and _contradict(wide, narrow):
            return None
        update[name] = narrow if narrow is not None else wide
    for name in _MAPS:
        wide_map, narrow_map = getattr(root, name), getattr(leaf, name)
        if any(_contradict(wide_map[key], narrow_map[key]) for key in wide_map.keys() & narrow_map.keys()):
            return None
        update[name] = {**wide_map, **narrow_map}
    if root.port and leaf.port and root.port != leaf.port:
        return None
    labels = {**root.source_labels, **leaf.source_labels}
    if any(labels[key] != value for key, value in root.source_labels.items()):
        return None
    if root.source_namespace and leaf.source_namespace not in ("", root.source_namespace):
        return None
    if root.gateways and not set(leaf.gateways) <= set(root.gateways):
        return None
    doubt = ""
    if root.ignore_uri_case != leaf.ignore_uri_case and root.uri is not None and leaf.uri is not None:
        doubt = f"{outer.where} and {inner.where} differ in ignoreUriCase"
    update |= {
        "port": leaf.port or root.port,
        "source_labels": labels,
        "source_namespace": leaf.source_namespace or root.source_namespace,
        "gateways": leaf.gateways or root.gateways,
        "ignore_uri_case": leaf.ignore_uri_case or root.ignore_uri_case,
    }
    return WrittenMatch(leaf.model_copy(update=update), inner.where, doubt)


def _contradict(wide: StringMatch, narrow: StringMatch) -> bool:
    """Whether what *narrow* asks for is not certainly within what *wide* asks for."""
    if wide.regex is not None or narrow.regex is not None:
        return True
    if narrow.exact is not None:
        if wide.exact is not None:
            return wide.exact != narrow.exact
        return wide.prefix is not None and not narrow.exact.startswith(wide.prefix)
    if narrow.prefix is not None:
        if wide.exact is not None:
            return True
        return wide.prefix is not None and not narrow.prefix.startswith(wide.prefix)
    return False
