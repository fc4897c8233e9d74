"""The form of ``scenario.yaml``: what Istio YAML cannot say of a benchmark."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from bench.istio.decode import FieldError
from bench.istio.inventory import Inventory, WorkloadFiles
from bench.istio.problem import Path
from bench.scenario.certificate_names import CertificateNames
from bench.scenario.containers import Images, Resources
from bench.scenario.mix import Traffic
from bench.scenario.nodes import Node
from bench.scenario.requests import Expect, RequestHeaders, RequestPath
from bench.scenario.traffic import Duration, Rate
from bench.scenario.written import Written

KeyType = Literal["rsa-4096", "rsa-2048", "ecdsa-p256", "ecdsa-p384"]

RESOURCE_KINDS = ("sidecar", "egress", "node", "generator")
"""Names under which ``resources`` speaks of all parts of a kind."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class WorkloadMaterial(WorkloadFiles):
    """What the suite makes for ISTIO_MUTUAL: one certificate for each proxy, by an authority of the mesh."""

    key: KeyType = "rsa-2048"
    """Istio's agent makes RSA-2048 keys unless configured otherwise."""


_MADE = ("ca.crt", "client.crt", "client.key")


class CertificateSet(Written):
    """Certificates with an authority of their own, such as those of one partner."""

    server_names: CertificateNames = ()
    """Subject alternative names of its nodes, as ``tls.server_names``."""
    client_name: str = "egress-gateway"
    """Common name of the client certificate that this set makes."""


class Credential(Written):
    """A secret that the Istio resources call by ``credentialName``. What is not given is made.

    A DestinationRule finds a client's certificate in it, a Gateway that of a server.
    """

    cert: str | None = None
    """File of the certificate; relative: to the scenario's folder."""
    key: str | None = None
    """File of the private key of ``cert``; relative: to the scenario's folder."""
    ca: str | None = None
    """Whom its proxy trusts, beside the authority of the set, which signs the nodes' certificates."""
    issuer: str | None = None
    """The authority of ``cert``, which the nodes of the set trust then; absent: ``ca``."""
    set: str | None = None
    """One of ``tls.sets`` that what is not given is made of."""
    server_names: CertificateNames = ()
    """Subject alternative names of what is made for a Gateway, as ``tls.server_names``; absent: the hosts of
    its servers, and those of the gateway's Services."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) is not (self.key is None):
            raise ValueError("cert and key go together")
        if self.issuer is not None and self.cert is None:
            raise ValueError("issuer is the authority of cert, which is not given")
        return self


class TlsMaterial(Written):
    """Which certificates the suite makes, and under which names the Istio resources know them."""

    key: KeyType = "rsa-4096"
    """Type and size of every key that the suite makes: it decides what a full handshake costs."""
    server_names: CertificateNames = ()
    """Subject alternative names of the nodes: ``DNS:…``, ``IP:…``, ``URI:…``; real addresses are added."""
    client_name: str = "egress-gateway"
    """Common name of the client certificate, by which nodes know the gateway."""
    files: dict[str, str] = Field(default_factory=dict)
    """File name in the Istio resources -> what the suite makes: ``ca.crt``, ``client.crt``, ``client.key``,
    or one of them of a set, such as ``partner-a/client.crt``."""
    sets: dict[str, CertificateSet] = Field(default_factory=dict)
    """Further certificates, each set by an authority of its own."""
    credentials: dict[str, Credential] = Field(default_factory=dict)
    """``credentialName`` -> its files."""
    workload: WorkloadMaterial | None = None
    """File names under which each proxy finds its own workload's certificate, which the suite makes, too."""

    @model_validator(mode="after")
    def _sets_exist(self) -> Self:
        for name in self.sets:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} names a folder: write it in lower-case letters, digits and hyphens"
                )
        for written, made in self.files.items():
            folder, _, file = made.rpartition("/")
            if file not in _MADE or (folder and folder not in self.sets):
                known = [*_MADE, *(f"{name}/{each}" for name in self.sets for each in _MADE)]
                raise ValueError(f"files: {written} is {made!r}; it can be {', '.join(known)}")
        for name, credential in self.credentials.items():
            if credential.set is not None and credential.set not in self.sets:
                raise ValueError(f"credentials: {name} names the set {credential.set!r}; {_sets(self.sets)}")
        return self


def _sets(sets: Iterable[str]) -> str:
    return f"sets are {_list(sets)}" if sets else "there are no sets"


class Handshake(Written):
    """Trials in which the gateway opens a new upstream connection for each request."""

    arrival_rate: Rate = 80
    """New connections per second. A full handshake with RSA-4096 keys takes some 10 ms of CPU in all."""
    measure_s: Duration = 13
    """Seconds for each kind of handshake."""


class CapacitySearch(Written):
    """A short search for the highest rate within the limits, as a part of a run."""

    most_s: float = Field(default=34, ge=5)
    """Seconds of trials, at most; starting each load comes on top."""


class Control(Written):
    """A call of the verification table that is not traffic."""

    name: str
    """What the line of the verification table is called."""
    headers: RequestHeaders = Field(default_factory=dict)
    """Headers of the call, name -> value."""
    host: str | None = None
    """Instead of the URL's."""
    path: RequestPath | None = None
    """Instead of the URL's path."""
    method: str = Field(default="GET", pattern=r"^[A-Z]+$")
    """HTTP method of the call."""
    expect: Expect
    """What must come back: a status, and who may answer."""


class Limits(Written):
    """What a run must meet; a missed limit ends with exit code 1. None: no such limit."""

    misrouted: int | None = Field(default=0, ge=0)
    """Requests that a node answered which must not; at most this many."""
    unsent: int | None = Field(default=0, ge=0)
    """Requests that were due and never sent; at most this many."""
    failed: int | None = Field(default=0, ge=0)
    """Requests that were sent and got no right answer; at most this many."""
    retried: int | None = Field(default=None, ge=0)
    """Attempts that sidecar and gateway made again: failures that the client did not see."""
    response_time_p50_ms: float | None = Field(default=None, gt=0)
    """Half of the requests within this many milliseconds, from the moment they were due."""
    response_time_p90_ms: float | None = Field(default=None, gt=0)
    """90 % of the requests within this many milliseconds, from the moment they were due."""
    response_time_p99_ms: float | None = Field(default=None, gt=0)
    """99 % of the requests within this many milliseconds, from the moment they were due."""
    response_time_p999_ms: float | None = Field(default=None, gt=0)
    """99.9 % of the requests within this many milliseconds, from the moment they were due."""


class Scenario(Written):
    """A whole ``scenario.yaml``."""

    name: str
    """Names result folders and reports: lower-case letters, digits and hyphens."""
    description: str = ""
    """One sentence below the title of the report."""
    istio: str = "istio"
    """Folder of Istio YAML, or one file of it; relative to the scenario's own."""
    inventory: Inventory
    """What the Istio YAML cannot say: proxies, Services of the cluster, rules of translation."""
    nodes: dict[str, Node] = Field(min_length=1)
    """Name -> server that stands in for endpoints outside of the mesh."""
    tls: TlsMaterial = TlsMaterial()
    """Certificates that the suite makes, and the file names under which the YAML knows them."""
    traffic: Traffic
    """The load: who calls what, how often, for how long."""
    handshake: Handshake | None = None
    """Trials in which each request opens a connection; absent: handshakes are not measured."""
    capacity: CapacitySearch | None = None
    """A search for the highest rate within the limits at the end of a run; absent: none."""
    controls: tuple[Control, ...] = ()
    """Calls of the verification table that are not traffic, such as those that must be refused."""
    limits: Limits = Limits()
    """What a run must meet to pass."""
    resources: dict[str, Resources] = Field(default_factory=dict)
    """Proxy or node, or ``sidecar``, ``egress``, ``node``, ``generator`` for all of a kind -> its limits."""
    images: Images = Images()
    """Container images of ``--stack docker``."""
    ports: dict[str, Annotated[int, Field(ge=1, le=65535)]] = Field(default_factory=dict)
    """Fixed ports: ``NAME`` of a node, or ``NAME:PORT`` of a proxy's listener as Istio names it, such as
    ``sleep:80`` -> real port. Absent: the system chooses."""

    @field_validator("name")
    @classmethod
    def _folder_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(f"{value!r} must be lower-case letters, digits and hyphens: it names folders")
        return value

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        proxies = self.inventory.proxies
        traffic = self.traffic
        roles: list[tuple[Path, str, str]] = [
            (("traffic", "clients" if traffic.clients else "client"), name, "sidecar")
            for name in traffic.senders
        ]
        roles += [(("traffic", "gateway"), traffic.gateway, "gateway")] if traffic.gateway is not None else []
        for place, name, wanted in roles:
            if name not in proxies:
                raise FieldError(place, f"names {name!r}; the inventory has {_list(proxies)}")
            if proxies[name].role != wanted:
                raise FieldError(place, f"names {name!r}, whose role is not {wanted}")
        used: list[tuple[Path, Expect]] = [
            (("traffic", "requests", name), request.expect) for name, request in traffic.requests.items()
        ]
        used += [(("controls", index), control.expect) for index, control in enumerate(self.controls)]
        for place, expect in used:
            for node in expect.nodes:
                if node not in self.nodes:
                    raise FieldError(
                        (*place, "expect"), f"names node {node!r}; nodes are {_list(self.nodes)}"
                    )
        for name, request in traffic.requests.items():
            if (
                request.tls is not None
                and request.tls.set is not None
                and request.tls.set not in self.tls.sets
            ):
                raise FieldError(
                    ("traffic", "requests", name, "tls"),
                    f"names the set {request.tls.set!r}; {_sets(self.tls.sets)}",
                )
        return self

    @model_validator(mode="after")
    def _parts_exist(self) -> Self:
        proxies = self.inventory.proxies
        for name, node in self.nodes.items():
            if node.set is not None and node.set not in self.tls.sets:
                raise FieldError(("nodes", name), f"names the set {node.set!r}; {_sets(self.tls.sets)}")
        for name in self.resources:
            if name not in proxies and name not in self.nodes and name not in RESOURCE_KINDS:
                known = _list([*proxies, *self.nodes, *RESOURCE_KINDS])
                raise FieldError(("resources",), f"names {name!r}; known are {known}")
        for port in self.ports:
            name = port.partition(":")[0]
            if name not in proxies and name not in self.nodes:
                raise FieldError(("ports",), f"names {name!r}, which is neither a proxy nor a node")
        return self


def resources_of(scenario: Scenario, name: str, kind: str) -> Resources:
    """What the part *name* of a *kind* in ``RESOURCE_KINDS`` may use: its own limits, else its kind's."""
    proxy = scenario.inventory.proxies.get(name)
    # A replica has the limits of what it is a replica of, unless it has its own.
    whole = scenario.resources.get(proxy.replica_of or "") if proxy is not None else None
    return scenario.resources.get(name) or whole or scenario.resources.get(kind) or Resources()


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
