"""What the generator is asked to do: one plan, written as JSON, read by the Locust processes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.headers import ID_HEADER, NODE_HEADER
from bench.scenario import Connections, Protocol, Schedule


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class TargetTls(_Model):
    """TLS towards the target. Always verified."""

    server_name: str
    ca: str
    certificate: str | None = None
    private_key: str | None = None
    alpn: tuple[str, ...] = ("http/1.1",)
    """Protocols that the client offers, the first of which it insists on; none: it offers none."""


class Target(_Model):
    """Where the requests go, and the Host they name."""

    address: str
    port: int
    host: str
    tls: TargetTls | None = None


class Expectation(_Model):
    """What a right answer looks like."""

    status: int = 200
    nodes: tuple[str, ...] = ()
    """Names of the nodes that may answer, read from ``LoadPlan.node_header``; empty: nothing is checked."""
    by_proxy: bool = False
    """A proxy answers by itself and echoes no id; an answer that names a node is a misroute."""
    body_contains: str | None = None
    body_exact: str | None = None
    body_sha256: dict[str, str] = Field(default_factory=dict)
    """Node -> SHA-256 (hex) of the only right body of its answers; nodes without an entry are not checked."""
    grpc_status: int = 0
    """Of a gRPC answer."""
    until: Literal["line", "close"] | int = "line"
    """Where an answer of bytes ends: at the end of a line, with the connection, or after this many bytes."""


class RequestKind(_Model):
    """One kind of request; its name is the subset that it asks for."""

    name: str
    weight: float = Field(default=1.0, gt=0)
    method: str = "GET"
    path: str = "/"
    host: str | None = None
    """The Host that it names; None: the target's."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    expect: Expectation = Expectation()
    protocol: Protocol = "http/1.1"
    target: Target | None = None
    """Where it goes; None: to the plan's target."""


class Stage(_Model):
    """A part of the run with its own schedule."""

    name: str
    kind: Literal["warm_up", "measure"]
    duration_s: float = Field(gt=0)
    schedule: Schedule


class Turns(_Model):
    """Groups of requests that take turns: within a slice of time only those of one group become due.

    A round is one slice of each group, in an order that is drawn for each round. What the machine does within
    a second meets all groups alike, and yet no two of them are under load at once.
    """

    groups: tuple[tuple[int, ...], ...] = Field(min_length=2)
    """Each as indexes of ``LoadPlan.requests``; every request is in one of them."""
    slice_s: float = Field(gt=0)


class LoadPlan(_Model):
    """One trial of load."""

    run_id: str
    target: Target
    requests: tuple[RequestKind, ...] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    connections: Connections = Connections()
    turns: Turns | None = None
    """None: requests of all kinds are mixed. Without effect in a closed loop, which has no due times."""
    seed: int = 1
    workers: int = Field(default=1, ge=1)
    """Locust worker processes."""
    node_header: str = NODE_HEADER
    """Response header in which a node names itself."""
    id_header: str = ID_HEADER
    """Request header that carries ``run_id/sequence``; nodes echo it in the response."""
    require_id: bool = False
    """The answer must echo the id; otherwise it is checked only where an answer carries it."""
    drain_s: float = Field(default=5.0, ge=0)
    """After the last stage, requests that wait for a connection may be sent for so long; then: unsent."""
    spin: bool = True
    """Poll for the last microseconds before a due time instead of sleeping through it."""
    remote_workers: int = Field(default=0, ge=0)
    """Workers that will join from elsewhere with ``egress-bench worker --master HOST --token TOKEN``."""
    remote_workers_timeout_s: float = Field(default=600.0, gt=0)
    """How long they may take to come."""
    master_bind: str = "127.0.0.1"
    """Address on which workers are awaited; for remote ones an address of this machine or ``0.0.0.0``."""
    master_port: int | None = Field(default=None, ge=1, le=65535)
    """Port on which workers are awaited; None: a free one, or 5557 if remote ones are to come."""

    @model_validator(mode="after")
    def _gives_each_request_a_turn(self) -> Self:
        """A request in no group would never become due, and one in two at twice its rate."""
        if self.turns is not None:
            given = sorted(index for group in self.turns.groups for index in group)
            if given != list(range(len(self.requests))):
                raise ValueError("turns: every request is in one group")
        return self

    def target_of(self, kind: RequestKind) -> Target:
        """Where requests of *kind* go."""
        return kind.target or self.target
