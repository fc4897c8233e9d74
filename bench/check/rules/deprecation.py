"""Fields that have a successor (IST0002). Source: istio ``deprecation/deprecation.go``."""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.message import say


def check_deprecated_fields(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0002 for ``fault.delay.percent``."""
    for virtual_service in surroundings.resources.virtual_services:
        for number, rule in enumerate(virtual_service.spec.http):
            delay = rule.fault.delay if rule.fault is not None else None
            if delay is not None and delay.percent > 0:
                yield finding(
                    Level.WARNING,
                    "IST0002",
                    virtual_service,
                    ("spec", "http", number, "fault", "delay", "percent"),
                    say(RuleCase.DEPRECATED_PERCENT, percent=delay.percent),
                )
