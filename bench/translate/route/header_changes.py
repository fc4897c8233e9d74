"""Changes to the headers of requests and answers."""

from __future__ import annotations

from dataclasses import dataclass

from envoy_data_plane.envoy.config.core.v3 import (
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
)

from bench.istio.models import HeaderOperations, Headers

_AUTHORITY = frozenset({"host", ":authority"})
_NOTHING = HeaderOperations()


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """Envoy's lists, and the authority that a ``Host`` among the request's headers sets."""

    request_add: tuple[HeaderValueOption, ...] = ()
    request_remove: tuple[str, ...] = ()
    response_add: tuple[HeaderValueOption, ...] = ()
    response_remove: tuple[str, ...] = ()
    authority: str = ""


def header_changes(headers: Headers | None) -> HeaderChanges:
    """Translate *headers*: all ``set`` by name, then all ``add`` by name.

    ``Host`` and ``:authority`` are not headers for Envoy but the authority (``set`` beats ``add``). Other
    names that start with a colon, and the removal of either, are left out as istiod does: Envoy refuses
    them.
    """
    if headers is None:
        return HeaderChanges()
    request = headers.request or _NOTHING
    response = headers.response or _NOTHING
    return HeaderChanges(
        request_add=_options(request),
        request_remove=_removals(request),
        response_add=_options(response),
        response_remove=_removals(response),
        authority=_authority(request.set) or _authority(request.add),
    )


def _authority(values: dict[str, str]) -> str:
    return next((values[name] for name in sorted(values) if name.lower() in _AUTHORITY), "")


def _is_settable(name: str) -> bool:
    return not name.startswith(":") and name.lower() not in _AUTHORITY


def _options(operations: HeaderOperations) -> tuple[HeaderValueOption, ...]:
    overwrite = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    append = HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD
    return tuple(
        HeaderValueOption(header=HeaderValue(key=name, value=values[name]), append_action=action)
        for values, action in ((operations.set, overwrite), (operations.add, append))
        for name in sorted(values)
        if _is_settable(name)
    )


def _removals(operations: HeaderOperations) -> tuple[str, ...]:
    return tuple(name for name in operations.remove if _is_settable(name))
