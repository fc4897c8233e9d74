"""Which kinds are read, under which api versions, by which model."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from bench.istio.models import (
    Deployment,
    DestinationRule,
    EndpointSlice,
    Gateway,
    Namespace,
    Pod,
    RequestAuthentication,
    Secret,
    Service,
    ServiceEntry,
    VirtualService,
    WorkloadEntry,
)

ISTIO_GROUP = "networking.istio.io"
ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object."""

    model: type[BaseModel]
    api_versions: tuple[str, ...]
    is_istio: bool = False
    is_namespaced: bool = True
    spec_is_required: bool = False
    has_spec: bool = True
    """Whether the model is of ``spec`` alone; if not, of the whole object."""


OTHER_ISTIO_KINDS = ("Sidecar", "EnvoyFilter", "WorkloadGroup", "ProxyConfig")
"""Kinds of the same group that a proxy fed from files has no use for: passed over, with a warning."""

POD_MAKERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
"""Kinds that make Pods of a template; they say which proxies exist where no Pod does."""

_ISTIO = tuple(f"{ISTIO_GROUP}/{version}" for version in ISTIO_VERSIONS)

KINDS = {
    "VirtualService": Kind(VirtualService, _ISTIO, is_istio=True),
    "Gateway": Kind(Gateway, _ISTIO, is_istio=True),
    "ServiceEntry": Kind(ServiceEntry, _ISTIO, is_istio=True, spec_is_required=True),
    "DestinationRule": Kind(DestinationRule, _ISTIO, is_istio=True),
    "WorkloadEntry": Kind(WorkloadEntry, _ISTIO, is_istio=True, spec_is_required=True),
    "Service": Kind(Service, ("v1",)),
    "EndpointSlice": Kind(EndpointSlice, ("discovery.k8s.io/v1",), has_spec=False),
    "Namespace": Kind(Namespace, ("v1",), has_spec=False, is_namespaced=False),
    "Pod": Kind(Pod, ("v1",), has_spec=False),
    **{name: Kind(Deployment, ("apps/v1",)) for name in POD_MAKERS},
    "Secret": Kind(Secret, ("v1",), has_spec=False),
    "RequestAuthentication": Kind(
        RequestAuthentication, ("security.istio.io/v1", "security.istio.io/v1beta1")
    ),
}
