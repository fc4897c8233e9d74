"""Certificates of workloads: what Istio's agent gives each proxy, issued by an authority of the mesh.

    GENERATION/    workload-ca.crt  workload-NAME.crt  workload-NAME.key

The mesh's authority is not the one of the external services: who trusts one does not trust the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bench.certs.authority import Authority, Issued, Validity
from bench.certs.keys import KeyType, generate_keys

CA_FILE = "workload-ca.crt"
"""The mesh's trust bundle, the same for every proxy."""


@dataclass(frozen=True, slots=True)
class Workloads:
    """Who gets a certificate of the mesh, and who signs it."""

    authority: Authority
    identities: Mapping[str, str] = field(default_factory=dict)
    """Proxy name -> its SPIFFE identity, e.g. ``spiffe://cluster.local/ns/default/sa/sleep``."""
    key_type: KeyType = "rsa-2048"

    @classmethod
    def of(cls, identities: Mapping[str, str], *, key_type: KeyType, now: datetime) -> Workloads:
        """Make an authority for the workloads *identities*."""
        authority = Authority.create("egress-bench mesh CA", validity=Validity.around(now))
        return cls(authority, dict(identities), key_type)

    def issue(self, now: datetime) -> dict[str, Issued]:
        """Issue a certificate with a new key for each proxy, good for both ends of a connection."""
        keys = generate_keys([self.key_type] * len(self.identities))
        return {
            name: self.authority.issue_workload(identity, key=key, validity=Validity.around(now))
            for (name, identity), key in zip(self.identities.items(), keys, strict=True)
        }


def certificate_file(proxy: str) -> str:
    """Give the name of the certificate of *proxy*."""
    return f"workload-{proxy}.crt"


def key_file(proxy: str) -> str:
    """Give the name of the private key of *proxy*."""
    return f"workload-{proxy}.key"


def workload_files(proxies: Sequence[str]) -> list[str]:
    """Name the certificates, which are not secret."""
    return [CA_FILE, *(certificate_file(proxy) for proxy in proxies)] if proxies else []


def files_of(proxy: str, live: Path) -> tuple[Path, Path, Path]:
    """Give certificate, key and trust bundle of *proxy* below the folder *live*."""
    return live / certificate_file(proxy), live / key_file(proxy), live / CA_FILE
