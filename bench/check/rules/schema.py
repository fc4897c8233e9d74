"""Resources that a cluster refuses or comments on (IST0106, IST0133, EB0011)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.errors import BenchError
from bench.istio.models import VirtualService
from bench.istio.problem import Code, Problem, path_text
from bench.istio.validation import Findings, inspect, warn_about_unused_rules
from bench.message import Message, say


def as_read(problem: Problem | BenchError, otherwise: RuleCase) -> Message:
    """Pass on the words of *problem*; *otherwise* has the remedy where it knows none."""
    if problem.remedy:
        return say(RuleCase.INPUT, what=problem.what, remedy=problem.remedy)
    return say(otherwise, what=problem.what)


def refusals(problems: Iterable[Problem]) -> Iterator[Finding]:
    """IST0106 for each fault of a resource that loading found."""
    for problem in problems:
        if problem.resource:
            yield Finding(
                Level.ERROR,
                "IST0106",
                problem.where,
                problem.resource,
                as_read(problem, RuleCase.INPUT_REFUSED),
            )


_NOTICES = {
    Code.NOT_READ: (Level.INFO, "EB0013"),
    Code.SKIPPED_KIND: (Level.INFO, "EB0013"),
    Code.UNKNOWN_METADATA: (Level.WARNING, "EB0014"),
}
"""What the reader noticed on its way -> how much it matters, and its code."""


def unreadable(problems: Iterable[Problem]) -> Iterator[Finding]:
    """EB0012 for each fault after which nobody knows what else the files say."""
    for problem in problems:
        yield Finding(
            Level.ERROR,
            "EB0012",
            problem.where,
            problem.resource,
            as_read(problem, RuleCase.INPUT_UNREADABLE),
        )


def check_notices(surroundings: Surroundings) -> Iterator[Finding]:
    """EB0013 and EB0014 for what lies in the files and is not read."""
    for problem in surroundings.resources.warnings:
        if problem.code in _NOTICES:
            level, code = _NOTICES[problem.code]
            message = as_read(problem, RuleCase.INPUT_NOT_READ)
            yield Finding(level, code, problem.where, problem.resource, message)


def check_schema_warnings(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0133 for what istiod's webhook accepts with a warning.

    Rules that get no request have codes of their own; a label cannot silence a warning here, as it cannot
    in istioctl.
    """
    for resource in surroundings.resources:
        found = inspect(replace(resource, labels={}, annotations={})).warnings
        unused = Findings()
        if isinstance(resource.spec, VirtualService):
            warn_about_unused_rules(resource.spec, unused)
        known = set(unused.warnings)
        for warning in found:
            if warning in known:
                continue
            # istiod loses what it would say about subsets and single ports of a DestinationRule.
            is_lost = "portLevelSettings" in warning.path or "subsets" in warning.path
            yield finding(
                Level.WARNING,
                "EB0011" if is_lost else "IST0133",
                resource,
                warning.path,
                say(RuleCase.ADMITTED_WITH_WARNING, field=path_text(warning.path), what=warning.what),
            )
