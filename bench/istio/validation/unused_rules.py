"""Warnings about rules of a VirtualService that no request can reach.

Source: istio ``analyzeUnreachableHTTPRules``, which is careful rather than complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.istio.models import HTTPMatchRequest, HTTPRoute, StringMatch, VirtualService
from bench.istio.validation.findings import Findings


def warn_about_unused_rules(service: VirtualService, findings: Findings) -> None:
    """Warn about rules after one without matches, and about matches that an earlier one makes useless."""
    _warn(service.http, "http", findings)
    _warn(service.tcp, "tcp", findings)
    _warn(service.tls, "tls", findings)
    _warn_about_prefixes(service.http, findings)


def _warn(routes: Sequence[Any], field: str, findings: Findings) -> None:
    seen: dict[Any, int] = {}
    catches_all: int | None = None
    for index, route in enumerate(routes):
        if catches_all is not None:
            findings.warn(f"is never used: {field}[{catches_all}] before it has no match", field, index)
        if not route.match:
            catches_all = index if catches_all is None else catches_all
            continue
        repeated = 0
        for number, match in enumerate(route.match):
            key = _without_name(match)
            if key in seen:
                findings.warn(f"repeats a match of {field}[{seen[key]}]", field, index, "match", number)
                repeated += 1
            else:
                seen[key] = index
        if repeated == len(route.match):
            findings.warn("is never used: earlier rules have all its matches", field, index)


def _without_name(match: Any) -> str:
    data = match.model_dump(exclude_unset=True)
    data.pop("name", None)
    return repr(sorted(data.items()))


@dataclass(frozen=True, slots=True)
class _PrefixMatch:
    """A match by path prefix: its place, and what else it asks for."""

    index: int
    number: int
    prefix: str
    port: int
    method: str
    authority: str
    maps: tuple[Mapping[str, str], ...]

    def covers(self, later: _PrefixMatch) -> bool:
        """Whether whatever *later* matches is matched by this one."""
        if not later.prefix.startswith(self.prefix) or later.port != self.port:
            return False
        if not self.method.startswith(later.method) or not self.authority.startswith(later.authority):
            return False
        return all(
            len(mine) == len(theirs)
            and all(key in theirs and value.startswith(theirs[key]) for key, value in mine.items())
            for mine, theirs in zip(self.maps, later.maps, strict=True)
        )


def _warn_about_prefixes(routes: Sequence[HTTPRoute], findings: Findings) -> None:
    # By prefix and other quick differences: thousands of rules are not compared each with each.
    earlier: dict[tuple[str, tuple[object, ...]], list[_PrefixMatch]] = {}
    for index, route in enumerate(routes):
        for number, match in enumerate(route.match):
            if match.uri is None or not match.uri.prefix:
                continue
            here = _prefix_match(match, match.uri.prefix, index, number)
            shape = (here.port, *(frozenset(each) for each in here.maps))
            shorter = (here.prefix[:length] for length in range(len(here.prefix)))
            near = [other for prefix in shorter for other in earlier.get((prefix, shape), ())]
            for other in sorted(near, key=lambda each: (each.index, each.number)):
                if other.covers(here):
                    findings.warn(
                        f'is never used: the prefix "{other.prefix}" of http[{other.index}] covers it',
                        *("http", index, "match", number),
                    )
            earlier.setdefault((here.prefix, shape), []).append(here)


def _prefix_match(match: HTTPMatchRequest, prefix: str, index: int, number: int) -> _PrefixMatch:
    maps = (match.headers, match.query_params, match.without_headers)
    return _PrefixMatch(
        index,
        number,
        prefix,
        match.port,
        _text(match.method) or "exact:GET",
        _text(match.authority),
        tuple({key: _text(value) for key, value in entries.items()} for entries in maps),
    )


def _text(match: StringMatch | None) -> str:
    if match is None:
        return ""
    if match.exact:
        return f"exact:{match.exact}"
    return f"prefix:{match.prefix}" if match.prefix else ""
