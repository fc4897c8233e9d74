"""VirtualServices that hand a route over to another one (istio ``pilot/pkg/model/virtualservice.go``)."""

from __future__ import annotations

from collections.abc import Iterable

from bench.istio.models import HTTPMatchRequest, HTTPRoute, StringMatch

_INHERITED = (
    "rewrite",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirror_percent",
    "mirror_percentage",
    "mirrors",
    "cors_policy",
    "headers",
)


def merge_routes(root: HTTPRoute, delegated: Iterable[HTTPRoute]) -> list[HTTPRoute]:
    """Put the routes of a delegate under the conditions of the *root* route that names it.

    A route whose conditions contradict the root's is left out. What the root says beside its conditions
    counts only where the delegated route says nothing of the kind.
    """
    merged = (_merge_route(root, route) for route in delegated)
    return [route for route in merged if route is not None]


def _merge_route(root: HTTPRoute, route: HTTPRoute) -> HTTPRoute | None:
    matches = _merge_matches(root.match, route.match)
    if matches is None:
        return None
    changes: dict[str, object] = {"match": matches, "name": _join(root.name, route.name)}
    for name in _INHERITED:
        if getattr(route, name) in (None, ()):
            changes[name] = getattr(root, name)
    return route.model_copy(update=changes)


def _join(root: str, leaf: str) -> str:
    return f"{root}-{leaf}" if root and leaf else root or leaf


def _merge_matches(
    root: tuple[HTTPMatchRequest, ...], leaf: tuple[HTTPMatchRequest, ...]
) -> tuple[HTTPMatchRequest, ...] | None:
    """Combine each of *leaf* with each of *root* that it agrees with; None if one agrees with none."""
    if not root or not leaf:
        return leaf or root
    merged: list[HTTPMatchRequest] = []
    for ours in leaf:
        fitting = [theirs for theirs in root if not _conflict(theirs, ours)]
        if not fitting:
            return None
        merged.extend(_merge_match(theirs, ours) for theirs in fitting)
    return tuple(merged)


def _merge_match(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> HTTPMatchRequest:
    changes: dict[str, object] = {"name": _join(root.name, leaf.name)}
    for name in ("uri", "scheme", "method", "authority"):
        if getattr(leaf, name) is None:
            changes[name] = getattr(root, name)
    for name in ("headers", "without_headers", "query_params", "source_labels"):
        changes[name] = {**getattr(root, name), **getattr(leaf, name)}
    for name in ("port", "source_namespace", "gateways", "stat_prefix"):
        if not getattr(leaf, name):
            changes[name] = getattr(root, name)
    return leaf.model_copy(update=changes)


def _conflict(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> bool:
    if any(
        _texts_conflict(getattr(root, name), getattr(leaf, name))
        for name in ("uri", "scheme", "method", "authority")
    ):
        return True
    for name in ("headers", "without_headers", "query_params"):
        theirs = getattr(root, name)
        if any(_texts_conflict(theirs.get(key), text) for key, text in getattr(leaf, name).items()):
            return True
    if root.ignore_uri_case != leaf.ignore_uri_case or _differ(root.port, leaf.port):
        return True
    if _differ(root.source_namespace, leaf.source_namespace):
        return True
    if any(_differ(root.source_labels.get(key), value) for key, value in leaf.source_labels.items()):
        return True
    return bool(root.gateways and leaf.gateways and not set(leaf.gateways) <= set(root.gateways))


def _differ(one: object, other: object) -> bool:
    return bool(one and other and one != other)


def _texts_conflict(root: StringMatch | None, leaf: StringMatch | None) -> bool:
    if root is None or leaf is None:
        return False
    leaf_says = leaf.exact or leaf.prefix or leaf.regex
    root_says = root.exact or root.prefix or root.regex
    if (root.regex and leaf_says) or (leaf.regex and root_says):
        return True
    if root.exact:
        return leaf.exact != root.exact
    if root.prefix and (leaf.prefix or leaf.exact):
        return not (leaf.prefix or leaf.exact or "").startswith(root.prefix)
    return False
