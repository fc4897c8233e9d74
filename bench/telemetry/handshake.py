"""What a TLS handshake of the gateway towards a node takes, on Envoy's own clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.telemetry.access_log import REQUEST_FIELDS, EnvoyEntry

HANDSHAKE_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        # US_CX_BEG: connect() is called; US_CX_END: TCP is up; US_HS_END: the handshake is complete, that is,
        # this side may send. https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter
        "connect": "%COMMON_DURATION(US_CX_BEG:US_CX_END:us)%",
        "handshake": "%COMMON_DURATION(US_CX_END:US_HS_END:us)%",
        "tls_version": "%UPSTREAM_TLS_VERSION%",
        "cipher": "%UPSTREAM_TLS_CIPHER%",
        "peer_subject": "%UPSTREAM_PEER_SUBJECT%",
    }
)
GATEWAY_FIELDS: Mapping[str, str] = MappingProxyType({**REQUEST_FIELDS, **HANDSHAKE_FIELDS})
"""What a gateway's access log holds: requests, and the handshakes of the connections that carried them."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One upstream connection."""

    connection: int
    cluster: str | None
    upstream: str | None
    connect_us: int
    handshake_us: int
    tls_version: str | None
    cipher: str | None
    peer_subject: str | None
    requests: int
    """Requests that it carried in this log."""


@dataclass(frozen=True, slots=True)
class Handshakes:
    """All upstream connections that a log names, each once."""

    samples: tuple[Handshake, ...]
    """In the order of their first request."""
    contradictions: int
    """Requests whose times differ from those of the same connection before: two Envoys in one log."""
    without_tls: int
    """Connections that never shook hands: plaintext where mutual TLS was expected."""
    unconnected: int
    """Requests that no upstream connection carried: no route, or a connect or handshake that failed."""

    @property
    def connect_us(self) -> list[int]:
        """TCP connect times, one for each connection."""
        return [sample.connect_us for sample in self.samples]

    @property
    def handshake_us(self) -> list[int]:
        """TLS handshake times, one for each connection."""
        return [sample.handshake_us for sample in self.samples]

    @property
    def tls_versions(self) -> dict[str, int]:
        """TLS version -> connections."""
        return dict(Counter(sample.tls_version or "unknown" for sample in self.samples))

    @property
    def ciphers(self) -> dict[str, int]:
        """Cipher suite -> connections."""
        return dict(Counter(sample.cipher or "unknown" for sample in self.samples))


def collect_handshakes(entries: Iterable[EnvoyEntry]) -> Handshakes:
    """Take one sample for each upstream connection.

    Envoy repeats the connection's times in the log line of every request that the connection carries, so that
    counting lines would weigh a connection by its requests. A connection that was opened and carried nothing
    is in no line: compare with the counter ``ssl.handshake``. Whether a session was resumed is in no line
    either under TLS 1.3: see ``ssl.session_reused``, or the node's log.

    Args:
        entries: of one Envoy's log, from one start of it: its connection ids begin again with each.
    """
    first: dict[int, EnvoyEntry] = {}
    requests: Counter[int] = Counter()
    contradictions = unconnected = 0
    plain = set()
    for entry in entries:
        connection = entry.upstream_connection
        if connection is None:
            unconnected += 1
        elif entry.connect_us is None or entry.handshake_us is None:
            plain.add(connection)
        else:
            known = first.setdefault(connection, entry)
            requests[connection] += 1
            if (known.connect_us, known.handshake_us) != (entry.connect_us, entry.handshake_us):
                contradictions += 1
    return Handshakes(
        samples=tuple(_sample(entry, requests[connection]) for connection, entry in first.items()),
        contradictions=contradictions,
        without_tls=len(plain),
        unconnected=unconnected,
    )


def _sample(entry: EnvoyEntry, requests: int) -> Handshake:
    if entry.upstream_connection is None or entry.connect_us is None or entry.handshake_us is None:
        raise ValueError(entry)
    return Handshake(
        connection=entry.upstream_connection,
        cluster=entry.cluster,
        upstream=entry.upstream,
        connect_us=entry.connect_us,
        handshake_us=entry.handshake_us,
        tls_version=entry.tls_version,
        cipher=entry.cipher,
        peer_subject=entry.peer_subject,
        requests=requests,
    )
