"""Policies that nobody gets: lost in a merge, behind port settings (EB0114), or with their rule (EB0115)."""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.effects.survey import Survey
from bench.check.finding import Finding, Level, finding
from bench.check.messages import EffectCase
from bench.explain import FateCode, TranslatedProxy, fate_of, rules_for
from bench.istio.cluster_names import parse_cluster_name
from bench.istio.models import TrafficPolicy
from bench.istio.registry import MergedRule, Service
from bench.message import say

_LIMITS = (("connection_pool", "connectionPool"), ("outlier_detection", "outlierDetection"))
"""Settings that protect: losing one in silence hurts."""
_CHOICES = (("load_balancer", "loadBalancer"),)


def check_lost_policies(found: Survey) -> Iterator[Finding]:
    """EB0114, only for services that some proxy sends to."""
    reported: set[tuple[str, object]] = set()
    for service, merged in _merged_rules(found):
        for each in (*_lost_in_merge(merged), *_behind_port_settings(merged, service)):
            key = each.resource, each.position
            if key not in reported:
                reported.add(key)
                yield each


def _merged_rules(found: Survey) -> Iterator[tuple[Service, MergedRule]]:
    for here in found.translated:
        used = _hosts_used(found, here)
        for service in here.view.services:
            merged = here.view.rule(service)
            if merged is not None and service.host in used:
                yield service, merged


def _hosts_used(found: Survey, here: TranslatedProxy) -> frozenset[str]:
    """Hosts of the clusters that the proxy *here* sends to."""
    names = (parse_cluster_name(use.cluster) for use in found.uses if use.here is here)
    return frozenset(name.host for name in names if name is not None)


def _lost_in_merge(merged: MergedRule) -> Iterator[Finding]:
    kept = merged.policy_source
    for source in merged.sources:
        if source is kept or source.spec.traffic_policy is None:
            continue
        where = kept.position(("spec", "trafficPolicy"))
        yield finding(
            Level.WARNING,
            "EB0114",
            source,
            ("spec", "trafficPolicy"),
            say(EffectCase.POLICY_LOST, host=source.spec.host, kept=kept.title, place=where),
        )


def _behind_port_settings(merged: MergedRule, service: Service) -> Iterator[Finding]:
    policy = merged.rule.traffic_policy
    if policy is None:
        return
    for index, own in enumerate(policy.port_level_settings):
        number = own.port.number if own.port is not None else 0
        if service.port(number) is None:
            continue
        for level, fields in ((Level.WARNING, _LIMITS), (Level.INFO, _CHOICES)):
            lost = tuple(written for field, written in fields if _is_lost(policy, own, field))
            if lost:
                case = EffectCase.SETTING_LOST if len(lost) == 1 else EffectCase.SETTINGS_LOST
                yield finding(
                    level,
                    "EB0114",
                    merged.policy_source,
                    ("spec", "trafficPolicy", "portLevelSettings", index),
                    say(case, settings=lost, port=number, host=service.host),
                )


def _is_lost(policy: TrafficPolicy, own: object, field: str) -> bool:
    return getattr(policy, field) is not None and getattr(own, field) is None


def check_swallowed_rules(found: Survey) -> Iterator[Finding]:
    """EB0115: istiod merges a general rule into one with a workloadSelector, and other clients lose it.

    istio/istio#58322: it happens where both have the same exportTo.
    """
    reported: set[str] = set()
    for here in found.translated:
        used = _hosts_used(found, here)
        for service in here.view.services:
            if service.host not in used or here.view.rule(service) is not None:
                continue
            for rule in rules_for(here.view, service.host):
                if rule.spec.workload_selector is not None or rule.title in reported:
                    continue
                if fate_of(here.view, service, rule).code is not FateCode.OVERRIDDEN:
                    continue
                reported.add(rule.title)
                yield finding(
                    Level.WARNING,
                    "EB0115",
                    rule,
                    ("spec", "host"),
                    say(
                        EffectCase.RULE_SWALLOWED,
                        proxy=here.name,
                        host=service.host,
                        namespace=rule.namespace,
                    ),
                )
