"""Certificates and trust bundles as secrets, so that files can rotate while Envoy runs.

istiod names a secret after its files, ``file-cert:CERT~KEY`` and ``file-root:CA``, and lets the agent serve
it. Without an agent Envoy reads each secret from a file of its own. A file name inside a TLS context would
be read once and never again.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from envoy_data_plane.envoy.config.core.v3 import DataSource
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    SdsSecretConfig,
    Secret,
    TlsCertificate,
)

from bench.translate.names import certificate_secret_name, trust_secret_name

SYSTEM_ROOTS = "system"
"""The name of the operating system's trust bundle in Istio's secret names."""


class SecretCollector:
    """Collects the secrets that the TLS contexts of one proxy name."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}

    def certificate(self, chain: str, private_key: str) -> SdsSecretConfig:
        """Refer to the certificate in the file *chain* with the key in *private_key*."""
        name = certificate_secret_name(chain, private_key)
        if name not in self._secrets:
            pair = TlsCertificate(
                certificate_chain=DataSource(filename=chain),
                private_key=DataSource(filename=private_key),
            )
            self._secrets[name] = Secret(name=name, tls_certificate=pair)
        return SdsSecretConfig(name=name)

    def trust(self, ca: str) -> SdsSecretConfig:
        """Refer to the trust bundle in the file *ca*; ``system`` is the operating system's."""
        name = trust_secret_name(ca)
        if name not in self._secrets:
            context = CertificateValidationContext(trusted_ca=DataSource(filename=ca))
            self._secrets[name] = Secret(name=name, validation_context=context)
        return SdsSecretConfig(name=name)

    def secrets(self) -> tuple[Secret, ...]:
        """Give the secrets collected so far, sorted by name."""
        return tuple(self._secrets[name] for name in sorted(self._secrets))


def watched_directory(file: str) -> str:
    """Give the folder in which a rename makes Envoy read *file* again: the parent of the file's folder.

    ``/certs/live/tls.crt`` rotates by one rename of the symlink ``/certs/live``, which switches
    certificate, key and trust bundle at once; Envoy sees that rename only in ``/certs``.
    """
    return str(PurePosixPath(file).parent.parent)
