"""Faults of mutual TLS: no client certificate, another CA, an expired server certificate."""

from __future__ import annotations

from bench.experiment.faults.aims import NotPossibleError
from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, Tree
from bench.experiment.faults.kinds import Fault

_UNVERIFIED = "the gateway verifies no certificate of the nodes"


def _remove_client_certificate(field: Field) -> None:
    def remove(tree: Tree) -> bool:
        changed = False
        for cluster in tree["resources"]:
            tls = cluster.get("transport_socket", {}).get("typed_config", {}).get("common_tls_context", {})
            changed |= tls.pop("tls_certificate_sds_secret_configs", None) is not None
        return changed

    # A changed cluster gets new connections by itself.
    if not field.edit_gateway("cds", remove):
        raise NotPossibleError(f"{field.gateway} presents no client certificate")


def _trust(field: Field) -> frozenset[str]:
    """The secrets by which clusters verify nodes."""
    found: set[str] = set()

    def collect(tree: Tree) -> bool:
        for cluster in tree["resources"]:
            if cluster.get("name") in field.topology.cluster_nodes:
                tls = (
                    cluster.get("transport_socket", {}).get("typed_config", {}).get("common_tls_context", {})
                )
                combined = tls.get("combined_validation_context", {})
                for each in (
                    combined.get("validation_context_sds_secret_config"),
                    tls.get("validation_context_sds_secret_config"),
                ):
                    found.update([each["name"]] if each else [])
        return False

    field.edit_gateway("cds", collect)
    return frozenset(found)


def _replace_ca(field: Field) -> None:
    other = field.parts.show(field.gateway, field.material.wrong("other-ca") / "ca.crt")
    used = _trust(field)

    def replace(tree: Tree) -> bool:
        changed = False
        for secret in tree["resources"]:
            trust = secret.get("validation_context", {}).get("trusted_ca")
            if trust is not None and secret.get("name") in used:
                trust["filename"] = other
                changed = True
        return changed

    if not field.edit_gateway("sds", replace):
        raise NotPossibleError(_UNVERIFIED)
    field.heal_later(field.shake_hands_again)
    field.shake_hands_again()


def _unverified(field: Field) -> str | None:
    return None if _trust(field) else _UNVERIFIED


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
    Fault(
        "ca-replaced",
        "CA replaced at the gateway",
        Cause.UNTRUSTED_SERVER,
        _replace_ca,
        obstacle=_unverified,
    ),
    Fault(
        "certificate-expired",
        "node certificate expired",
        Cause.EXPIRED_CERTIFICATE,
        _expire_node_certificate,
        obstacle=_unverified,
    ),
)
