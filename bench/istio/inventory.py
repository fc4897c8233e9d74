"""What the Istio YAML cannot say: which proxies exist, where, and which rules of translation hold.

The same form is written as ``inventory.yaml`` and as the part ``inventory`` of a ``scenario.yaml``.
"""

import ipaddress
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Semantics = Literal["istio-1.0", "current"]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Proxy(_Written):
    """One Envoy: a pod's sidecar or a gateway."""

    role: Literal["sidecar", "gateway"]
    """``sidecar``: beside a client; ``gateway``: a pod of its own."""
    namespace: str = "default"
    """Kubernetes namespace of its pod: decides which resources it sees."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of its pod: what selectors of Gateways, Services and Sidecars look for."""
    ip: str
    """Address of its pod, as Services that select it have it among their endpoints."""
    service_account: str = Field(default="default", alias="serviceAccount", min_length=1)
    """The Kubernetes account that it runs as. Clients that speak ISTIO_MUTUAL demand its identity, as with
    istiod."""
    locality: str = ""
    """``region/zone/subzone``; empty parts are unknown."""
    interception: Literal["redirect", "none"] = "redirect"
    """Of a sidecar: ``redirect`` if its pod's connections are redirected to it, as iptables do; ``none``
    if clients call its ports."""
    replicas: int = Field(default=1, ge=1, le=32)
    """Of a gateway: this many pods of one Deployment. The further ones are called ``NAME-2`` and so
    on, have the next free addresses, and are endpoints of the same Services."""
    replica_of: str | None = Field(default=None, alias="replicaOf")
    """Of a gateway's further pod with an address of its own: the name of the first. ``replicas`` sets it on
    those that it makes."""

    @model_validator(mode="after")
    def _only_gateways_are_several(self) -> Self:
        if self.replicas > 1 and self.role != "gateway":
            raise ValueError("replicas are of a gateway: each client has one sidecar")
        return self

    @field_validator("interception", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class ServicePort(_Written):
    """A port of a Kubernetes Service that the inventory adds."""

    name: str = ""
    """Name of the port; Istio reads the protocol off it, as in ``http2`` or ``tcp-db``."""
    port: int = Field(ge=1, le=65535)
    """Port that clients call."""
    target_port: int | None = Field(default=None, alias="targetPort", ge=1, le=65535)
    """Port of the pods; absent: the same."""


class ServiceFact(_Written):
    """What a cluster would know of a Kubernetes Service.

    With ``ports`` it is a Service of its own, its endpoints being the proxies that ``selector`` selects;
    without, it only adds the cluster IP to a Service that is in the YAML.
    """

    name: str
    """Name of the Service."""
    namespace: str = "default"
    """Its namespace."""
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    """Its virtual address; absent: it has none, or the YAML says it."""
    ports: tuple[ServicePort, ...] = ()
    """Its ports; empty: the Service is in the YAML."""
    selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the proxies that are its endpoints."""


class WorkloadFiles(_Written):
    """Where each proxy finds its own workload's certificate, which Istio's agent would bring."""

    certificate: str
    """File name of the certificate chain, as Envoy's configuration names it."""
    private_key: str = Field(alias="privateKey")
    """File name of its key."""
    ca: str
    """The mesh's trust bundle."""


CA_SUFFIX = "-cacert"
"""Ends the name of a secret that holds the trust bundle of another one."""


class CredentialFiles(_Written):
    """Where a gateway finds what a Kubernetes secret holds."""

    certificate: str = ""
    """Empty: it holds a trust bundle alone."""
    private_key: str = Field(default="", alias="privateKey")
    """File name of the key; empty: it holds a trust bundle alone."""
    ca: str = ""
    """Empty: it holds no trust bundle, and the operating system's counts."""


class Inventory(_Written):
    """The surroundings of the Istio resources."""

    semantics: Semantics = "current"
    """Rules of translation: those of the first Istio, or of today's. They differ where one host is in a
    Service and in a ServiceEntry."""
    outbound: Literal["REGISTRY_ONLY", "ALLOW_ANY"] = "REGISTRY_ONLY"
    """What sidecars do with unknown hosts, as ``meshConfig.outboundTrafficPolicy`` says: refuse them, or
    let them pass."""
    proxies: dict[str, Proxy]
    """Name -> proxy of the path, and others whose resources count."""
    services: tuple[ServiceFact, ...] = ()
    """Services that the cluster has and the YAML does not hold, and addresses of those that it does."""
    root_namespace: str = Field(default="istio-system", alias="rootNamespace")
    """Namespace whose resources are for the whole mesh."""
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

    @field_validator("proxies")
    @classmethod
    def _with_replicas(cls, proxies: dict[str, Proxy]) -> dict[str, Proxy]:
        found = dict(proxies)
        for name, proxy in proxies.items():
            if proxy.replica_of is not None:
                first = proxies.get(proxy.replica_of)
                if first is None or {first.role, proxy.role} != {"gateway"} or first.replica_of is not None:
                    what = f"{name} is a replica of {proxy.replica_of}"
                    raise ValueError(
                        f"{what}: that is to be a gateway's first pod, and {name} a gateway, too"
                    )
            for number in range(2, proxy.replicas + 1):
                further = f"{name}-{number}"
                known = found.get(further)
                if known is not None and known.replica_of != name:
                    raise ValueError(f"{name} has {proxy.replicas} replicas, and {further} is another proxy")
                if known is None:
                    own = {"ip": _next_free(proxy.ip, found.values()), "replicas": 1, "replica_of": name}
                    found[further] = proxy.model_copy(update=own)
        return found

    def credential(self, name: str) -> CredentialFiles | None:
        """What the secret *name* holds, its trust bundle from ``NAME-cacert`` where there is one.

        Istio: ``GetCaCert`` of the secrets' controller. A secret of the CA alone is enough for TLS without a
        client certificate.
        """
        own, bundle = self.credentials.get(name), self.credentials.get(f"{name}{CA_SUFFIX}")
        if own is None or bundle is None:
            return own or (CredentialFiles(ca=bundle.ca) if bundle is not None else None)
        return own.model_copy(update={"ca": bundle.ca})

    def replicas_of(self, name: str) -> tuple[str, ...]:
        """The proxy of this name and its replicas, itself first."""
        return (name, *(each for each, proxy in self.proxies.items() if proxy.replica_of == name))


def _next_free(ip: str, proxies: Iterable[Proxy]) -> str:
    """The next address after *ip* that no proxy has.

    Raises:
        ValueError: it is not an address.
    """
    taken = {proxy.ip for proxy in proxies}
    address = ipaddress.ip_address(ip)
    while str(address) in taken:
        address += 1
    return str(address)
