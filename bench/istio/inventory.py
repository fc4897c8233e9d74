"""What the Istio YAML cannot say: which proxies exist, where, and which rules of translation hold.

The same form stands alone as ``inventory.yaml`` and as the part ``inventory`` of a ``scenario.yaml``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Semantics = Literal["istio-1.0", "current"]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Proxy(_Written):
    """One Envoy: a pod's sidecar or a gateway."""

    role: Literal["sidecar", "gateway"]
    namespace: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    ip: str
    service_account: str = Field(default="default", alias="serviceAccount", min_length=1)
    """The Kubernetes account that it runs as. Clients that speak ISTIO_MUTUAL demand its identity, as with
    istiod."""
    locality: str = ""
    """``region/zone/subzone``; empty parts are unknown."""
    interception: Literal["redirect", "none"] = "redirect"

    @field_validator("interception", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class ServicePort(_Written):
    """A port of a Kubernetes Service that the inventory adds."""

    name: str = ""
    port: int = Field(ge=1, le=65535)
    target_port: int | None = Field(default=None, alias="targetPort", ge=1, le=65535)


class ServiceFact(_Written):
    """What a cluster would know of a Kubernetes Service.

    With ``ports`` it is a Service of its own, its endpoints being the proxies that ``selector`` selects;
    without, it only adds the cluster IP to a Service that stands in the YAML.
    """

    name: str
    namespace: str = "default"
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = Field(default_factory=dict)


class WorkloadFiles(_Written):
    """Where each proxy finds its own workload's certificate, which Istio's agent would bring."""

    certificate: str
    private_key: str = Field(alias="privateKey")
    ca: str
    """The mesh's trust bundle."""


class CredentialFiles(_Written):
    """Where a gateway finds what a Kubernetes secret holds."""

    certificate: str = ""
    """Empty: it holds a trust bundle alone."""
    private_key: str = Field(default="", alias="privateKey")
    ca: str = ""
    """Empty: it holds no trust bundle, and the operating system's counts."""


class Inventory(_Written):
    """The surroundings of the Istio resources."""

    semantics: Semantics = "current"
    outbound: Literal["REGISTRY_ONLY", "ALLOW_ANY"] = "REGISTRY_ONLY"
    proxies: dict[str, Proxy]
    services: tuple[ServiceFact, ...] = ()
    root_namespace: str = Field(default="istio-system", alias="rootNamespace")
    domain: str = "cluster.local"
    """Ends the names of Services, and is the trust domain of workload identities."""
    workload: WorkloadFiles | None = None
    """For tls mode ISTIO_MUTUAL, which is an error without."""
    credentials: dict[str, CredentialFiles] = Field(default_factory=dict)
    """What a DestinationRule calls by ``credentialName``, which is an error without."""
    clusters: Literal["all", "reachable"] = "all"
    """Which clusters a proxy gets. ``all``: those of the whole mesh, as istiod sends them. ``reachable``:
    only those that its own routes and listeners lead to. Requests go the same ways; the proxy takes less
    memory and, with EDS, far fewer of the file watches that a user may have."""
