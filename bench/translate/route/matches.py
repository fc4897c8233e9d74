"""Conditions of a VirtualService: those settled now, and those that Envoy checks for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher, QueryParameterMatcher, Route, RouteMatch
from envoy_data_plane.envoy.type.matcher.v3 import RegexMatcher, StringMatcher

from bench.errors import Position
from bench.istio.hosts import MESH
from bench.istio.models import HTTPMatchRequest, StringMatch
from bench.translate.notices import Refusal, RefusedError

_CLAIM_PREFIX = "@request.auth.claims"
_ANYTHING = "*"
"""Before Envoy had presence matches, Istio read this (invalid) regular expression as one."""


def holds_for_proxy(
    match: HTTPMatchRequest,
    *,
    port: int,
    gateways: frozenset[str],
    labels: Mapping[str, str],
    namespace: str,
) -> bool:
    """Decide the conditions that no request can change: port, gateways, labels and namespace of the client.

    A match that names gateways ignores ``sourceLabels`` and ``sourceNamespace`` (istio ``sourceMatchHTTP``).
    """
    if match.port and match.port != port:
        return False
    if match.gateways:
        return not gateways.isdisjoint(match.gateways)
    if MESH not in gateways:
        # Source conditions speak of sidecars; istiod still compares them with the gateway's own.
        pass
    if not (match.source_labels.items() <= labels.items()):
        return False
    return not match.source_namespace or match.source_namespace == namespace


def route_match(match: HTTPMatchRequest | None, locate: Callable[[], Position]) -> RouteMatch:
    """Translate the conditions that Envoy checks; all of them must hold.

    Raises:
        UnsupportedError: the match needs the claims of a JWT that no filter here verifies.
    """
    if match is None:
        return RouteMatch(prefix="/")
    headers = [header_matcher(name, match.headers[name]) for name in match.headers]
    headers += [without_header_matcher(name, match.without_headers[name]) for name in match.without_headers]
    for name in (*match.headers, *match.without_headers):
        if name.startswith(_CLAIM_PREFIX):
            raise RefusedError(Refusal.JWT_CLAIMS, locate, header=name)
    headers.sort(key=lambda header: header.name)
    for name, text in ((":method", match.method), (":authority", match.authority), (":scheme", match.scheme)):
        if text is not None:
            headers.append(header_matcher(name, text))
    result = RouteMatch(
        case_sensitive=not match.ignore_uri_case,
        headers=headers,
        query_parameters=[
            _query_matcher(name, match.query_params[name]) for name in sorted(match.query_params)
        ],
    )
    uri = match.uri
    if uri is None or uri.prefix is not None:
        result.prefix = uri.prefix if uri is not None else "/"
    elif uri.exact is not None:
        result.path = uri.exact
    elif uri.regex is not None:
        result.safe_regex = RegexMatcher(regex=uri.regex)
    else:
        result.prefix = "/"
    return result


def is_catch_all(route: Route) -> bool:
    """Return whether no request gets past *route* (istio ``IsCatchAllRoute``)."""
    match = route.match
    if match is None or match.headers or match.query_parameters or match.dynamic_metadata:
        return False
    if match.prefix is not None:
        return match.prefix == "/"
    if match.safe_regex is not None:
        return match.safe_regex.regex == ".*"
    return False


def _is_presence(text: StringMatch) -> bool:
    if text.regex is not None:
        return text.regex == _ANYTHING
    return text.exact is None and text.prefix is None


def string_matcher(text: StringMatch) -> StringMatcher:
    """Translate one of exact, prefix and regex."""
    if text.exact is not None:
        return StringMatcher(exact=text.exact)
    if text.prefix is not None:
        return StringMatcher(prefix=text.prefix)
    return StringMatcher(safe_regex=RegexMatcher(regex=text.regex or ""))


def header_matcher(name: str, text: StringMatch) -> HeaderMatcher:
    """Match a header by its value, or its mere presence."""
    if _is_presence(text):
        return HeaderMatcher(name=name, present_match=True)
    return HeaderMatcher(name=name, string_match=string_matcher(text))


def without_header_matcher(name: str, text: StringMatch) -> HeaderMatcher:
    """Match the absence of a header, or of that value; a missing header counts as an empty one."""
    matcher = header_matcher(name, text)
    matcher.invert_match = True
    if matcher.string_match is not None:
        matcher.treat_missing_header_as_empty = True
    return matcher


def _query_matcher(name: str, text: StringMatch) -> QueryParameterMatcher:
    if _is_presence(text):
        return QueryParameterMatcher(name=name, present_match=True)
    return QueryParameterMatcher(name=name, string_match=string_matcher(text))
