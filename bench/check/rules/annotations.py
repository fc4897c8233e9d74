"""Istio annotations on Kubernetes objects (IST0107, IST0108, IST0135, IST0136).

Source of the rules: istio ``annotations/annotations.go``; the table restates istio.io/api ``annotation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.istio.resource import Resource
from bench.message import say

_POD = """
ambient.istio.io/bypass-inbound-capture ambient.istio.io/dns-capture ambient.istio.io/redirection
inject.istio.io/templates istio.io/reroute-virtual-interfaces proxy.istio.io/config
proxy.istio.io/overrides prometheus.istio.io/merge-metrics
readiness.status.sidecar.istio.io/applicationPorts
readiness.status.sidecar.istio.io/failureThreshold
readiness.status.sidecar.istio.io/initialDelaySeconds
readiness.status.sidecar.istio.io/periodSeconds sidecar.istio.io/agentLogLevel
sidecar.istio.io/bootstrapOverride sidecar.istio.io/componentLogLevel
sidecar.istio.io/controlPlaneAuthPolicy sidecar.istio.io/discoveryAddress
sidecar.istio.io/enableCoreDump sidecar.istio.io/extraStatTags sidecar.istio.io/inject
sidecar.istio.io/interceptionMode sidecar.istio.io/logLevel sidecar.istio.io/nativeSidecar
sidecar.istio.io/proxyCPU sidecar.istio.io/proxyCPULimit sidecar.istio.io/proxyImage
sidecar.istio.io/proxyImageType sidecar.istio.io/proxyMemory sidecar.istio.io/proxyMemoryLimit
sidecar.istio.io/rewriteAppHTTPProbers sidecar.istio.io/statsCompression
sidecar.istio.io/statsEvictionInterval sidecar.istio.io/statsHistogramBuckets
sidecar.istio.io/statsInclusionPrefixes sidecar.istio.io/statsInclusionRegexps
sidecar.istio.io/statsInclusionSuffixes sidecar.istio.io/status sidecar.istio.io/userVolume
sidecar.istio.io/userVolumeMount status.sidecar.istio.io/port
traffic.sidecar.istio.io/excludeInboundPorts traffic.sidecar.istio.io/excludeInterfaces
traffic.sidecar.istio.io/excludeOutboundIPRanges traffic.sidecar.istio.io/excludeOutboundPorts
traffic.sidecar.istio.io/includeInboundPorts traffic.sidecar.istio.io/includeOutboundIPRanges
traffic.sidecar.istio.io/includeOutboundPorts traffic.sidecar.istio.io/kubevirtInterfaces
"""
_OTHER = {
    "alpha.istio.io/canonical-serviceaccounts": ("Service",),
    "alpha.istio.io/identity": ("Pod",),
    "alpha.istio.io/kubernetes-serviceaccounts": ("Service",),
    "networking.istio.io/address-type": ("Gateway",),
    "networking.istio.io/exportTo": ("Service",),
    "networking.istio.io/service-type": ("Gateway",),
    "networking.istio.io/traffic-distribution": ("Service", "Namespace", "ServiceEntry"),
    "galley.istio.io/analyze-suppress": ("Any",),
    "install.operator.istio.io/chart-owner": ("Any",),
    "install.operator.istio.io/owner-generation": ("Any",),
    "install.operator.istio.io/version": ("Any",),
    "internal.istio.io/parents": ("Any",),
    "istio.io/autoRegistrationGroup": ("WorkloadEntry",),
    "istio.io/connectedAt": ("WorkloadEntry",),
    "istio.io/disconnectedAt": ("WorkloadEntry",),
    "istio.io/dry-run": ("AuthorizationPolicy",),
    "istio.io/rev": ("Pod",),
    "istio.io/workloadController": ("WorkloadEntry",),
    "kubernetes.io/ingress.class": ("Ingress",),
    "topology.istio.io/controlPlaneClusters": ("Namespace",),
}
PLACES = {**dict.fromkeys(_POD.split(), ("Pod",)), **_OTHER}
"""Annotation -> kinds of object that it belongs to."""
DEPRECATED = frozenset(
    {
        "alpha.istio.io/canonical-serviceaccounts",
        "alpha.istio.io/identity",
        "alpha.istio.io/kubernetes-serviceaccounts",
        "sidecar.istio.io/controlPlaneAuthPolicy",
        "sidecar.istio.io/discoveryAddress",
        "sidecar.istio.io/enableCoreDump",
        "sidecar.istio.io/inject",
        "sidecar.istio.io/statsInclusionPrefixes",
        "sidecar.istio.io/statsInclusionRegexps",
        "sidecar.istio.io/statsInclusionSuffixes",
    }
)
_INJECT = "sidecar.istio.io/inject"


def check_annotations(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0108 for an unknown one, IST0107 for one on the wrong kind, IST0135 for an outdated one."""
    resources = surroundings.resources
    annotated: list[Resource[Any]] = [*resources.namespaces, *resources.services, *resources.pods]
    for resource in annotated:
        for name in resource.annotations:
            if _is_istio(name):
                yield from _check_annotation(resource, name)


def _is_istio(name: str) -> bool:
    return name == "kubernetes.io/ingress.class" or name.partition("/")[0].endswith("istio.io")


def _check_annotation(resource: Resource[Any], name: str) -> Iterator[Finding]:
    path = ("metadata", "annotations", name)
    places = PLACES.get(name)
    if places is None:
        yield finding(
            Level.WARNING,
            "IST0108",
            resource,
            path,
            say(RuleCase.UNKNOWN_ANNOTATION, name=name),
        )
        return
    if name in DEPRECATED and not (name == _INJECT and _INJECT in resource.labels):
        yield finding(
            Level.INFO,
            "IST0135",
            resource,
            path,
            say(RuleCase.OUTDATED_INJECTION if name == _INJECT else RuleCase.OUTDATED_ANNOTATION, name=name),
        )
    if "Any" not in places and resource.kind not in places:
        yield finding(
            Level.WARNING,
            "IST0107",
            resource,
            path,
            say(RuleCase.MISPLACED_ANNOTATION, name=name, kind=resource.kind, places=places),
        )
