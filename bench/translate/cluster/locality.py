"""Endpoints by locality: weights, priorities, failover (istio ``pilot/pkg/networking/core/loadbalancer``)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.istio.models import LocalityDistribute, LocalityFailover, LocalityLbSetting
from bench.istio.registry import Endpoint

LOCALITY_LABELS = {
    "topology.kubernetes.io/region": 0,
    "topology.kubernetes.io/zone": 1,
    "topology.istio.io/subzone": 2,
}


@dataclass(frozen=True, slots=True)
class LocalityGroup:
    """The endpoints of one locality with one priority."""

    locality: str
    endpoints: tuple[Endpoint, ...]
    weight: int
    priority: int = 0


def split_locality(locality: str) -> tuple[str, str, str]:
    """Split ``region/zone/subzone``; missing parts are empty."""
    region, zone, subzone = [*locality.split("/"), "", "", ""][:3]
    return region, zone, subzone


def group_by_locality(endpoints: Sequence[Endpoint]) -> list[LocalityGroup]:
    """Group endpoints by locality, sorted by name; a group weighs what its endpoints weigh."""
    groups: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        groups[endpoint.locality].append(endpoint)
    return [
        LocalityGroup(locality, tuple(groups[locality]), sum(e.weight for e in groups[locality]))
        for locality in sorted(groups)
    ]


def arrange(
    groups: list[LocalityGroup],
    setting: LocalityLbSetting | None,
    *,
    enabled: bool,
    has_outlier_detection: bool,
    by_dns: bool,
    locality: str,
    labels: Mapping[str, str],
) -> list[LocalityGroup]:
    """Apply a rule's locality setting for a client in *locality* with *labels*.

    ``distribute`` needs no outlier detection. Priorities need it, or traffic would never move on; with it
    they hold even where no rule speaks of localities.
    """
    if not enabled:
        return groups
    if setting is not None and setting.distribute:
        return _distribute(groups, setting.distribute, locality)
    if not has_outlier_detection:
        return groups
    if setting is not None and setting.failover_priority and by_dns:
        return groups
    if setting is not None and setting.failover_priority:
        groups = _by_labels(groups, setting.failover_priority, locality, labels)
        if setting.failover:
            groups = _by_locality(groups, setting.failover, locality, keep_priorities=True)
        return groups
    return _by_locality(groups, setting.failover if setting is not None else (), locality)


def _matches(rule: str, locality: str) -> bool:
    """Return whether *locality* falls under *rule*, such as ``us-east/*``."""
    region, *narrower = split_locality(rule)
    actual_region, *actual = split_locality(locality)
    if region not in {"*", actual_region}:
        return False
    return all(part in {"*", "", here} for part, here in zip(narrower, actual, strict=True))


def _distribute(
    groups: list[LocalityGroup], rules: Sequence[LocalityDistribute], locality: str
) -> list[LocalityGroup]:
    rule = next((each for each in rules if _matches(each.from_, locality)), None)
    if rule is None:
        return groups
    weights: dict[int, int] = {}
    taken: set[int] = set()
    for target, share in rule.to.items():
        members = [i for i, group in enumerate(groups) if i not in taken and _matches(target, group.locality)]
        taken.update(members)
        total = sum(groups[i].weight for i in members)
        for i in members:
            weights[i] = math.ceil(groups[i].weight * share / total) if total else 0
    return [
        replace(group, weight=weights[i]) if i in weights else replace(group, endpoints=())
        for i, group in enumerate(groups)
    ]


def _by_locality(
    groups: list[LocalityGroup],
    failover: Sequence[LocalityFailover],
    locality: str,
    *,
    keep_priorities: bool = False,
) -> list[LocalityGroup]:
    region = split_locality(locality)[0]
    priorities: list[int] = []
    for group in groups:
        distance = _distance(locality, group.locality)
        if distance == 3 and any(rule.from_ == region for rule in failover):
            target = next(rule.to for rule in failover if rule.from_ == region)
            distance = 3 if split_locality(group.locality)[0] == target else 4
        priorities.append(group.priority * 5 + distance if keep_priorities else distance)
    return _compact(groups, priorities)


def _distance(locality: str, other: str) -> int:
    ours, theirs = split_locality(locality), split_locality(other)
    for depth in (3, 2, 1):
        if ours[:depth] == theirs[:depth]:
            return 3 - depth
    return 3


def _by_labels(
    groups: list[LocalityGroup], wanted: Sequence[str], locality: str, labels: Mapping[str, str]
) -> list[LocalityGroup]:
    ours = with_locality_labels(labels, locality)
    split: list[LocalityGroup] = []
    priorities: list[int] = []
    for group in groups:
        by_priority: dict[int, list[Endpoint]] = defaultdict(list)
        for endpoint in group.endpoints:
            by_priority[_label_priority(wanted, ours, endpoint)].append(endpoint)
        for priority in sorted(by_priority):
            members = by_priority[priority]
            split.append(LocalityGroup(group.locality, tuple(members), sum(e.weight for e in members)))
            priorities.append(priority)
    return _compact(split, priorities)


def _label_priority(wanted: Sequence[str], ours: Mapping[str, str], endpoint: Endpoint) -> int:
    """Count the labels from the first one that the endpoint does not share."""
    theirs = with_locality_labels(endpoint.labels, endpoint.locality)
    if endpoint.network:
        theirs = {"topology.istio.io/network": endpoint.network, **theirs}
    for index, each in enumerate(wanted):
        name, given, value = each.partition("=")
        expected = value if given else ours.get(name, "")
        if theirs.get(name, "") != expected:
            return len(wanted) - index
    return 0


def with_locality_labels(labels: Mapping[str, str], locality: str) -> dict[str, str]:
    """Add the labels that Kubernetes and Istio derive from a locality."""
    parts = split_locality(locality)
    derived = {label: parts[index] for label, index in LOCALITY_LABELS.items() if parts[index]}
    return {**derived, **labels}


def _compact(groups: list[LocalityGroup], priorities: list[int]) -> list[LocalityGroup]:
    """Number the priorities 0, 1, 2 …: Envoy refuses gaps."""
    ranks = {priority: rank for rank, priority in enumerate(sorted(set(priorities)))}
    return [
        replace(group, priority=ranks[priority]) for group, priority in zip(groups, priorities, strict=True)
    ]
