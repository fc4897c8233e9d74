"""Resources: typed, with their identity, their age and the line of each field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel

from bench.errors import Position
from bench.istio.documents import Document
from bench.istio.kinds import POD_MAKERS
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
from bench.istio.problem import Path, Problem

SpecT = TypeVar("SpecT", bound=BaseModel)

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Resource(Generic[SpecT]):
    """One object of the user's YAML."""

    kind: str
    api_version: str
    name: str
    namespace: str
    """``default`` when none is written; empty for a Namespace, which lies in none."""
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: SpecT
    """The ``spec``; for Pod, EndpointSlice and Namespace the whole object but its metadata."""
    order: int
    """Place among all documents of all files: serves as the age, since files have no creation time."""
    document: Document = field(repr=False, compare=False)
    root: Path = field(default=(), repr=False, compare=False)
    """Where the object is in its document: not at the top for an item of a ``kind: List``."""

    def position(self, path: Path = ()) -> Position:
        """``file:line`` of the field at *path* from the top of the object, such as ``("spec", "http", 0)``.

        For a field that is not written: of the nearest one above it that is.
        """
        return self.document.position(self.root + path)

    def written(self) -> dict[str, Any]:
        """Give the whole object as it is written, with what no model has, such as its status."""
        data = self.document.data
        for step in self.root:
            data = data[step]
        return cast("dict[str, Any]", data)

    @property
    def title(self) -> str:
        """``VirtualService default/web``, for messages."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that was loaded, oldest first, and what was noticed on the way."""

    all: tuple[Resource[Any], ...] = ()
    warnings: tuple[Problem, ...] = ()
    _by_kind: dict[str, tuple[Resource[Any], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_kind: dict[str, list[Resource[Any]]] = {}
        for resource in self.all:
            by_kind.setdefault(resource.kind, []).append(resource)
        object.__setattr__(self, "_by_kind", {kind: tuple(found) for kind, found in by_kind.items()})

    def __iter__(self) -> Iterator[Resource[Any]]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def _of(self, kind: str) -> tuple[Resource[Any], ...]:
        return self._by_kind.get(kind, ())

    @property
    def virtual_services(self) -> tuple[Resource[VirtualService], ...]:
        """The VirtualServices, oldest first."""
        return cast("tuple[Resource[VirtualService], ...]", self._of("VirtualService"))

    @property
    def gateways(self) -> tuple[Resource[Gateway], ...]:
        """The Gateways, oldest first."""
        return cast("tuple[Resource[Gateway], ...]", self._of("Gateway"))

    @property
    def service_entries(self) -> tuple[Resource[ServiceEntry], ...]:
        """The ServiceEntries, oldest first."""
        return cast("tuple[Resource[ServiceEntry], ...]", self._of("ServiceEntry"))

    @property
    def destination_rules(self) -> tuple[Resource[DestinationRule], ...]:
        """The DestinationRules, oldest first."""
        return cast("tuple[Resource[DestinationRule], ...]", self._of("DestinationRule"))

    @property
    def workload_entries(self) -> tuple[Resource[WorkloadEntry], ...]:
        """The WorkloadEntries, oldest first."""
        return cast("tuple[Resource[WorkloadEntry], ...]", self._of("WorkloadEntry"))

    @property
    def services(self) -> tuple[Resource[Service], ...]:
        """The Kubernetes Services, oldest first."""
        return cast("tuple[Resource[Service], ...]", self._of("Service"))

    @property
    def endpoint_slices(self) -> tuple[Resource[EndpointSlice], ...]:
        """The EndpointSlices, oldest first."""
        return cast("tuple[Resource[EndpointSlice], ...]", self._of("EndpointSlice"))

    @property
    def namespaces(self) -> tuple[Resource[Namespace], ...]:
        """The Namespaces, oldest first."""
        return cast("tuple[Resource[Namespace], ...]", self._of("Namespace"))

    @property
    def pods(self) -> tuple[Resource[Pod], ...]:
        """The Pods, oldest first."""
        return cast("tuple[Resource[Pod], ...]", self._of("Pod"))

    @property
    def deployments(self) -> tuple[Resource[Deployment], ...]:
        """What makes Pods of a template: Deployments, then StatefulSets, DaemonSets and ReplicaSets."""
        found = [each for kind in POD_MAKERS for each in self._of(kind)]
        return cast("tuple[Resource[Deployment], ...]", tuple(found))

    @property
    def secrets(self) -> tuple[Resource[Secret], ...]:
        """The Secrets, oldest first."""
        return cast("tuple[Resource[Secret], ...]", self._of("Secret"))

    @property
    def request_authentications(self) -> tuple[Resource[RequestAuthentication], ...]:
        """The RequestAuthentications, oldest first."""
        return cast("tuple[Resource[RequestAuthentication], ...]", self._of("RequestAuthentication"))
