"""The whole of a run: the form of ``result.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.result.base import Model
from bench.result.capacity import CapacityResult
from bench.result.events import RunEvent
from bench.result.faults import FaultsResult
from bench.result.handshake import HandshakeResult
from bench.result.history import SCHEMA_VERSION
from bench.result.load import Comparison, FailureExample, GeneratorResult, SubsetResult, TrialResult
from bench.result.shares import SharesResult
from bench.result.tls_lab import TlsLab
from bench.result.traffic import TrafficResult
from bench.result.update import UpdateResult
from bench.result.variants import VariantsResult
from bench.result.way import Way


class AnswerCause(Model):
    """Who gave a wrong answer, and why."""

    hop: str
    """The proxy or node that gave it; empty: no part has seen the request."""
    flags: str
    """Envoy's response flags; empty: none."""
    details: str
    """Envoy's response code details, such as ``via_upstream``."""
    transport_failure: str
    """Why the connection to the upstream host failed, in Envoy's words, or what the node itself says of the
    client's certificate; empty: it did not fail."""
    upstream: str
    """``address:port`` that the last proxy turned to."""
    where: tuple[str, ...]
    """``file:line`` of the YAML behind the last decision."""
    fault: Literal["resources", "node", "unplayed", "stack"]
    """Whose it is. ``resources``: their translation leads to this very answer; ``node``: the right node gave
    it, and it is not the right one; ``unplayed``: they lead to an endpoint that no node plays; ``stack``:
    none of these, so a stand-in did not do what it was asked to do."""
    explanation: str
    """Where they lead."""
    unplayed: tuple[str, ...] = ()
    """Endpoints to which they lead and that no node plays."""
    client_certificate: Literal["", "missing", "refused"] = ""
    """What the node that demands one says of the client's; empty: nothing is wrong with it."""

    @property
    def reported_details(self) -> str:
        """The details without the transport failure, with which Envoy ends them."""
        if not self.transport_failure:
            return self.details
        return self.details.replace(f"|{self.transport_failure}", "").replace(self.transport_failure, "")

    @property
    def headline(self) -> str:
        """Who gave it, with Envoy's flags: what is known at a glance."""
        summary = f"answered by {self.hop}" if self.hop else "no part has seen the request"
        return f"{summary}, flags {self.flags}" if self.flags else summary

    @property
    def text(self) -> str:
        """For people, in one line."""
        parts = [f"answered by {self.hop}" if self.hop else "no part has seen the request"]
        parts += [
            f"{name} {value}"
            for name, value in (
                ("flags", self.flags),
                ("details", self.reported_details),
                ("transport failure", self.transport_failure),
                ("upstream", self.upstream),
                ("YAML", "; ".join(self.where)),
            )
            if value
        ]
        return ", ".join(parts)


class VerificationLine(Model):
    """One call of the table before the load."""

    stack: str = ""
    """The stack that was called: ``static``, ``eds`` …"""
    name: str
    sent: str
    expected: str
    got: str
    node: str | None
    passed: bool
    kind: Literal["call", "tls-control", "isolation", "matrix"] = "call"
    """``call``: of a subset or a control of the scenario; ``tls-control``: a wrong certificate to refuse;
    ``isolation``: a way past the gateway that must not exist; ``matrix``: derived from the resources."""
    cause: AnswerCause | None = None
    """Of a wrong answer: who gave it, and why; None: right, or not looked into."""


class LimitCheck(Model):
    """One limit of the scenario and what the run did."""

    name: str
    limit: str
    measured: str
    passed: bool
    is_proven: bool = True
    """False: too few samples to decide; neither met nor missed."""
    bound: float | None = None
    """As a number: a count, or milliseconds; None in results of older versions."""


class RunWarning(Model):
    """Something a reader of the numbers must know."""

    code: str
    message: str
    advice: str


class Fingerprint(Model):
    """What makes two results comparable."""

    machine: dict[str, str]
    """cpu, cores, memory, kernel, python …"""
    versions: dict[str, str]
    """envoy, nginx, openssl, locust, egress-bench …"""
    scenario_hash: str
    config_hashes: dict[str, str]
    """Proxy and config source -> hash of the Envoy files with real addresses taken out."""
    stack: str
    key: str | None = None
    """Key type of the certificates that the suite made; None: it made none, or an older result."""


class Result(Model):
    """One run."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    scenario: str
    description: str
    semantics: str
    started_at: str
    finished_at: str | None
    command: str
    state: Literal["complete", "aborted"]
    reason: str | None = None
    """Why it was aborted."""
    fingerprint: Fingerprint
    stack_ready_s: dict[str, float] = Field(default_factory=dict)
    """Stack name -> seconds from start to ready."""
    first_verified_s: float | None = None
    """Seconds from the start of the command until the first request through the path was answered and its
    answer was right; None: none was."""
    verification: tuple[VerificationLine, ...] = ()
    traffic: TrafficResult | None = None
    """What the load of the steady trials was asked to be; None in results of older versions."""
    way: Way | None = None
    """What the traffic passes by the Istio resources; None: not read, or a result of an older version."""
    trials: tuple[TrialResult, ...] = ()
    totals: tuple[SubsetResult, ...] = ()
    """Per subset and, last, the whole, merged over the steady trials."""
    shares: tuple[SharesResult, ...] = ()
    """Answers by node of the subsets that a weighted route divides."""
    comparisons: tuple[Comparison, ...] = ()
    handshake: HandshakeResult | None = None
    faults: FaultsResult | None = None
    """None: no faults were injected."""
    capacity: CapacityResult | None = None
    """None: no capacity was searched for."""
    variants: VariantsResult | None = None
    """None: no variants were compared."""
    update: UpdateResult | None = None
    """None: the configuration did not change under load."""
    tls_lab: TlsLab | None = None
    """None: it was not in the lab."""
    events: tuple[RunEvent, ...] = ()
    """What happened under load: changes of the configuration, faults, a load that was cut short."""
    generator: GeneratorResult | None = None
    limits: tuple[LimitCheck, ...] = ()
    warnings: tuple[RunWarning, ...] = ()
    examples: tuple[FailureExample, ...] = ()
    """One for each kind of failure that the load met."""
    peak_memory_bytes: int | None = None
    """Largest sum over all processes of the run, the suite itself included."""
    duration_s: float | None = None
