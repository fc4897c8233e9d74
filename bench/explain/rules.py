"""Why a DestinationRule does, or does not, hold for a service at a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.explain.messages import FateCase
from bench.istio.hosts import expand_host, is_wildcard
from bench.istio.models import DestinationRule
from bench.istio.registry import MergedRule, ProxyView, Service
from bench.istio.resource import Resource
from bench.message import Message, say


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
    message: Message
    """Why, as the second half of a sentence, and what to do about it."""


def rules_for(view: ProxyView, host: str) -> tuple[Resource[DestinationRule], ...]:
    """Give every rule that is written for *host*, whoever it reaches: exact ones first, then wildcards."""
    return view.registry.destination_rules.written_for(host)


def fate_of(view: ProxyView, service: Service, rule: Resource[DestinationRule]) -> Fate:
    """Say why *rule*, which is written for *service*, holds at the proxy of *view* or does not."""
    merged = view.rule(service)
    if merged is not None and any(source.title == rule.title for source in merged.sources):
        return Fate(FateCode.IN_FORCE, say(FateCase.IN_FORCE))
    written = _host(view, rule)
    if not is_wildcard(written) and written != service.host:
        return Fate(FateCode.OTHER_CASE, say(FateCase.OTHER_CASE, written=written, host=service.host))
    return _out_of_reach(view, service, rule) or _overridden(merged)


def _out_of_reach(view: ProxyView, service: Service, rule: Resource[DestinationRule]) -> Fate | None:
    me, own, root = view.name, view.namespace, view.registry.inventory.root_namespace
    places = tuple(dict.fromkeys((own, service.namespace, root))) if view.is_current else (rule.namespace,)
    if rule.namespace not in places:
        message = say(FateCase.ELSEWHERE, namespace=rule.namespace, proxy=me, places=places)
        return Fate(FateCode.ELSEWHERE, message)
    selector = rule.spec.workload_selector
    labels = dict(selector.match_labels) if selector is not None else {}
    if selector is not None and (rule.namespace != own or not labels.items() <= view.proxy.labels.items()):
        wanted = tuple(f"{key}={value}" for key, value in labels.items())
        message = say(FateCase.SELECTS_OTHERS, namespace=rule.namespace, labels=wanted, proxy=me)
        return Fate(FateCode.SELECTS_OTHERS, message)
    exports = tuple(rule.namespace if each == "." else each for each in rule.spec.export_to)
    if exports and "*" not in exports and own not in exports:
        message = say(FateCase.NOT_EXPORTED, exports=exports, proxy=me, namespace=own)
        return Fate(FateCode.NOT_EXPORTED, message)
    return None


def _overridden(merged: MergedRule | None) -> Fate:
    if merged is None:
        return Fate(FateCode.OVERRIDDEN, say(FateCase.MERGED_AWAY))
    winner = merged.sources[0]
    place = winner.position(("spec", "host"))
    return Fate(FateCode.OVERRIDDEN, say(FateCase.COMES_SECOND, winner=winner.title, place=place))


def _host(view: ProxyView, rule: Resource[DestinationRule]) -> str:
    return expand_host(rule.spec.host, rule.namespace, view.registry.inventory.domain)
