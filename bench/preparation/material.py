"""The certificates of a scenario: keys that are made ahead, and the names that its nodes and proxies have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.certs import SET_KEYS, KeysAhead, Material, ServerNames, SetNames, generate_keys, write_material
from bench.istio.inventory import Inventory
from bench.preparation.credentials import servers_of, trusted_authorities
from bench.scenario.load import LoadedScenario

CERTIFIED_ADDRESS = "127.0.0.1"
"""What the server certificate always names: where the nodes of a local stack really listen. Controls demand
this name wherever a node is, since a container's address is not known when certificates are made."""


def begin_keys(loaded: LoadedScenario) -> KeysAhead:
    """Begin to make the keys of the scenario's certificates, which takes seconds of this machine's cores."""
    return KeysAhead([loaded.scenario.tls.key] * SET_KEYS)


def make_material(loaded: LoadedScenario, folder: Path, keys: KeysAhead | None = None) -> Material:
    """Make the scenario's certificates below *folder*, for its own names and the addresses really used.

    With *keys* they have those.

    Raises:
        InputError: a name cannot be in a certificate, or a file that is given cannot be read.
    """
    tls = loaded.scenario.tls
    return write_material(
        folder,
        names=_names(tls.server_names),
        sets={
            name: SetNames(_names(each.server_names or tls.server_names), each.client_name)
            for name, each in tls.sets.items()
        },
        servers=servers_of(loaded),
        nodes={
            name: ServerNames(_names(node.server_names), node.set)
            for name, node in loaded.scenario.nodes.items()
            if node.server_names
        },
        trusted=trusted_authorities(loaded),
        key_type=tls.key,
        make_keys=keys.take if keys is not None else generate_keys,
        client_name=tls.client_name,
        identities=_identities(loaded.scenario.inventory) if tls.workload is not None else None,
        workload_key_type=tls.workload.key if tls.workload is not None else "rsa-2048",
    )


def _names(typed: Sequence[str]) -> list[str]:
    names = [name.partition(":")[2] for name in typed]
    return [*names, *([] if CERTIFIED_ADDRESS in names else [CERTIFIED_ADDRESS])]


def _identities(inventory: Inventory) -> dict[str, str]:
    """Give each proxy the identity of its service account."""
    return {
        name: f"spiffe://{inventory.domain}/ns/{proxy.namespace}/sa/{proxy.service_account}"
        for name, proxy in inventory.proxies.items()
    }
