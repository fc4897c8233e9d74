"""Handshakes that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.entries import at_nodes, first_of, led_astray
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.message import say

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

_EXPIRED = "certificate has expired"
_VERIFY_FAILED = "CERTIFICATE_VERIFY_FAILED"


def tls(evidence: Evidence) -> Iterator[Finding]:
    """Requests without a client certificate, and server certificates that the gateway refuses."""
    bare = [
        entry
        for entry in at_nodes(evidence)
        if entry.status == 400 and (entry.client_verify or "NONE") == "NONE"
    ]
    if bare:
        nodes = tuple(sorted({entry.node for entry in bare}))
        shown = say(ShownCase.REFUSES_WITHOUT_CERTIFICATE, nodes=nodes)
        yield Finding(Cause.NO_CLIENT_CERTIFICATE, "client", shown, len(bare), bare[0].time_us)
    # A cluster that leads to another's node is refused there rightly: that is a matter of routing.
    astray = {entry.id for entry in led_astray(evidence)}
    refused = [
        entry
        for entry in evidence.gateway
        if _VERIFY_FAILED in (entry.failure or "") and entry.id not in astray
    ]
    expired = [entry for entry in refused if _EXPIRED in (entry.failure or "").replace("_", " ")]
    distrusted = [entry for entry in refused if entry not in expired]
    for cause, entries in ((Cause.EXPIRED_CERTIFICATE, expired), (Cause.UNTRUSTED_SERVER, distrusted)):
        if entries:
            shown = say(ShownCase.HANDSHAKES_FAIL, said=_said(entries[0].failure))
            yield Finding(cause, "client", shown, len(entries), first_of(entries))


def _said(failure: str | None) -> str:
    """The last words of a chain of TLS errors, which Envoy writes as one word with colons."""
    parts = [part for part in (failure or "").split(":") if part.strip("_")]
    words = [part for part in parts if not part.startswith("TLS_error")]
    return " ".join(words[-1].split("_")).strip() if words else "unknown"
