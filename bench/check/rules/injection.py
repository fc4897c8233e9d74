"""Namespaces and pods without a sidecar (IST0102, IST0103, IST0123).

Source of the rules: istio ``injection/injection.go``. With an inventory they are not asked: it says which
proxies exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.rules.services import SYSTEM_NAMESPACES
from bench.check.rules.surroundings import Surroundings
from bench.istio.models import Pod
from bench.istio.resource import Resource

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
                reason="the namespace says nothing about sidecars, so its pods get none.",
                remedy="Label it istio-injection=enabled, or =disabled to say that this is wanted.",
            )
        elif label and revision is not None:
            yield finding(
                Level.WARNING,
                "IST0123",
                namespace,
                ("metadata", "labels", _REVISION),
                reason=f"the namespace has both {_LABEL} and {_REVISION}.",
                remedy="Keep one of the two labels.",
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
                reason="the pod has no container istio-proxy although its namespace injects one.",
                remedy="Restart the pod.",
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
