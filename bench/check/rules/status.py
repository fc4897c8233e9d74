"""What a cluster has written into ``status`` (IST0171). Source: istio ``conditions/conditions.go``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.check.finding import Finding, Level, finding
from bench.check.rules.surroundings import Surroundings
from bench.istio.resource import Resource

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
                    reason=f"{_WAYPOINT} is False ({condition.get('reason', 'no reason')}): "
                    f"{condition.get('message', 'no message')}.",
                    remedy="Correct the waypoint, or remove the label istio.io/use-waypoint.",
                )


def _conditions(resource: Resource[Any]) -> Iterator[dict[str, Any]]:
    status = resource.written().get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for condition in conditions if isinstance(conditions, list) else ():
        yield condition if isinstance(condition, dict) else {}
