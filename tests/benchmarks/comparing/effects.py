"""Effects of a known size, put into a variant as a user would write it: other Istio YAML.

*Delay*: the gateway's route holds a share of the requests up for a millisecond (`fault: {delay: …}`), the
finest that Envoy's timers do. The share is the one at which the median moves as far as wanted, by the
distribution that was measured without it. *Work*: routes that never match stand before the others, so that
the gateway's Envoy tries a regular expression for each of them in every request; how many is found from a
trial with very many.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bench.analysis.histogram import Histogram

RULES = "virtual-service-egress.yaml"
"""Of the walkthrough: the gateway's own rules."""
HELD_UP = "1ms"
PERCENTILES_A_STEP = 0.05


def share_of(base: Histogram, shift: float) -> float:
    """The share of requests to hold up for the median to grow by *shift*: 0.05 is 5 %.

    Who is held up comes behind the new median, so that of the others it is the percentile 50 / (1 - share).

    Raises:
        ValueError: no samples, or a distribution so flat that no share would do.
    """
    middle = base.percentile(50)
    if middle is None:
        raise ValueError("there are no samples")
    percent = 50.0
    while (value := base.percentile(percent)) is not None and percent < 95:
        if value >= middle * (1 + shift):
            return 1 - 50 / percent
        percent += PERCENTILES_A_STEP
    raise ValueError(f"no share of delayed requests moves the median by {shift:.0%}")


def rules_of(pilot_rules: int, pilot_shift: float, shift: float) -> int:
    """How many rules cost *shift*, where *pilot_rules* cost *pilot_shift*: their cost adds up.

    Raises:
        ValueError: the pilot cost nothing.
    """
    if pilot_shift <= 0:
        raise ValueError(f"{pilot_rules} rules cost nothing that could be measured")
    return max(1, math.ceil(pilot_rules * shift / pilot_shift))


def with_delay(source: Path, target: Path, share: float) -> Path:
    """Copy the Istio YAML of *source* to *target*; *share* of the gateway's requests are held up."""

    def change(routes: list[dict[str, Any]]) -> None:
        for route in routes:
            percentage = {"value": round(share * 100, 4)}
            route["fault"] = {"delay": {"fixedDelay": HELD_UP, "percentage": percentage}}

    return _changed(source, target, change)


def with_work(source: Path, target: Path, rules: int) -> Path:
    """Copy the Istio YAML of *source* to *target*, with *rules* that never match before the gateway's own."""

    def change(routes: list[dict[str, Any]]) -> None:
        never = [{"port": 80, "headers": {"want": {"regex": f"v[0-9]+-{number}"}}} for number in range(rules)]
        routes.insert(0, {"match": never, "route": routes[0]["route"]})

    return _changed(source, target, change)


def _changed(source: Path, target: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    shutil.copytree(source, target)
    path = target / RULES
    resource = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(resource["spec"]["http"])
    path.write_text(yaml.safe_dump(resource, sort_keys=False), encoding="utf-8")
    return target
