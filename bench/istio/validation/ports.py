"""Ports, protocols, durations and shares."""

from __future__ import annotations

from typing import Literal

from bench.istio.models import Duration, Percent
from bench.istio.validation.findings import Findings

HIGHEST_PORT = 65535
_MILLISECOND_NS = 1_000_000
_LEAST_PERCENT = 0.0001

ProtocolFamily = Literal["http", "tls", "tcp", "udp"]

_FAMILIES: dict[str, ProtocolFamily] = {
    **dict.fromkeys(("http", "http2", "http_proxy", "grpc", "grpc-web"), "http"),
    **dict.fromkeys(("https", "tls"), "tls"),
    **dict.fromkeys(("tcp", "mongo", "redis", "mysql"), "tcp"),
    "udp": "udp",
}
KNOWN_PROTOCOLS = "HTTP, HTTP2, HTTP_PROXY, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, REDIS, MYSQL, UDP"


def protocol_family(protocol: str) -> ProtocolFamily | None:
    """How a port of *protocol*, written in any case, is treated; ``None`` for an unknown protocol.

    Source: istio ``pkg/config/protocol``.
    """
    return _FAMILIES.get(protocol.lower())


def check_port(number: int) -> str | None:
    """Refuse what is not a port."""
    return None if 1 <= number <= HIGHEST_PORT else f"port {number} must be in the range 1 to {HIGHEST_PORT}"


def check_duration(duration: Duration) -> str | None:
    """Refuse less than a millisecond, and anything finer than whole milliseconds."""
    if duration.nanoseconds < _MILLISECOND_NS:
        return f"{duration} must be at least 1ms"
    if not duration.is_whole_milliseconds:
        return f"{duration} must be a whole number of milliseconds"
    return None


def refuse_durations(findings: Findings, **durations: Duration | None) -> None:
    """Check each duration that is written; the keyword is the field's name in YAML.

    These fields have a rule against less than a millisecond in the definition of the resource.
    """
    for field, duration in durations.items():
        if duration is not None:
            is_short = duration.nanoseconds < _MILLISECOND_NS
            findings.refuse(check_duration(duration), field, stage="schema" if is_short else "webhook")


def refuse_short(findings: Findings, field: str, duration: Duration | None) -> None:
    """As :func:`refuse_durations`, for a field of which istiod does not ask for whole milliseconds."""
    if duration is not None and duration.nanoseconds < _MILLISECOND_NS:
        findings.refuse(check_duration(duration), field, stage="schema")


def check_whole_percent(value: int) -> str | None:
    """Refuse what is not in 0 to 100."""
    return None if 0 <= value <= 100 else f"{value} must be in the range 0 to 100"


def check_fraction(percent: Percent | None) -> str | None:
    """Refuse a share outside of 0 and 0.0001 to 100."""
    if percent is None or percent.value == 0 or _LEAST_PERCENT <= percent.value <= 100:
        return None
    return f"{percent.value:g} must be 0, or in the range 0.0001 to 100"
