"""What the YAML itself says of things that run: Pods, and what makes Pods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import Position
from bench.istio.models import PodSpec
from bench.istio.resource import Resource, Resources

_PROXY = "istio-proxy"
_INJECT = "sidecar.istio.io/inject"
_INJECTION = "istio-injection"
_REVISION = "istio.io/rev"
_NAMES = ("app", "app.kubernetes.io/name", "service.istio.io/canonical-name")
DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class Found:
    """A workload that the YAML has."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    where: Position
    title: str
    ip: str = ""
    """Empty: not known, because there is no Pod yet."""
    service_account: str = DEFAULT_ACCOUNT
    has_sidecar: bool = True
    replicas: int = 1
    """Pods that it is to have."""


def found_workloads(resources: Resources) -> tuple[Found, ...]:
    """Give the Pods, then what makes Pods and has none in the YAML."""
    injected = {each.name: _wants_injection(each.labels) for each in resources.namespaces}
    pods = [_of_pod(each, injected) for each in resources.pods]
    made = [
        _of_template(each, injected)
        for each in resources.deployments
        if not any(
            pod.namespace == each.namespace
            and each.spec.template.metadata.labels.items() <= pod.labels.items()
            for pod in pods
        )
    ]
    return (*pods, *made)


def _of_pod(pod: Resource[Any], injected: Mapping[str, bool]) -> Found:
    has = _has_proxy(pod.spec.spec) or (
        # A Pod that runs has what it has; one that is only written gets its sidecar when it is made.
        not pod.spec.status.pod_ip and _is_injected(pod.labels, pod.annotations, pod.namespace, injected)
    )
    return Found(
        part_name(pod.labels, pod.name),
        pod.namespace,
        pod.labels,
        pod.position(("metadata", "name")),
        pod.title,
        pod.spec.status.pod_ip,
        pod.spec.spec.service_account_name or DEFAULT_ACCOUNT,
        has,
    )


def _of_template(maker: Resource[Any], injected: Mapping[str, bool]) -> Found:
    template = maker.spec.template
    labels = template.metadata.labels
    return Found(
        part_name(labels, maker.name),
        maker.namespace,
        labels,
        maker.position(("metadata", "name")),
        maker.title,
        "",
        template.spec.service_account_name or DEFAULT_ACCOUNT,
        _has_proxy(template.spec)
        or _is_injected(labels, template.metadata.annotations, maker.namespace, injected),
        maker.spec.replicas,
    )


def _has_proxy(spec: PodSpec) -> bool:
    return any(each.name == _PROXY for each in (*spec.containers, *spec.init_containers))


def _wants_injection(labels: Mapping[str, str]) -> bool:
    return labels.get(_INJECTION) == "enabled" or (_INJECTION not in labels and _REVISION in labels)


def _is_injected(
    labels: Mapping[str, str], annotations: Mapping[str, str], namespace: str, injected: Mapping[str, bool]
) -> bool:
    """Whether the injector gives it a sidecar; of a namespace that is not in the YAML it is assumed."""
    written = labels.get(_INJECT) or annotations.get(_INJECT)
    return written == "true" if written is not None else injected.get(namespace, True)


def part_name(labels: Mapping[str, str], fallback: str) -> str:
    """Give a name that may be in a scenario: of the app, else *fallback*."""
    written = next((labels[key] for key in _NAMES if labels.get(key)), fallback)
    return plain_name(written)


def plain_name(text: str) -> str:
    """Write *text* in lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def free_name(name: str, taken: Mapping[str, object]) -> str:
    """Give *name*, with a number behind it if it is *taken*."""
    return next(each for each in _numbered(name) if each not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


class Addresses:
    """Addresses for proxies that no Pod gives one, none of which the YAML uses."""

    def __init__(self, used: Sequence[str]) -> None:
        self._used = set(used)
        self._next = 1

    def take(self) -> str:
        """Give the next one, of the block that RFC 2544 reserves for benchmarks."""
        while True:
            address = f"198.18.{self._next // 256}.{self._next % 256}"
            self._next += 1
            if address not in self._used:
                self._used.add(address)
                return address
