"""What runs behind services: proxies of the inventory and Pods count alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bench.errors import Position
from bench.istio.inventory import Inventory
from bench.istio.models import Pod
from bench.istio.resource import Resource

DEFAULT_ACCOUNT = "default"
_LOCALITY_LABEL = "istio-locality"


@dataclass(frozen=True, slots=True)
class Workload:
    """Something with an address and labels."""

    namespace: str
    labels: Mapping[str, str]
    ip: str
    locality: str = ""
    named_ports: Mapping[str, int] = field(default_factory=dict)
    identity: str = ""
    """As ``Endpoint.identity``."""
    locate: Callable[[], Position] | None = field(default=None, compare=False, repr=False)
    """Finds the place of a Pod; ``None`` for a proxy of the inventory."""


def gather_workloads(inventory: Inventory, pods: Iterable[Resource[Pod]]) -> tuple[Workload, ...]:
    """Give the proxies of the inventory, then the Pods that have an address."""
    proxies = [
        Workload(
            proxy.namespace,
            proxy.labels,
            proxy.ip,
            locality_of(proxy.locality, proxy.labels),
            identity=identity_of(proxy.namespace, proxy.service_account),
        )
        for proxy in inventory.proxies.values()
    ]
    known = {proxy.ip for proxy in proxies}
    written = [
        Workload(
            pod.namespace,
            pod.labels,
            pod.spec.status.pod_ip,
            locality_of("", pod.labels),
            {
                port.name: port.container_port
                for container in pod.spec.spec.containers
                for port in container.ports
                if port.name
            },
            # Kubernetes runs a Pod that names no account as this one.
            identity_of(pod.namespace, pod.spec.spec.service_account_name or DEFAULT_ACCOUNT),
            pod.position,
        )
        for pod in pods
        if pod.spec.status.pod_ip and pod.spec.status.pod_ip not in known
    ]
    return (*proxies, *written)


def identity_of(namespace: str, service_account: str) -> str:
    """Give the identity of what runs as *service_account*; none where that is not known."""
    return f"ns/{namespace}/sa/{service_account}" if service_account else ""


def locality_of(written: str, labels: Mapping[str, str]) -> str:
    """Give ``region/zone/subzone``: as written, else from the label, which has dots for slashes."""
    return written or labels.get(_LOCALITY_LABEL, "").replace(".", "/")


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether *labels* have all of *selector*."""
    return selector.items() <= labels.items()
