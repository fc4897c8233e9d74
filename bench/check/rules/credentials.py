"""Secrets that Gateways name (IST0101, IST0161). Source: istio ``gateway/secret.go``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.istio.models import Secret
from bench.message import Message, say

_CERTIFICATE_KEYS = (("tls.crt", "tls.key"), ("cert", "key"))
"""Pairs that istiod reads: of a TLS secret, else of a generic one."""


def check_credentials(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0101 for a Secret that is not beside the gateway's pods, IST0161 for one without a certificate."""
    secrets = {(secret.namespace, secret.name): secret for secret in surroundings.resources.secrets}
    for gateway in surroundings.resources.gateways:
        workload = next(surroundings.selected(gateway.spec.selector), None)
        if workload is None:
            continue
        for index, server in enumerate(gateway.spec.servers):
            name = server.tls.credential_name if server.tls is not None else ""
            inventory = surroundings.inventory
            if not name or (inventory is not None and name in inventory.credentials):
                continue
            namespace, _, local = name.rpartition("/")
            secret = secrets.get((namespace or workload.namespace, local))
            path = ("spec", "servers", index, "tls", "credentialName")
            if secret is None:
                yield finding(
                    Level.ERROR,
                    "IST0101",
                    gateway,
                    path,
                    say(RuleCase.NO_SECRET, secret=local, namespace=namespace or workload.namespace),
                )
            elif (fault := certificate_fault(secret.spec)) is not None:
                yield finding(
                    Level.ERROR,
                    "IST0161",
                    gateway,
                    path,
                    say(
                        RuleCase.BAD_SECRET,
                        secret=f"{secret.namespace}/{secret.name}",
                        place=secret.position(("data",)),
                        fault=fault,
                    ),
                )


def certificate_fault(secret: Secret) -> Message | None:
    """Say what is wrong with the certificate of *secret*, ``None`` when it can be read."""
    from cryptography import x509  # noqa: PLC0415 - a twentieth of what `check` costs without such a Secret

    for certificate, key in _CERTIFICATE_KEYS:
        if certificate not in secret.data and certificate not in secret.string_data:
            continue
        if key not in secret.data and key not in secret.string_data:
            return say(RuleCase.KEY_MISSING, certificate=certificate, key=key)
        text = secret.string_data.get(certificate)
        try:
            pem = text.encode() if text is not None else base64.b64decode(secret.data[certificate])
            x509.load_pem_x509_certificates(pem)
        except (ValueError, binascii.Error):
            return say(RuleCase.CERTIFICATE_UNREADABLE, certificate=certificate)
        return None
    return say(RuleCase.CERTIFICATE_MISSING)
