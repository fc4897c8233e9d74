"""Load balancer settings of a DestinationRule.

Source: istio ``validateLoadBalancer`` and ``ValidateLocalityLbSetting``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.istio.models import (
    ConsistentHashLB,
    HTTPCookie,
    LoadBalancerSettings,
    LocalityFailover,
    LocalityLbSetting,
    OutlierDetection,
    Warmup,
    ZoneAwareLbSetting,
)
from bench.istio.validation.findings import Findings
from bench.istio.validation.ports import refuse_durations, refuse_short

_MAGLEV_BELOW = 5_000_011
_TOPOLOGY_LABELS = frozenset(
    ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")
)


def check_load_balancer(
    settings: LoadBalancerSettings | None, outlier: OutlierDetection | None, findings: Findings
) -> None:
    """Collect what istiod refuses of *settings*; *outlier* is the detection of the same policy."""
    if settings is None:
        return
    if settings.consistent_hash is not None:
        _check_hash(settings.consistent_hash, findings.within("consistentHash"))
    locality, zone = settings.locality_lb_setting, settings.zone_aware_lb_setting
    if locality is not None and zone is not None:
        findings.refuse("only one of localityLbSetting and zoneAwareLbSetting may be set")
    if locality is not None:
        _check_locality(locality, outlier, findings.within("localityLbSetting"))
    if zone is not None:
        _check_zone(zone, outlier, findings.within("zoneAwareLbSetting"))
    refuse_short(findings, "warmupDurationSecs", settings.warmup_duration_secs)
    if settings.warmup is not None:
        _check_warmup(settings.warmup, findings.within("warmup"))


def _check_hash(settings: ConsistentHashLB, findings: Findings) -> None:
    if settings.http_cookie is not None:
        _check_cookie(settings.http_cookie, findings.within("httpCookie"))
    if settings.minimum_ring_size:
        findings.warn("minimumRingSize is deprecated here; write it in ringHash", "minimumRingSize")
        if settings.ring_hash is not None or settings.maglev is not None:
            findings.refuse("minimumRingSize excludes ringHash and maglev", "minimumRingSize")
    if settings.maglev is not None:
        findings.refuse(_check_table_size(settings.maglev.table_size), "maglev", "tableSize")


def _check_cookie(cookie: HTTPCookie, findings: Findings) -> None:
    if not cookie.name:
        findings.refuse("a cookie has a name", "name")
    seen: set[str] = set()
    for index, attribute in enumerate(cookie.attributes):
        if attribute.name in seen:
            findings.refuse(f'the attribute "{attribute.name}" is repeated', "attributes", index, "name")
        seen.add(attribute.name)


def _check_table_size(size: int) -> str | None:
    if not 0 < size < _MAGLEV_BELOW or not _is_prime(size):
        return f"the table size of maglev is a prime number below {_MAGLEV_BELOW}, not {size}"
    return None


def _is_prime(number: int) -> bool:
    """As Envoy and Istio have it: 1 counts as prime."""
    if number < 4:
        return number > 0
    return number % 2 == 1 and all(number % factor for factor in range(3, math.isqrt(number) + 1, 2))


def _check_locality(
    settings: LocalityLbSetting, outlier: OutlierDetection | None, findings: Findings
) -> None:
    if settings.distribute and settings.failover:
        findings.refuse("only one of distribute and failover may be set", "failover")
        return
    if settings.failover:
        _refuse_topology(settings.failover_priority, "cannot be combined with failover", findings)
    for index, share in enumerate(settings.distribute):
        _check_shares(share.to, findings.within("distribute", index, "to"))
    findings.refuse(_check_distinct([share.from_ for share in settings.distribute]), "distribute")
    _warn_without_detection(settings, outlier, findings)
    _check_failover(settings.failover, findings)


def _check_zone(settings: ZoneAwareLbSetting, outlier: OutlierDetection | None, findings: Findings) -> None:
    _refuse_topology(settings.failover_priority, "is already part of zone awareness", findings)
    _warn_without_detection(settings, outlier, findings)
    _check_failover(settings.failover, findings)


def _refuse_topology(priority: Sequence[str], why: str, findings: Findings) -> None:
    for index, label in enumerate(priority):
        if label in _TOPOLOGY_LABELS:
            findings.refuse(f"{label} {why}", "failoverPriority", index)


def _warn_without_detection(
    settings: LocalityLbSetting | ZoneAwareLbSetting, outlier: OutlierDetection | None, findings: Findings
) -> None:
    if (settings.failover or settings.failover_priority) and outlier is None:
        findings.warn("failover needs outlierDetection to notice a failure")


def _check_shares(shares: dict[str, int], findings: Findings) -> None:
    for locality, weight in shares.items():
        if not 1 <= weight <= 100:
            findings.refuse(f"the weight {weight} must be in the range 1 to 100", locality)
    if sum(shares.values()) != 100:
        findings.refuse(f"the weights add up to {sum(shares.values())}, not to 100")
    findings.refuse(_check_distinct(list(shares)))


def _check_failover(failover: Sequence[LocalityFailover], findings: Findings) -> None:
    for index, entry in enumerate(failover):
        both = entry.from_ + entry.to
        if entry.from_ == entry.to:
            findings.refuse("failover goes to another region", "failover", index)
        if "/" in both:
            findings.refuse("failover names regions only, without zones", "failover", index)
        if "*" in both:
            findings.refuse("failover names regions without a star", "failover", index)


def _check_distinct(localities: Sequence[str]) -> str | None:
    """Refuse localities that are malformed, or of which one lies within another before it or repeats it.

    A locality is ``region/zone/subzone``; a part that is left out, or a star at the end, represents all.
    """
    taken: list[list[str]] = []
    for locality in localities:
        stars = locality.count("*")
        if stars > 1 or (stars == 1 and not locality.endswith("*")):
            return f'"{locality}": one star only, at the end'
        parts = locality.split("/", 2)
        if "" in parts:
            return f'"{locality}" has an empty part'
        whole = [*parts, *(["*"] * (3 - len(parts)))]
        if any(_clashes(earlier, whole, len(parts)) for earlier in taken):
            return f'"{locality}" overlaps with one before it'
        taken.append(whole)
    return None


def _clashes(earlier: list[str], later: list[str], parts: int) -> bool:
    """Whether *later*, of which *parts* are written, is covered by *earlier*, or has its parts in common.

    A star of the later one is a name like others here: Istio asks only whether it has seen the same one.
    """
    if earlier[0] == "*":
        return True
    if earlier[0] != later[0]:
        return False
    if parts == 1 or earlier[1] == "*":
        return True
    if earlier[1] != later[1]:
        return False
    return parts == 2 or earlier[2] in ("*", later[2])


def _check_warmup(warmup: Warmup, findings: Findings) -> None:
    refuse_durations(findings, duration=warmup.duration)
    if warmup.aggression is not None and warmup.aggression <= 0:
        findings.refuse(f"the aggression {warmup.aggression:g} must be above 0", "aggression")
