"""What a route changes of a request before it is sent on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from envoy_data_plane.envoy.config.core.v3 import HeaderValueOption, HeaderValueOptionHeaderAppendAction
from envoy_data_plane.envoy.config.route.v3 import Route, RouteAction, WeightedClusterClusterWeight

from bench.explain.request import Request, normal_path
from bench.istio.regex import compile_pattern


def sent_on(
    request: Request, route: Route, action: RouteAction, share: WeightedClusterClusterWeight | None
) -> Request:
    """Give the request as the next one sees it: headers, path and Host after all changes."""
    headers = dict(request.headers)
    for source in (share, route):
        if source is None:
            continue
        for name in source.request_headers_to_remove:
            headers.pop(name.lower(), None)
        _add(headers, source.request_headers_to_add)
    target = _rewritten(request, route, action)
    authority = (share.host_rewrite_literal if share is not None else None) or action.host_rewrite_literal
    changed = replace(request, headers=headers, authority=authority or request.authority)
    return changed.with_target(target)


def _add(headers: dict[str, str], options: Iterable[HeaderValueOption]) -> None:
    for option in options:
        if option.header is None:
            continue
        name, value = option.header.key.lower(), option.header.value or ""
        overwrites = option.append_action is HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
        if overwrites or name not in headers:
            headers[name] = value
        else:
            headers[name] = f"{headers[name]},{value}"


def _rewritten(request: Request, route: Route, action: RouteAction) -> str:
    path = request.path
    match = route.match
    rewrite = action.regex_rewrite
    if rewrite is not None and rewrite.pattern is not None:
        path = compile_pattern(rewrite.pattern.regex).replace_all(path, rewrite.substitution)
    elif action.prefix_rewrite and match is not None:
        if match.prefix is not None:
            path = action.prefix_rewrite + path[len(match.prefix) :]
        elif match.path is not None or match.safe_regex is not None:
            path = action.prefix_rewrite
    path = normal_path(path) if path.startswith("/") else path
    return f"{path}?{request.query}" if request.query else path


def describe_changes(before: Request, after: Request) -> list[str]:
    """Put the difference into words."""
    changes: list[str] = []
    if after.authority != before.authority:
        changes.append(f"Host becomes {after.authority}")
    if after.target != before.target:
        changes.append(f"path becomes {after.target}")
    for name in sorted({*before.headers, *after.headers}):
        old, new = before.headers.get(name), after.headers.get(name)
        if old == new:
            continue
        changes.append(f"header {name} is removed" if new is None else f"header {name} becomes {new!r}")
    return changes
