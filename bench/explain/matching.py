"""Envoy's matchers, each with the reason why it does not match."""

from __future__ import annotations

from collections.abc import Iterator

from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher, QueryParameterMatcher, RouteMatch
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher

from bench.explain.request import Request
from bench.istio.regex import compile_pattern


def text_mismatch(matcher: StringMatcher, value: str) -> str | None:
    """Say what *value* would have to be, ``None`` when it matches."""
    given, fold = value, matcher.ignore_case
    if fold:
        given = value.lower()

    def cased(text: str) -> str:
        return text.lower() if fold else text

    if matcher.exact is not None:
        return None if given == cased(matcher.exact) else f'must be "{matcher.exact}"'
    if matcher.prefix is not None:
        return None if given.startswith(cased(matcher.prefix)) else f'must begin with "{matcher.prefix}"'
    if matcher.suffix is not None:
        return None if given.endswith(cased(matcher.suffix)) else f'must end with "{matcher.suffix}"'
    if matcher.contains is not None:
        return None if cased(matcher.contains) in given else f'must contain "{matcher.contains}"'
    if matcher.safe_regex is not None:
        return _regex_mismatch(matcher.safe_regex.regex, value)
    return None


def _regex_mismatch(regex: str, value: str) -> str | None:
    if compile_pattern(regex).takes(value):
        return None
    return f"must match the whole pattern {regex}"


def header_mismatch(matcher: HeaderMatcher, request: Request) -> str | None:
    """Say why the header condition does not hold, ``None`` when it does."""
    name, value = matcher.name, request.header(matcher.name)
    shown = "is missing" if value is None else f'is "{value}"'
    if matcher.present_match is not None:
        holds = (value is not None) == matcher.present_match
        if holds != matcher.invert_match:
            return None
        wanted = "must be there" if matcher.present_match != matcher.invert_match else "must not be there"
        return f"header {name} {shown}, {wanted}"
    if value is None and not matcher.treat_missing_header_as_empty:
        # Envoy: a missing header matches no text, and inverting does not change that.
        return f"header {name} is missing"
    wrong = text_mismatch(matcher.string_match or StringMatcher(), value or "")
    if matcher.invert_match:
        return None if wrong is not None else f"header {name} {shown}, which is excluded"
    return None if wrong is None else f"header {name} {shown}, {wrong}"


def query_mismatch(matcher: QueryParameterMatcher, request: Request) -> str | None:
    """Say why the condition on a query parameter does not hold, ``None`` when it does."""
    value = request.parameters().get(matcher.name)
    if value is None:
        return f"query parameter {matcher.name} is missing"
    if matcher.string_match is None:
        return None
    wrong = text_mismatch(matcher.string_match, value)
    return None if wrong is None else f'query parameter {matcher.name} is "{value}", {wrong}'


def path_mismatch(match: RouteMatch, path: str) -> str | None:
    """Say why the path does not match, ``None`` when it does."""
    fold = match.case_sensitive is False
    given = path.lower() if fold else path
    if match.prefix is not None:
        wanted = match.prefix.lower() if fold else match.prefix
        return None if given.startswith(wanted) else f'path {path} must begin with "{match.prefix}"'
    if match.path is not None:
        wanted = match.path.lower() if fold else match.path
        return None if given == wanted else f'path {path} must be "{match.path}"'
    if match.safe_regex is not None:
        wrong = _regex_mismatch(match.safe_regex.regex, path)
        return None if wrong is None else f"path {path} {wrong}"
    if match.path_separated_prefix is not None:
        prefix = match.path_separated_prefix
        fits = given == prefix or given.startswith(prefix + "/")
        return None if fits else f'path {path} must be "{prefix}" or below it'
    return None


def route_mismatches(match: RouteMatch | None, request: Request) -> Iterator[str]:
    """Give every reason why a route does not take *request*; none when it does."""
    if match is None:
        return
    wrong = path_mismatch(match, request.path)
    if wrong is not None:
        yield wrong
    for header in match.headers:
        wrong = header_mismatch(header, request)
        if wrong is not None:
            yield wrong
    for parameter in match.query_parameters:
        wrong = query_mismatch(parameter, request)
        if wrong is not None:
            yield wrong


def describe_match(match: RouteMatch | None) -> str:
    """Put the conditions of a route into words."""
    return ", ".join(conditions_of(match)) or "anything"


def conditions_of(match: RouteMatch | None) -> tuple[str, ...]:
    """Write each condition of a route; none if it takes every request."""
    if match is None:
        return ()
    parts: list[str] = []
    if match.prefix is not None and match.prefix != "/":
        parts.append(f"path {match.prefix}…")
    elif match.path is not None:
        parts.append(f"path = {match.path}")
    elif match.safe_regex is not None:
        parts.append(f"path ~ {match.safe_regex.regex}")
    parts += [_describe_header(header) for header in match.headers]
    parts += [
        f"?{each.name}" + ("" if each.string_match is None else _describe_text(each.string_match))
        for each in match.query_parameters
    ]
    return tuple(parts)


def _describe_header(header: HeaderMatcher) -> str:
    no = "not " if header.invert_match else ""
    if header.string_match is None:
        return f"{no}{header.name}"
    return f"{no}{header.name}{_describe_text(header.string_match)}"


def _describe_text(text: StringMatcher) -> str:
    if text.exact is not None:
        return f" = {text.exact}"
    if text.prefix is not None:
        return f" = {text.prefix}…"
    if text.safe_regex is not None:
        return f" ~ {text.safe_regex.regex}"
    return ""
