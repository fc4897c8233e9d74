"""What the TLS handshake lab measured: its matrix, sessions, pools, storms, refusals, and the first hop."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from bench.result.base import Model
from bench.result.cost import CostModel
from bench.result.handshake import HandshakeKind

TlsVersionName = Literal["TLSv1.2", "TLSv1.3"]
End = Literal["gateway", "node"]
ENDS: Final[tuple[End, ...]] = ("gateway", "node")
ClockName = Literal["envoy", "direct", "cpu"]


class Estimate(Model):
    """A figure with its interval of 95 %."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float | None:
        """Half of the interval as a share of the value; None where the value is zero."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else None


class CryptoSpeed(Model):
    """What ``openssl speed`` says of one key type on this machine, microseconds of CPU for one operation."""

    key: str
    sign_us: float
    verify_us: float
    fastest_sign_us: float
    """Of all runs: the lowest that the machine ever needed."""
    fastest_verify_us: float
    runs: int
    library: str
    """E.g. ``OpenSSL 3.0.19``."""


class OracleLine(Model):
    """One end of a cell beside what its own cryptography must cost at least."""

    end: End
    signs: int
    """Signatures that this end makes in one handshake."""
    verifies: int
    """Signatures that it verifies: of the other's chain, and the one that proves its key."""
    floor_us: float
    """CPU that the operations of the oracle's fastest runs come to; for an end that signs: the signature."""
    whole_us: float
    """Signature and chain together, by the median of the runs."""
    measured: Estimate
    below: bool
    """The whole interval lies below the floor: an error of the measurement."""


class ClockReading(Model):
    """The CPU-bound time of one connection, gateway and node in turn, as one clock has it; microseconds."""

    clock: ClockName
    value: float
    low: float
    high: float
    """The interval of 95 %, widened by what the clock is known to hold beside the handshake."""


class TlsCell(Model):
    """One cell of the matrix."""

    key: str
    tls_version: TlsVersionName
    kind: HandshakeKind
    client_certificate: bool
    connections: int
    """Connections of this kind in the gateway's access log, measured windows."""
    of_other_kind: int
    """Handshakes of the other kind in those windows, by Envoy's counters."""
    handshake_us: Estimate | None
    """Median from TCP connected to done, on Envoy's own clock."""
    connection_us: Estimate | None
    """Median from the first byte on the wire (the SYN) to done, in the same way."""
    gateway_cpu_us: Estimate | None
    """CPU of one new connection with this handshake at the pace that the machine had, by regression over
    windows that took turns."""
    node_cpu_us: Estimate | None
    """All nodes together, in the same way."""
    bytes_sent: float | None
    """Bytes that the gateway sends for one new connection beside its requests: TLS records, no TCP
    headers."""
    bytes_received: float | None
    signature: str | None
    """Algorithm of the node's signature that was agreed, as Envoy counts it."""
    curve: str | None
    cipher: str | None
    pace_us: float | None = None
    """How fast the machine was in these windows: CPU of the sidecars, whose work is the same in each, for a
    request. Intervals of CPU are those at this pace."""
    clocks: tuple[ClockReading, ...] = ()
    clocks_agree: bool | None = None
    """None: a clock is missing."""
    oracle: tuple[OracleLine, ...] = ()
    fault: str | None = None
    """Why the cell has no figures: it could not be measured."""
    refusal: str | None = None
    """Name of the reason with which every handshake of the ground failed: the two ends have nothing in common
    for this key and version. None: they shook hands."""

    @property
    def name(self) -> str:
        """For people, unique in the matrix."""
        shown = "client certificate" if self.client_certificate else "no client certificate"
        return f"{self.key}, {self.tls_version}, {self.kind}, {shown}"


class ReusePoint(Model):
    """How often sessions were resumed with one way of keeping them, beside the prediction."""

    max_session_keys: int
    session_by: Literal["tickets", "ids", "none"]
    shared_keys: bool
    """Whether all nodes have the same key for tickets."""
    nodes: int
    clusters: Literal["one", "per-subset"]
    balancing: str
    tls_version: TlsVersionName
    handshakes: int
    resumed: int
    predicted: float
    """Share of the handshakes that resume a session."""
    gateway_cpu_us: float | None
    """CPU of the gateway for one request, which opens one connection."""
    p99_us: int | None

    @property
    def measured(self) -> float | None:
        """Share of the handshakes that resumed a session; None without any."""
        return self.resumed / self.handshakes if self.handshakes else None

    @property
    def points_off(self) -> float | None:
        """Distance from the prediction in percentage points."""
        return None if self.measured is None else abs(self.measured - self.predicted) * 100


class ReuseEvent(Model):
    """Full handshakes that an event caused at a gateway that resumes everything else."""

    event: Literal["none", "endpoint-update", "node-restart", "ticket-key-rotation"]
    shared_keys: bool
    handshakes: int
    full: int
    predicted_full: int


class PoolPoint(Model):
    """Connections of one way of keeping them, beside the law."""

    rate: float
    workers: int
    nodes: int
    requests_per_connection: int | None
    """None: as many as come."""
    idle_timeout_s: float | None
    http2: bool
    requests: int
    seconds: float
    connections: int
    handshakes: int
    grown: int = 0
    """How many more connections the pools held at the end than at the beginning: where requests happen to
    overlap they open one beside the others, of which the law of those that replace others says nothing."""
    predicted_per_s: float

    @property
    def handshakes_per_s(self) -> float:
        """As measured, of connections that replaced others."""
        return (self.handshakes - self.grown) / self.seconds

    @property
    def per_thousand(self) -> float | None:
        """Handshakes for 1,000 requests."""
        return self.handshakes / self.requests * 1000 if self.requests else None

    @property
    def error(self) -> float | None:
        """Distance of the law from the measurement as a share of it; None where nothing was counted."""
        if self.handshakes == self.grown:
            return None if self.predicted_per_s else 0.0
        return self.predicted_per_s / self.handshakes_per_s - 1


class Storm(Model):
    """All connections new at once, under load."""

    event: Literal[
        "gateway-restart", "node-restart", "certificate-rotation", "certificate-rotation-staggered"
    ]
    rate: float
    requests: int
    failed: int
    """Requests of the sidecar that got no good answer."""
    handshakes: int | None
    """That the gateway made from the event to the end; None: it was restarted, and its counters with it."""
    p99_before_us: int | None
    p99_worst_us: int | None
    """Of the wave's worst tenth of a second."""
    recovered_s: float | None
    """From the event until p99 stayed within its limit for a second; None: not within the run."""
    deepest_queue: int
    """Requests that were under way at once after the event, at most."""


class Refusal(Model):
    """A path that cannot shake hands, or cannot resume, and what came of it."""

    case: str
    expected: str
    requests: int
    answered: int
    failed: int
    unsent: int
    causes: dict[str, int] = Field(default_factory=dict)
    """Name of the reason -> requests, by the gateway's log, or the node's where the node refuses."""
    handshakes: int | None
    resumed: int | None
    named: bool
    """The reason that was provoked is the one that was found, and every request is accounted for."""


class MeshCost(Model):
    """Mutual TLS on the first hop beside plain text, in one interleaved run; CPU in µs per request."""

    pairs: int
    sidecar_plain_us: float | None
    sidecar_mutual_us: float | None
    sidecar_adds_us: Estimate | None
    gateway_plain_us: float | None
    gateway_mutual_us: float | None
    gateway_adds_us: Estimate | None


class HandshakeCost(Model):
    """What one handshake costs one part: for the cost model that ``plan`` reads."""

    part: End
    key: str
    tls_version: TlsVersionName
    kind: HandshakeKind
    client_certificate: bool
    cpu_us: float
    low: float
    high: float


class LabModel(Model):
    """A cost model of the gateway, by the windows of one ground of the matrix."""

    key: str
    tls_version: TlsVersionName
    client_certificate: bool
    model: CostModel


class TlsLab(Model):
    """Everything that the lab found."""

    is_full: bool
    libraries: dict[str, str] = Field(default_factory=dict)
    """``gateway``, ``node``, ``direct client``, ``oracle`` -> the TLS library that each uses."""
    speeds: tuple[CryptoSpeed, ...] = ()
    cells: tuple[TlsCell, ...] = ()
    reuse: tuple[ReusePoint, ...] = ()
    reuse_events: tuple[ReuseEvent, ...] = ()
    pools: tuple[PoolPoint, ...] = ()
    storms: tuple[Storm, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    mesh: MeshCost | None = None
    cost_models: tuple[LabModel, ...] = ()
    """What ``plan`` reads: requests, full and resumed handshakes."""
    misrouted: int = 0
    """Over all its loads."""

    @property
    def has_findings(self) -> bool:
        """Whether there is something to report."""
        return bool(
            self.cells or self.reuse or self.pools or self.storms or self.refusals or self.mesh is not None
        )

    @property
    def costs(self) -> tuple[HandshakeCost, ...]:
        """One line for each cell and end whose CPU is known."""
        return tuple(
            HandshakeCost(
                part=end,
                key=cell.key,
                tls_version=cell.tls_version,
                kind=cell.kind,
                client_certificate=cell.client_certificate,
                cpu_us=found.value,
                low=found.low,
                high=found.high,
            )
            for cell in self.cells
            for end in ENDS
            if (found := cell.gateway_cpu_us if end == "gateway" else cell.node_cpu_us) is not None
        )
