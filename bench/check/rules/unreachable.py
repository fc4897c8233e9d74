"""Rules and matches that never get a request (IST0130, IST0131, EB0009).

Source of the rules: istio ``pkg/config/validation`` (``analyzeUnreachableHTTPRules`` and its siblings).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.coverage import EarlierMatches
from bench.check.rules.surroundings import Surroundings
from bench.istio.models import HTTPRoute, TCPRoute, TLSRoute, VirtualService
from bench.istio.problem import Path
from bench.istio.resource import Resource
from bench.istio.validation import Findings, warn_about_unused_rules
from bench.message import Message, say

Rule = HTTPRoute | TCPRoute | TLSRoute


def check_unreachable_rules(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0130 for rules, IST0131 for single matches."""
    for virtual_service in surroundings.resources.virtual_services:
        spec = virtual_service.spec
        yield from _check_rules(virtual_service, "http", spec.http)
        yield from _check_rules(virtual_service, "tcp", spec.tcp)
        yield from _check_rules(virtual_service, "tls", spec.tls)
        yield from _check_overlaps(virtual_service)


def _check_rules(
    virtual_service: Resource[VirtualService], kind: str, rules: Sequence[Rule]
) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    catch_all: int | None = None
    for number, rule in enumerate(rules):
        if not rule.match:
            if catch_all is not None:
                yield _behind_catch_all(virtual_service, kind, rules, number, catch_all)
            else:
                catch_all = number
            continue
        if catch_all is not None:
            yield _behind_catch_all(virtual_service, kind, rules, number, catch_all)
            continue
        repeated = 0
        for index, match in enumerate(rule.match):
            key = _key(match)
            first = seen.get(key)
            seen.setdefault(key, number)
            if first is not None:
                repeated += 1
                yield finding(
                    Level.INFO,
                    "IST0131",
                    virtual_service,
                    ("spec", kind, number, "match", index),
                    say(RuleCase.MATCH_REPEATED, earlier=_called(rules, first)),
                )
        if repeated == len(rule.match):
            yield finding(
                Level.WARNING,
                "IST0130",
                virtual_service,
                ("spec", kind, number),
                say(RuleCase.MATCHES_TAKEN, rule=_called(rules, number)),
            )


def _key(match: BaseModel) -> str:
    """Give the text that two equal matches share; their names do not count."""
    return match.model_dump_json(exclude={"name"})


def _behind_catch_all(
    virtual_service: Resource[VirtualService], kind: str, rules: Sequence[Rule], number: int, catch_all: int
) -> Finding:
    return finding(
        Level.WARNING,
        "IST0130",
        virtual_service,
        ("spec", kind, number),
        say(RuleCase.BEHIND_CATCH_ALL, rule=_called(rules, number), earlier=_called(rules, catch_all)),
    )


def _called(rules: Sequence[Rule], number: int) -> Message:
    rule = rules[number]
    if isinstance(rule, HTTPRoute) and rule.name:
        return say(RuleCase.NAMED_RULE, name=rule.name)
    return say(RuleCase.NUMBERED_RULE, number=number + 1)


def _check_overlaps(virtual_service: Resource[VirtualService]) -> Iterator[Finding]:
    """Report matches of which an earlier one takes every request.

    IST0131 where istiod says so too. Its comparison is rough (a missing method counts as GET, header patterns
    as equal), so that it also names matches that do get requests, which are left out here, and overlooks
    others, which are EB0009.
    """
    said = Findings()
    warn_about_unused_rules(virtual_service.spec, said)
    claims = Counter(warning.path for warning in said.warnings)
    rules = virtual_service.spec.http
    catch_all = next((number for number, rule in enumerate(rules) if not rule.match), len(rules))
    earlier = EarlierMatches()
    seen: set[str] = set()
    for number, rule in enumerate(rules[:catch_all]):
        for index, match in enumerate(rule.match):
            key = _key(match)
            if key in seen:
                continue
            seen.add(key)
            path: Path = ("spec", "http", number, "match", index)
            takers = earlier.covering(match)
            for at in takers[: claims[path] or 1]:
                yield finding(
                    Level.INFO if claims[path] else Level.WARNING,
                    "IST0131" if claims[path] else "EB0009",
                    virtual_service,
                    path,
                    say(RuleCase.MATCH_COVERED, earlier=_called(rules, at)),
                )
            earlier.add(number, match)
