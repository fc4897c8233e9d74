"""What lies on disk after a run: the form of ``result.json``. A report is made from this alone."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import InputError

SCHEMA_VERSION = 1
# 1: first form

RESULT_FILE = "result.json"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Latency(_Model):
    """Percentiles of one distribution in microseconds. None: fewer than ten samples lie beyond it."""

    samples: int
    p50: int | None = None
    p90: int | None = None
    p99: int | None = None
    p999: int | None = None
    maximum: int | None = None
    """None only without samples."""
    mean: float | None = None


class SubsetResult(_Model):
    """One subset, or the whole, of one stage."""

    name: str
    due: int
    sent: int
    answered: int
    unsent: int
    failed: int
    misrouted: int
    reasons: dict[str, int] = Field(default_factory=dict)
    response_time: Latency
    service_time: Latency
    lag: Latency


class ComponentCost(_Model):
    """What one part cost in one measured stage."""

    component: str
    role: Literal["sidecar", "egress", "node", "generator"]
    cpu_seconds: float | None
    cpu_us_per_request: float | None
    memory_bytes: int | None
    """Peak of proportional (PSS) or resident memory during the stage."""
    cpu_periods: int | None = None
    """Periods of its CPU limit in which it had something to do; None: it has no limit, or nobody counted."""
    throttled_periods: int | None = None
    """Those in which it used its share up and had to wait."""
    throttled_s: float | None = None
    """How long it waited."""


LedgerLevel = Literal["counters", "full"]
"""``counters``: what each hop counted. ``full``: each request id, matched across the logs of all hops."""


class LedgerBook(_Model):
    """One book of a trial: ``left = right + named + unexplained``."""

    level: LedgerLevel
    book: str
    left_name: str
    left: int | None
    """None: unknown."""
    right_name: str
    right: int | None
    named: dict[str, int] = Field(default_factory=dict)
    """Cause -> how much of the difference it explains."""
    unexplained: int | None
    """Requests without a name for their difference; None where a side is unknown."""
    state: Literal["balanced", "open", "incomplete"]
    """Incomplete: the evidence is damaged, see ``damages``."""
    damages: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class ConnectionProof(_Model):
    """Who was at the other end of each TLS connection from gateway to nodes, as both ends logged it."""

    connections_of_gateway: int
    """Distinct upstream connections in the gateway's log."""
    connections_of_nodes: int
    """Distinct connections in the nodes' logs."""
    right_servers: int
    """Of the gateway's: with the subject of the nodes' certificate as the peer's."""
    right_clients: int
    """Of the nodes': verified, with subject and serial of the gateway's certificate."""
    expected_server: str
    expected_client: str
    """Subject and serial."""
    examples: tuple[str, ...] = ()
    """Some of the others, in words."""

    @property
    def holds(self) -> bool:
        """Whether there were connections, equally many at both ends, and all of them with the right peers."""
        return (
            0
            < self.connections_of_gateway
            == self.connections_of_nodes
            == self.right_servers
            == self.right_clients
        )


class LedgerResult(_Model):
    """The account of one trial, from before its warm-up until all was answered."""

    level: LedgerLevel
    """The highest level that ran; ``full`` includes ``counters``."""
    books: tuple[LedgerBook, ...]
    requests: int
    """Due in the whole trial, warm-up included."""
    matching_s: float | None = None
    """Level ``full``: seconds that reading and matching the logs took."""
    log_bytes: int | None = None
    """Level ``full``: size of the logs that were matched."""
    matched: int | None = None
    """Level ``full``: ids that were seen at a node."""
    misrouted: int | None = None
    """Level ``full``: ids at a node that must not answer them."""
    misroute_upper_bound: float | None = None
    """Level ``full``: at most this share of requests is misrouted, exact one-sided bound at 95 %."""
    connections: ConnectionProof | None = None
    """Level ``full``: proof of mutual TLS."""

    @property
    def is_balanced(self) -> bool:
        """Whether there are books, every one is balanced, and no TLS peer was a stranger."""
        return (
            bool(self.books)
            and all(book.state == "balanced" for book in self.books)
            and (self.connections is None or self.connections.holds)
        )


class TrialResult(_Model):
    """One execution of load against one stack: warm-up and a measured stage."""

    name: str
    """E.g. ``block 2, 1st: static``."""
    experiment: Literal["steady", "handshake"]
    config_source: Literal["static", "eds"] | None
    """None where the path is not ours."""
    block: int
    position: int
    started_at: str
    """UTC, ISO 8601."""
    duration_s: float
    arrival_rate: float | None
    """Requests per second intended; None for a closed loop."""
    achieved_rate: float
    """Requests per second sent."""
    subsets: tuple[SubsetResult, ...]
    total: SubsetResult
    costs: tuple[ComponentCost, ...]
    new_upstream_connections: int | None = None
    """Opened by the gateway during the measured stage."""
    handshakes: int | None = None
    """``ssl.handshake`` of the gateway's clusters during the measured stage."""
    sessions_reused: int | None = None
    ledger: LedgerResult | None = None
    """None where the path is not ours to look into."""


class VerificationLine(_Model):
    """One call of the table before the load."""

    stack: str = ""
    """The stack that was called: ``static``, ``eds`` …"""
    name: str
    sent: str
    expected: str
    got: str
    node: str | None
    passed: bool


HandshakeKind = Literal["full", "resumed"]
"""Full: certificates are sent, verified and signed for. Resumed: a session from an earlier connection is."""
HANDSHAKE_KINDS: tuple[HandshakeKind, ...] = get_args(HandshakeKind)


class HandshakeMode(_Model):
    """A trial in which each request opens a new connection of the gateway, all with one kind of handshake."""

    name: HandshakeKind
    connections: int
    """Distinct upstream connection ids in the gateway's access log of the whole trial, warm-up included."""
    handshakes: int
    """``ssl.handshake`` over the same window."""
    sessions_reused: int
    """``ssl.session_reused`` over the same window."""
    of_other_kind: int
    """Connections of that log whose node tells of the other kind."""
    counts_agree: bool
    """Log, counters and nodes tell the same numbers, and the handshakes are of the kind that *name* says."""
    tls_versions: dict[str, int]
    ciphers: dict[str, int] = Field(default_factory=dict)
    connect_time: Latency
    """TCP connect, ``US_CX_BEG`` to ``US_CX_END``; measured stage, connections of this kind."""
    handshake_time: Latency
    """TLS, ``US_CX_END`` to ``US_HS_END``; the same connections."""
    connections_per_request: float | None
    """By Envoy's counters, measured stage; 1 is what the trial is there for."""
    gateway_cpu_us_per_request: float | None
    node_cpu_us_per_request: float | None
    """All nodes together."""
    gateway_cpu_us_per_connection: float | None
    """What a new connection costs: CPU per request here less that with kept ones, by connections opened."""
    node_cpu_us_per_connection: float | None


class HandshakeResult(_Model):
    """What new TLS connections of the gateway towards the nodes cost, by kind of handshake."""

    key: str
    """Key type of the certificates."""
    gateway_cpu_us_per_request_kept: float | None
    """With connections kept: what the modes are compared with."""
    node_cpu_us_per_request_kept: float | None
    modes: tuple[HandshakeMode, ...]

    def mode(self, name: HandshakeKind) -> HandshakeMode | None:
        """The mode of that name; None if it was not measured."""
        return next((mode for mode in self.modes if mode.name == name), None)


class Comparison(_Model):
    """One metric of static (baseline) and eds (candidate) over interleaved blocks."""

    metric: str
    unit: str
    static: tuple[float, ...]
    """One value for each block, in block order."""
    eds: tuple[float, ...]


class FailureExample(_Model):
    """The first request of a kind of failure, whole."""

    trial: str
    subset: str
    reason: str
    request: str
    response: str
    """As received, cut; empty if nothing came."""


class FaultResult(_Model):
    """One fault that was injected into a running load, and what the instruments made of it."""

    name: str
    title: str
    expected: str
    """The cause that had to be named."""
    detected: bool
    """Whether it was named, as the most telling finding."""
    found: str | None
    """The cause that was named; None: nothing was noticed."""
    detail: str
    named_by: str | None
    """The instrument whose evidence names the cause."""
    noticed_by: str | None
    """The first instrument that told that something is the matter."""
    noticed_s: float | None
    """From the injection until then; what only logs show is noticed when they are read after the load."""
    requests: int
    """Touched."""
    of_requests: int
    """Due in the whole load."""
    also: tuple[str, ...] = ()
    """Further findings, which follow from the fault."""
    early_alarms: int = 0
    """Wrong answers before the injection."""


class FaultsResult(_Model):
    """The suite's proof of its own power."""

    faults: tuple[FaultResult, ...] = ()
    clean_runs: int = 0
    clean_requests: int = 0
    false_alarms: tuple[str, ...] = ()


class LimitCheck(_Model):
    """One limit of the scenario and what the run did."""

    name: str
    limit: str
    measured: str
    passed: bool


class RunWarning(_Model):
    """Something a reader of the numbers must know."""

    code: str
    message: str
    advice: str


class GeneratorResult(_Model):
    """Can the generator be trusted? Over all measured stages."""

    cpu_us_per_request: float | None
    cpu_share: float | None
    """CPU seconds per wall second and worker, 0 to 1."""
    lag: Latency
    connects: int
    workers: int
    mean_in_flight: float | None = None
    """Requests under way, sampled."""
    little_in_flight: float | None = None
    """The same by Little's law: answers per second times mean service time."""
    floor: Latency | None = None
    """Response time of the same load on a stub that answers at once: what the generator adds by itself."""
    involuntary_context_switches: int | None = None
    reconnects: int = 0


class Fingerprint(_Model):
    """What makes two results comparable."""

    machine: dict[str, str]
    """cpu, cores, memory, kernel, python …"""
    versions: dict[str, str]
    """envoy, nginx, openssl, locust, egress-bench …"""
    scenario_hash: str
    config_hashes: dict[str, str]
    """Proxy and config source -> hash of the Envoy files with real addresses taken out."""
    stack: str


class Result(_Model):
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
    verification: tuple[VerificationLine, ...] = ()
    trials: tuple[TrialResult, ...] = ()
    totals: tuple[SubsetResult, ...] = ()
    """Per subset and, last, the whole, merged over the steady trials."""
    comparisons: tuple[Comparison, ...] = ()
    handshake: HandshakeResult | None = None
    faults: FaultsResult | None = None
    """None: no faults were injected."""
    generator: GeneratorResult | None = None
    limits: tuple[LimitCheck, ...] = ()
    warnings: tuple[RunWarning, ...] = ()
    examples: tuple[FailureExample, ...] = ()
    """One for each kind of failure that the load met."""
    peak_memory_bytes: int | None = None
    """Largest sum over all processes of the run, the suite itself included."""
    duration_s: float | None = None


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result.json`` as a whole or not at all, and return its path.

    Raises:
        InputError: the folder cannot be written.
    """
    target = folder / RESULT_FILE
    try:
        # The temporary file lies beside the target: a rename is atomic only within one file system.
        descriptor, name = tempfile.mkstemp(prefix=".result-", suffix=".json", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(result.model_dump_json(indent=1) + "\n")
                out.flush()
                os.fsync(out.fileno())
            # mkstemp creates 0600; a result is there to be read by others.
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise InputError(
            f"the result cannot be written ({error.strerror}).",
            where=str(target),
            remedy="Choose another folder with --out.",
        ) from error
    return target


def read_result(folder: Path) -> Result:
    """Read the ``result.json`` of a result folder.

    Raises:
        InputError: it is missing, damaged, not ours, or of another schema version.
    """
    path = folder / RESULT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            "there is no result.",
            where=str(path),
            remedy="Name a folder that `egress-bench run` made, such as one below reports/.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the result cannot be read ({error}).", where=str(path), remedy="Check the file."
        ) from error
    _check_version(path, text)
    try:
        return Result.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{field or 'the document'} is not what schema version {SCHEMA_VERSION} says ({first['msg']}).",
            where=str(path),
            remedy="The file was changed or cut after the run: take the original, or run again.",
        ) from error


def _check_version(path: Path, text: str) -> None:
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise InputError(
            f"this is not JSON ({error}).",
            where=f"{path}:{line}",
            remedy="The file was changed or cut after the run: take the original, or run again.",
        ) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise InputError(
            "this is not a result of egress-bench: it names no schema_version.",
            where=str(path),
            remedy="Name a folder that `egress-bench run` made.",
        )
    if version != SCHEMA_VERSION:
        remedy = (
            "Install a newer egress-bench."
            if version > SCHEMA_VERSION
            else "Read it with the version of egress-bench that its fingerprint names."
        )
        raise InputError(
            f"the result has schema version {version}, this program reads {SCHEMA_VERSION}.",
            where=str(path),
            remedy=remedy,
        )
