"""Routes that never get a request, because a route of another resource takes it first (EB0104)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher, QueryParameterMatcher, RouteMatch

from bench.check.effects.survey import Survey
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import TranslatedProxy, conditions_of
from bench.message import say

_MOST_ROUTES = 400
"""Routes of a virtual host up to which each pair is compared."""


def check_hidden_routes(found: Survey) -> Iterator[Finding]:
    """Compare the routes of each virtual host that come from different resources.

    Within one resource the analyzer has said so already (IST0130, IST0131, EB0009).
    """
    reported: set[tuple[Position, Position]] = set()
    for here in found.translated:
        for config in here.config.routes:
            for host in config.virtual_hosts:
                for hidden, taker, match in _hidden(here, found, host.routes[:_MOST_ROUTES]):
                    if (hidden, taker) in reported:
                        continue
                    reported.add((hidden, taker))
                    yield found.finding(
                        Level.WARNING,
                        "EB0104",
                        hidden,
                        say(
                            EffectCase.ROUTE_HIDDEN,
                            conditions=conditions_of(match) or say(EffectCase.ANYTHING),
                            host=host.name,
                            proxy=here.name,
                            other=found.sources.title(taker),
                            place=taker,
                        ),
                    )


def _hidden(
    here: TranslatedProxy, found: Survey, routes: Sequence[object]
) -> Iterator[tuple[Position, Position, RouteMatch | None]]:
    placed: list[tuple[RouteMatch, Position, str]] = []
    if len(routes) < 2:
        return
    for route in routes:
        where = here.config.origins.first(route, "rule")  # type: ignore[arg-type]
        match = getattr(route, "match", None) or RouteMatch(prefix="/")
        if where is None:
            continue
        title = found.sources.title(where)
        for earlier, taker, other in placed:
            if other != title and covers_route(earlier, match):
                yield where, taker, match
                break
        placed.append((match, where, title))


def covers_route(first: RouteMatch, second: RouteMatch) -> bool:
    """Say whether *first* takes every request that *second* takes; ``False`` when that is unknown."""
    return (
        _covers_path(first, second)
        and all(any(_same_header(mine, theirs) for theirs in second.headers) for mine in first.headers)
        and all(
            any(_same_parameter(mine, theirs) for theirs in second.query_parameters)
            for mine in first.query_parameters
        )
    )


def _covers_path(first: RouteMatch, second: RouteMatch) -> bool:
    if first.prefix == "/":
        return True
    if (first.case_sensitive is False) != (second.case_sensitive is False):
        return False
    if first.prefix is not None:
        theirs = second.path if second.path is not None else second.prefix
        return theirs is not None and theirs.startswith(first.prefix)
    if first.path is not None:
        return second.path == first.path
    if first.safe_regex is not None:
        return second.safe_regex is not None and second.safe_regex.regex == first.safe_regex.regex
    return False


def _same_header(one: HeaderMatcher, two: HeaderMatcher) -> bool:
    if one.name.lower() != two.name.lower() or one.invert_match != two.invert_match:
        return False
    if one.present_match and not one.invert_match and two.string_match is not None:
        return True
    return one.present_match == two.present_match and one.string_match == two.string_match


def _same_parameter(one: QueryParameterMatcher, two: QueryParameterMatcher) -> bool:
    return one.name == two.name and (one.string_match is None or one.string_match == two.string_match)
