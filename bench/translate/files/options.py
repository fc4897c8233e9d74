"""What a stack or an experiment may choose when a translated configuration becomes files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TlsVersion = Literal["TLSv1_2", "TLSv1_3"]

DEBIAN_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class AccessLogOptions:
    """A JSON access log of every request and connection."""

    fields: Mapping[str, str]
    """Name in the JSON line -> Envoy's command operator, such as ``%RESPONSE_CODE%``."""
    file: str = "access.log"
    """Relative to ``Placement.log_root``."""
    only: tuple[str, tuple[str, ...]] | None = None
    """A header and ends of its value: requests that have one of them are logged, and no connections of bytes.
    None: everything is."""


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """Choices beside the places themselves."""

    node_id: str
    node_cluster: str = "egress-bench"
    access_log: AccessLogOptions | None = None
    further_log: AccessLogOptions | None = None
    """Beside it, in a file of its own."""
    max_requests_per_connection: int | None = None
    """Overrides the limit of every cluster that originates TLS; 1 makes each request shake hands again."""
    max_session_keys: int | None = None
    """TLS sessions that every cluster that originates TLS keeps; 0 makes each handshake a full one.
    None: Envoy's default, which is one."""
    tls_versions: tuple[TlsVersion, TlsVersion] | None = None
    """Overrides lowest and highest TLS version of every cluster that originates TLS."""
    presents_certificate: bool = True
    """False: clusters that originate TLS show no certificate of their own, whatever is written."""
    initial_fetch_timeout_s: float = 0.0
    """How long Envoy waits for the first answer of a control plane; 0: as long as it takes, as in Istio."""
    all_in_bootstrap: bool = False
    """Everything but secrets is in the bootstrap, which Envoy never reads again: it changes by a restart.
    With config source ``static`` only."""
    system_roots: str = DEBIAN_ROOTS
    """The operating system's trust bundle, where TLS names no ``caCertificates``."""

    @property
    def overrides_tls(self) -> bool:
        """Whether clusters that originate TLS are changed."""
        return (
            self.max_requests_per_connection is not None
            or self.max_session_keys is not None
            or self.tls_versions is not None
            or not self.presents_certificate
        )
