"""What a cluster has written into ``status`` (IST0171). Source: istio ``conditions/conditions.go``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.istio.resource import Resource
from bench.message import Message, say

_WAYPOINT = "istio.io/WaypointBound"
"""The condition that both kinds have in common and that istiod sets."""


def check_conditions(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0171 for a waypoint that is not bound."""
    resources = surroundings.resources
    reporting: list[Resource[Any]] = [*resources.services, *resources.service_entries]
    for resource in reporting:
        for index, condition in enumerate(_conditions(resource)):
            if condition.get("type") == _WAYPOINT and condition.get("status") == "False":
                yield finding(
                    Level.WARNING,
                    "IST0171",
                    resource,
                    ("status", "conditions", index),
                    say(
                        RuleCase.CONDITION_FALSE,
                        condition=_WAYPOINT,
                        reason=_said(condition, "reason", RuleCase.NO_REASON),
                        message=_said(condition, "message", RuleCase.NO_MESSAGE),
                    ),
                )


def _said(condition: dict[str, Any], field: str, otherwise: RuleCase) -> str | Message:
    return str(condition[field]) if field in condition else say(otherwise)


def _conditions(resource: Resource[Any]) -> Iterator[dict[str, Any]]:
    status = resource.written().get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for condition in conditions if isinstance(conditions, list) else ():
        yield condition if isinstance(condition, dict) else {}
