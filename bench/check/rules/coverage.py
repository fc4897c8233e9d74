"""Whether one HTTP match takes every request that another one would take."""

from __future__ import annotations

from collections.abc import Mapping

from bench.istio.models.virtual_service import HTTPMatchRequest, StringMatch


def covers_match(first: HTTPMatchRequest, second: HTTPMatchRequest) -> bool:
    """Tell whether *first* matches each request that *second* matches.

    ``False`` also when it cannot be told, as for two different patterns.
    """
    if first.port and first.port != second.port:
        return False
    if first.gateways and not (second.gateways and set(second.gateways) <= set(first.gateways)):
        return False
    if first.source_namespace and first.source_namespace != second.source_namespace:
        return False
    return (
        first.source_labels.items() <= second.source_labels.items()
        and _covers_uri(first, second)
        and all(
            _covers_text(getattr(first, name), getattr(second, name))
            for name in ("scheme", "method", "authority")
        )
        and _covers_texts(first.headers, second.headers)
        and _covers_texts(first.query_params, second.query_params)
        # The absence of a header is only covered by the same absence.
        and first.without_headers.items() <= second.without_headers.items()
    )


def _covers_uri(first: HTTPMatchRequest, second: HTTPMatchRequest) -> bool:
    if first.uri is None:
        return True
    if second.uri is None:
        return False
    if first.ignore_uri_case:
        return _covers_text(_lower(first.uri), _lower(second.uri))
    # A match that ignores case takes more spellings than one that does not.
    if second.ignore_uri_case and (second.uri.exact or second.uri.prefix or "/") != "/":
        return first.uri.prefix == "/"
    return _covers_text(first.uri, second.uri)


def _lower(text: StringMatch) -> StringMatch:
    if text.regex is not None:
        return text
    if text.exact is not None:
        return StringMatch(exact=text.exact.lower())
    return StringMatch(prefix=(text.prefix or "").lower())


def _covers_texts(first: Mapping[str, StringMatch], second: Mapping[str, StringMatch]) -> bool:
    theirs = {name.lower(): text for name, text in second.items()}
    return all(
        name.lower() in theirs and _covers_text(text, theirs[name.lower()]) for name, text in first.items()
    )


def _covers_text(first: StringMatch | None, second: StringMatch | None) -> bool:
    if first is None:
        return True
    if second is None:
        return False
    if first.exact is not None:
        return second.exact == first.exact
    if first.prefix is not None:
        return (second.exact or second.prefix or "").startswith(first.prefix) and second.regex is None
    if first.regex is not None:
        return second.regex == first.regex
    return True
