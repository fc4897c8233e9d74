"""Why a DestinationRule does, or does not, hold for a service at a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.istio.hosts import expand_host, is_wildcard
from bench.istio.models import DestinationRule
from bench.istio.registry import MergedRule, ProxyView, Service
from bench.istio.resource import Resource


class FateCode(StrEnum):
    """What becomes of a rule at a proxy."""

    IN_FORCE = "in-force"
    SELECTS_OTHERS = "selects-others"
    """Its workloadSelector does not select the proxy."""
    NOT_EXPORTED = "not-exported"
    ELSEWHERE = "elsewhere"
    """It is in a namespace where the proxy does not look."""
    OVERRIDDEN = "overridden"
    """A rule that comes first holds instead."""
    OTHER_CASE = "other-case"
    """Its host differs in case from the service's, and istiod compares by case."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one rule at one proxy."""

    code: FateCode
    text: str
    """Why, as the second half of a sentence."""
    remedy: str


def rules_for(view: ProxyView, host: str) -> tuple[Resource[DestinationRule], ...]:
    """Give every rule that is written for *host*, whoever it reaches: exact ones first, then wildcards."""
    return view.registry.destination_rules.written_for(host)


def fate_of(view: ProxyView, service: Service, rule: Resource[DestinationRule]) -> Fate:
    """Say why *rule*, which is written for *service*, holds at the proxy of *view* or does not."""
    merged = view.rule(service)
    if merged is not None and any(source.title == rule.title for source in merged.sources):
        return Fate(FateCode.IN_FORCE, "it is in force", "")
    written = _host(view, rule)
    if not is_wildcard(written) and written != service.host:
        return Fate(
            FateCode.OTHER_CASE,
            f"its host {written} is not written like {service.host}, and istiod compares by case",
            f"Write host: {service.host}.",
        )
    return _out_of_reach(view, service, rule) or _overridden(merged)


def _out_of_reach(view: ProxyView, service: Service, rule: Resource[DestinationRule]) -> Fate | None:
    me, own, root = view.name, view.namespace, view.registry.inventory.root_namespace
    places = list(dict.fromkeys((own, service.namespace, root))) if view.is_current else [rule.namespace]
    if rule.namespace not in places:
        return Fate(
            FateCode.ELSEWHERE,
            f"it is in the namespace {rule.namespace}, and {me} looks in {_listed(places)} only",
            f"Move it to the namespace {' or '.join(places)}.",
        )
    selector = rule.spec.workload_selector
    labels = dict(selector.match_labels) if selector is not None else {}
    if selector is not None and (rule.namespace != own or not labels.items() <= view.proxy.labels.items()):
        wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
        return Fate(
            FateCode.SELECTS_OTHERS,
            f"its workloadSelector selects workloads of {rule.namespace} with {wanted}, and {me} is not one",
            f"Write a rule without workloadSelector for {me}, or give it these labels.",
        )
    exports = [rule.namespace if each == "." else each for each in rule.spec.export_to]
    if exports and "*" not in exports and own not in exports:
        return Fate(
            FateCode.NOT_EXPORTED,
            f"it is exported to {_listed(exports)} only, and {me} is in {own}",
            f"Add {own} to exportTo.",
        )
    return None


def _overridden(merged: MergedRule | None) -> Fate:
    if merged is None:
        return Fate(
            FateCode.OVERRIDDEN,
            "istiod merges it into a rule with a workloadSelector, which holds for other workloads",
            "Give the two rules different exportTo, or repeat in one what the other says.",
        )
    winner = merged.sources[0]
    return Fate(
        FateCode.OVERRIDDEN,
        f"{winner.title} ({winner.position(('spec', 'host'))}) comes first and holds alone",
        "Write both into one DestinationRule.",
    )


def _host(view: ProxyView, rule: Resource[DestinationRule]) -> str:
    return expand_host(rule.spec.host, rule.namespace, view.registry.inventory.domain)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
