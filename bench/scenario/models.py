"""The form of ``scenario.yaml``: what Istio YAML cannot say of a benchmark."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from bench.istio.inventory import Inventory, WorkloadFiles
from bench.scenario.containers import Images, Resources
from bench.scenario.http_text import body_fault, header_fault, target_fault
from bench.scenario.traffic import MOST_REQUESTS, Connections, Constant, Duration, Rate, Schedule, mean_rate

ALL_SUBSETS = "all"
"""What figures of all subsets together are called."""


def _sendable_path(value: str) -> str:
    fault = target_fault(value)
    if fault is not None:
        raise ValueError(fault)
    return value


def _sendable_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        fault = header_fault(name, text)
        if fault is not None:
            raise ValueError(fault)
    return value


RequestPath = Annotated[str, Field(pattern=r"^/"), AfterValidator(_sendable_path)]
RequestHeaders = Annotated[dict[str, str], AfterValidator(_sendable_headers)]
KeyType = Literal["rsa-4096", "rsa-2048", "ecdsa-p256"]

RESOURCE_KINDS = ("sidecar", "egress", "node", "generator")
"""Names under which ``resources`` speaks of all parts of a kind."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _address(value: object) -> object:
    """Read ``"192.168.0.63:443"`` as ``("192.168.0.63", 443)``."""
    if isinstance(value, str):
        host, colon, port = value.rpartition(":")
        if not colon or not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise ValueError(f"{value!r} is not ADDRESS:PORT")
        return (host.strip("[]"), int(port))
    return value


class Node(_Written):
    """An nginx that stands in for one endpoint address of the Istio resources."""

    plays: Annotated[tuple[str, int], BeforeValidator(_address)]
    page: str = Field(min_length=1)
    """The word on its welcome page: ``<h1>v1!</h1>``."""
    tls: Literal["none", "simple", "mutual"] | None = None
    """Whether it speaks TLS, and demands a client's certificate. Absent: what the proxies speak to it."""
    set: str | None = None
    """Whose certificate it serves with, and whose clients it lets in: one of ``tls.sets``."""


class WorkloadMaterial(WorkloadFiles):
    """What the suite makes for ISTIO_MUTUAL: one certificate for each proxy, by an authority of the mesh."""

    key: KeyType = "rsa-2048"
    """Istio's agent makes RSA-2048 keys unless told otherwise."""


_MADE = ("ca.crt", "client.crt", "client.key")


def _require_types(names: Iterable[str]) -> None:
    """Check ``DNS:…``, ``IP:…``, ``URI:…``; raises ``ValueError``."""
    for name in names:
        kind, _, value = name.partition(":")
        if kind not in ("DNS", "IP", "URI"):
            raise ValueError(f"{name!r} must start with DNS:, IP: or URI:")
        if kind == "IP":
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError(f"{name!r} is not an IP address; a name starts with DNS:") from None


class CertificateSet(_Written):
    """Certificates with an authority of their own, such as those of one partner."""

    server_names: tuple[str, ...] = ()
    """Subject alternative names of its nodes, as ``tls.server_names``."""
    client_name: str = "egress-gateway"

    @field_validator("server_names")
    @classmethod
    def _typed_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _require_types(value)
        return value


class Credential(_Written):
    """A secret that the Istio resources call by ``credentialName``. What is not given is made.

    A DestinationRule finds a client's certificate in it, a Gateway that of a server.
    """

    cert: str | None = None
    """File of the certificate; relative: to the scenario's folder."""
    key: str | None = None
    ca: str | None = None
    """Whom its proxy trusts, beside the authority of the set, which signs the nodes' certificates."""
    issuer: str | None = None
    """The authority of ``cert``, which the nodes of the set trust then; absent: ``ca``."""
    set: str | None = None
    """One of ``tls.sets`` that what is not given is made of."""
    server_names: tuple[str, ...] = ()
    """Subject alternative names of what is made for a Gateway, as ``tls.server_names``; absent: the hosts of
    its servers, and those of the gateway's Services."""

    @field_validator("server_names")
    @classmethod
    def _typed_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _require_types(value)
        return value

    @model_validator(mode="after")
    def _pair(self) -> Credential:
        if (self.cert is None) is not (self.key is None):
            raise ValueError("cert and key go together")
        if self.issuer is not None and self.cert is None:
            raise ValueError("issuer is the authority of cert, which is not given")
        return self


class TlsMaterial(_Written):
    """Which certificates the suite makes, and under which names the Istio resources know them."""

    key: KeyType = "rsa-4096"
    server_names: tuple[str, ...] = ()
    """Subject alternative names of the nodes: ``DNS:…``, ``IP:…``, ``URI:…``; real addresses are added."""
    client_name: str = "egress-gateway"
    files: dict[str, str] = Field(default_factory=dict)
    """File name in the Istio resources -> what the suite makes: ``ca.crt``, ``client.crt``, ``client.key``,
    or one of them of a set, such as ``partner-a/client.crt``."""
    sets: dict[str, CertificateSet] = Field(default_factory=dict)
    """Further certificates, each set by an authority of its own."""
    credentials: dict[str, Credential] = Field(default_factory=dict)
    """``credentialName`` -> its files."""
    workload: WorkloadMaterial | None = None
    """File names under which each proxy finds its own workload's certificate, which the suite makes, too."""

    @field_validator("server_names")
    @classmethod
    def _typed_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _require_types(value)
        return value

    @model_validator(mode="after")
    def _sets_exist(self) -> TlsMaterial:
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


class Expect(_Written):
    """What a right answer looks like."""

    status: int = Field(default=200, ge=100, le=599)
    nodes: tuple[str, ...] = ()
    """Nodes that may answer; empty for an answer that a proxy gives itself."""
    shares: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Node -> its weight among the answers; the weights of the Istio resources where none are given."""
    body_contains: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _nodes_of_shares(cls, value: Any) -> Any:
        """Who has a share may answer: to name the nodes twice is not needed."""
        if isinstance(value, dict) and isinstance(value.get("shares"), dict) and not value.get("nodes"):
            return {**value, "nodes": list(value["shares"])}
        return value

    @model_validator(mode="after")
    def _shares_are_of_nodes(self) -> Expect:
        if self.shares and set(self.shares) != set(self.nodes):
            raise ValueError(
                f"shares are of {_list(self.shares)}, nodes are {_list(self.nodes)}: name the same ones"
            )
        return self


class Subset(_Written):
    """One kind of request and the subset that must answer it."""

    weight: float = Field(default=1.0, gt=0)
    method: str = Field(default="GET", pattern=r"^[A-Z]+$")
    path: RequestPath | None = None
    """Instead of the URL's."""
    headers: RequestHeaders = Field(default_factory=dict)
    body: str = ""
    expect: Expect

    @model_validator(mode="after")
    def _body_agrees(self) -> Subset:
        fault = body_fault(self.headers.items(), self.body)
        if fault is not None:
            raise ValueError(fault)
        return self


class Traffic(_Written):
    """The load: who calls what, how often, over how many connections, for how long."""

    client: str
    """The proxy of the inventory beside which the client runs."""
    gateway: str
    """The proxy of the inventory that leaves the mesh."""
    url: str
    subsets: dict[str, Subset] = Field(min_length=1)
    schedule: Schedule = Constant(arrival_rate=500)
    connections: Connections = Connections()
    warm_up_s: Duration = 2
    measure_s: Duration = 8
    blocks: int = Field(default=4, ge=1, le=10_000)
    """Blocks of one static and one eds trial each, in the order A B, B A, A B …"""
    workers: int = Field(default=1, ge=1, le=1000)
    """Locust worker processes."""

    @field_validator("url")
    @classmethod
    def _plain_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{value!r} is not an http:// URL with a host; the sidecar takes plain HTTP")
        _sendable_path(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}")
        return value

    @field_validator("subsets")
    @classmethod
    def _names_are_free(cls, value: dict[str, Subset]) -> dict[str, Subset]:
        if ALL_SUBSETS in value:
            raise ValueError(
                f"no subset may be called {ALL_SUBSETS!r}: figures of all subsets together have that name"
            )
        return value

    @model_validator(mode="after")
    def _is_countable(self) -> Traffic:
        rate = mean_rate(self.schedule) or 0.0
        if rate * max(self.warm_up_s, self.measure_s) > MOST_REQUESTS:
            raise ValueError(f"rate and duration make more than {MOST_REQUESTS:,} requests in a stage")
        return self

    @property
    def host(self) -> str:
        """The URL's host, with its port where one is written."""
        return urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        """The port that the client calls and the sidecar listens on."""
        return urlsplit(self.url).port or 80

    @property
    def path(self) -> str:
        """Path and query of the URL."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Handshake(_Written):
    """Trials in which the gateway opens a new upstream connection for each request."""

    arrival_rate: Rate = 80
    """New connections per second. A full handshake with RSA-4096 keys takes some 10 ms of CPU in all."""
    measure_s: Duration = 13
    """Seconds for each kind of handshake."""


class CapacitySearch(_Written):
    """A short search for the highest rate within the limits, as a part of a run."""

    most_s: float = Field(default=34, ge=5)
    """Seconds of trials, at most; starting each load comes on top."""


class Control(_Written):
    """A call of the verification table that is no traffic."""

    name: str
    headers: RequestHeaders = Field(default_factory=dict)
    host: str | None = None
    """Instead of the URL's."""
    path: RequestPath | None = None
    method: str = Field(default="GET", pattern=r"^[A-Z]+$")
    expect: Expect


class Limits(_Written):
    """What a run must meet; a missed limit ends with exit code 1. None: no such limit."""

    misrouted: int | None = Field(default=0, ge=0)
    unsent: int | None = Field(default=0, ge=0)
    failed: int | None = Field(default=0, ge=0)
    retried: int | None = Field(default=None, ge=0)
    """Attempts that sidecar and gateway made again: failures that the client did not see."""
    response_time_p50_ms: float | None = Field(default=None, gt=0)
    response_time_p90_ms: float | None = Field(default=None, gt=0)
    response_time_p99_ms: float | None = Field(default=None, gt=0)
    response_time_p999_ms: float | None = Field(default=None, gt=0)


class Scenario(_Written):
    """A whole ``scenario.yaml``."""

    name: str
    description: str = ""
    istio: str = "istio"
    """Folder of Istio YAML, relative to the scenario's own."""
    inventory: Inventory
    nodes: dict[str, Node] = Field(min_length=1)
    tls: TlsMaterial = TlsMaterial()
    traffic: Traffic
    handshake: Handshake | None = None
    capacity: CapacitySearch | None = None
    controls: tuple[Control, ...] = ()
    limits: Limits = Limits()
    resources: dict[str, Resources] = Field(default_factory=dict)
    """Proxy or node, or ``sidecar``, ``egress``, ``node``, ``generator`` for all of a kind -> its limits."""
    images: Images = Images()
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
    def _names_exist(self) -> Scenario:
        proxies = self.inventory.proxies
        for role, name, wanted in (
            ("client", self.traffic.client, "sidecar"),
            ("gateway", self.traffic.gateway, "gateway"),
        ):
            if name not in proxies:
                raise ValueError(f"traffic.{role} names {name!r}; the inventory has {_list(proxies)}")
            if proxies[name].role != wanted:
                raise ValueError(f"traffic.{role} names {name!r}, whose role is not {wanted}")
        used = [(f"traffic.subsets.{name}", subset.expect) for name, subset in self.traffic.subsets.items()]
        used += [(f"control {control.name!r}", control.expect) for control in self.controls]
        for place, expect in used:
            for node in expect.nodes:
                if node not in self.nodes:
                    raise ValueError(f"{place} expects node {node!r}; nodes are {_list(self.nodes)}")
        return self

    @model_validator(mode="after")
    def _parts_exist(self) -> Scenario:
        proxies = self.inventory.proxies
        for name, node in self.nodes.items():
            if node.set is not None and node.set not in self.tls.sets:
                raise ValueError(f"node {name!r} names the set {node.set!r}; {_sets(self.tls.sets)}")
        for name in self.resources:
            if name not in proxies and name not in self.nodes and name not in RESOURCE_KINDS:
                known = _list([*proxies, *self.nodes, *RESOURCE_KINDS])
                raise ValueError(f"resources names {name!r}; known are {known}")
        for wish in self.ports:
            name = wish.partition(":")[0]
            if name not in proxies and name not in self.nodes:
                raise ValueError(f"ports names {name!r}, which is neither a proxy nor a node")
        return self


def resources_of(scenario: Scenario, name: str, kind: str) -> Resources:
    """What the part *name* of a *kind* in ``RESOURCE_KINDS`` may use: its own limits, else its kind's."""
    return scenario.resources.get(name) or scenario.resources.get(kind) or Resources()


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
