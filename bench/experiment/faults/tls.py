"""Faults of mutual TLS: no client certificate, another CA, an expired server certificate."""

from __future__ import annotations

from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, Tree
from bench.experiment.faults.kinds import Fault


def _remove_client_certificate(field: Field) -> None:
    def remove(tree: Tree) -> bool:
        changed = False
        for cluster in tree["resources"]:
            tls = cluster.get("transport_socket", {}).get("typed_config", {}).get("common_tls_context", {})
            changed |= tls.pop("tls_certificate_sds_secret_configs", None) is not None
        return changed

    # A changed cluster gets new connections by itself.
    field.edit_gateway("cds", remove)


def _replace_ca(field: Field) -> None:
    other = field.parts.show(field.gateway, field.material.wrong("other-ca") / "ca.crt")

    def replace(tree: Tree) -> bool:
        changed = False
        for secret in tree["resources"]:
            trust = secret.get("validation_context", {}).get("trusted_ca")
            if trust is not None:
                trust["filename"] = other
                changed = True
        return changed

    field.edit_gateway("sds", replace)
    field.heal_later(field.shake_hands_again)
    field.shake_hands_again()


def _expire_node_certificate(field: Field) -> None:
    node, material = field.aims.first.node, field.material
    of_set = field.scenario.nodes[node].set
    field.heal_later(lambda: field.parts.use_certificates(node, material.of_node(node, of_set)))
    field.parts.use_certificates(node, material.wrong("expired", of_set, node=node))


FAULTS = (
    Fault(
        "no-client-certificate",
        "client certificate removed",
        Cause.NO_CLIENT_CERTIFICATE,
        _remove_client_certificate,
    ),
    Fault("ca-replaced", "CA replaced at the gateway", Cause.UNTRUSTED_SERVER, _replace_ca),
    Fault(
        "certificate-expired", "node certificate expired", Cause.EXPIRED_CERTIFICATE, _expire_node_certificate
    ),
)
