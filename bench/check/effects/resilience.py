"""Outlier detection that cannot eject (EB0007), circuit breakers below the planned load (EB0008)."""

from __future__ import annotations

from collections.abc import Iterator

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, OutlierDetection

from bench.check.effects.survey import Survey
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import UNLIMITED
from bench.message import Message, say

_DEFAULT_SHARE = 10
"""Envoy's ``max_ejection_percent``, in per cent."""


def check_outlier_detection(found: Survey) -> Iterator[Finding]:
    """EB0007. Since Envoy 1.28 the limit holds for the very first ejection as well."""
    reported: set[Position] = set()
    for use in found.uses:
        cluster = use.here.clusters.find(use.cluster)
        if cluster is None or cluster.outlier_detection is None:
            continue
        count = len(use.here.clusters.endpoints(cluster))
        cause = _why_never(cluster.outlier_detection, count)
        where = use.setting(cluster, "policy") if cause is not None else None
        if where is None or cause is None or where in reported:
            continue
        reported.add(where)
        yield found.finding(
            Level.WARNING,
            "EB0007",
            where,
            say(EffectCase.NEVER_EJECTS, cluster=cluster.name, cause=cause),
        )


def _why_never(outlier: OutlierDetection, count: int) -> Message | None:
    kinds = (outlier.enforcing_consecutive_5xx, outlier.enforcing_consecutive_gateway_failure)
    # Envoy enforces gateway failures only where that is configured, 5xx unless it is switched off.
    if kinds[0] == 0 and not kinds[1] and not outlier.split_external_local_origin_errors:
        return say(EffectCase.ERRORS_SWITCHED_OFF)
    share = outlier.max_ejection_percent if outlier.max_ejection_percent is not None else _DEFAULT_SHARE
    if count and 100 / count > share:
        return say(EffectCase.SHARE_BELOW_ONE, share=share, count=count, needed=-(-100 // count))
    return None


def check_circuit_breakers(found: Survey, connections: int | None) -> Iterator[Finding]:
    """EB0008: a limit is below the *connections* that the planned load keeps busy; ``None``: no plan."""
    if connections is None:
        return
    reported: set[tuple[Position, str]] = set()
    for use in found.uses:
        cluster = use.here.clusters.find(use.cluster)
        if cluster is None or use.is_mirror:
            continue
        for field, limit in _low_limits(cluster, connections):
            where = use.setting(cluster, "policy")
            if where is None or (where, field) in reported:
                continue
            reported.add((where, field))
            yield found.finding(
                Level.WARNING,
                "EB0008",
                where,
                say(
                    EffectCase.LIMIT_BELOW_LOAD,
                    cluster=cluster.name,
                    limit=limit,
                    field=field,
                    connections=connections,
                ),
            )


def _low_limits(cluster: Cluster, connections: int) -> Iterator[tuple[str, int]]:
    breakers = cluster.circuit_breakers
    for threshold in breakers.thresholds if breakers is not None else ():
        for field in ("max_connections", "max_requests"):
            limit = getattr(threshold, field)
            if limit is not None and limit != UNLIMITED and limit < connections:
                yield field.removeprefix("max_"), limit
