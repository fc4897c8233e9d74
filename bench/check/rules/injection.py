"""Namespaces and pods without a sidecar (IST0102, IST0103, IST0123).

Source of the rules: istio ``injection/injection.go``. With an inventory they are not asked: it says which
proxies exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.services import SYSTEM_NAMESPACES
from bench.check.rules.surroundings import Surroundings
from bench.istio.models import Pod
from bench.istio.resource import Resource
from bench.message import say

_LABEL, _REVISION = "istio-injection", "istio.io/rev"
_POD = "sidecar.istio.io/inject"


def check_injection(surroundings: Surroundings) -> Iterator[Finding]:
    """Report what keeps sidecars away although nobody said so."""
    if surroundings.proxies_are_written:
        return
    injected: set[str] = set()
    for namespace in surroundings.resources.namespaces:
        if namespace.name in SYSTEM_NAMESPACES or namespace.name == surroundings.root_namespace:
            continue
        label, revision = namespace.labels.get(_LABEL, ""), namespace.labels.get(_REVISION)
        if not label and revision is None:
            if namespace.labels.get("istio.io/dataplane-mode") == "ambient":
                continue
            yield finding(
                Level.INFO,
                "IST0102",
                namespace,
                ("metadata", "labels"),
                say(RuleCase.INJECTION_UNSAID),
            )
        elif label and revision is not None:
            yield finding(
                Level.WARNING,
                "IST0123",
                namespace,
                ("metadata", "labels", _REVISION),
                say(RuleCase.INJECTION_TWICE, label=_LABEL, revision=_REVISION),
            )
        elif revision is not None or label == "enabled":
            injected.add(namespace.name)
    for pod in surroundings.resources.pods:
        if pod.namespace in injected and _lacks_proxy(pod):
            yield finding(
                Level.WARNING,
                "IST0103",
                pod,
                ("spec", "containers"),
                say(RuleCase.NO_SIDECAR),
            )


def _lacks_proxy(pod: Resource[Pod]) -> bool:
    wanted = pod.labels.get(_POD, pod.annotations.get(_POD, ""))
    if wanted.lower() == "false":
        return False
    spec = pod.written().get("spec")
    if isinstance(spec, dict) and spec.get("hostNetwork"):
        return False
    containers = (
        [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        if isinstance(spec, dict)
        else []
    )
    return not any(
        isinstance(container, dict) and container.get("name") == "istio-proxy" and container.get("image")
        for container in containers
    )
