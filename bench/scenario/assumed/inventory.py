"""The inventory of a folder that has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.istio.inventory import CredentialFiles, Inventory, WorkloadFiles
from bench.istio.resource import Resources
from bench.scenario.assumed.clients import assume_clients
from bench.scenario.assumed.gateways import assume_gateways
from bench.scenario.assumed.kinds import Assumed, Assumption
from bench.scenario.assumed.workloads import Addresses, found_workloads

_DOMAIN = "cluster.local"
_WORKLOAD = "/var/run/secrets/workload-spiffe-credentials"
WORKLOAD_FILES = WorkloadFiles(
    certificate=f"{_WORKLOAD}/certificates.pem",
    privateKey=f"{_WORKLOAD}/private_key.pem",
    ca=f"{_WORKLOAD}/ca_certificates.pem",
)
"""Where Istio's agent takes a workload's certificate from files."""
_MESH_TLS = "ISTIO_MUTUAL"


def assume_inventory(resources: Resources, credential_files: Callable[[str], CredentialFiles]) -> Assumed:
    """Give the proxies that *resources* speak of, and say what they leave open.

    Pods, and what makes Pods, are taken as they are; each selector of a Gateway is one proxy, placed by the
    Pods, the Service or the routes that name it. Without any Pod, one client represents each namespace that
    has rules of its own. *credential_files* names the files of a secret that a rule calls by name.
    """
    workloads = found_workloads(resources)
    addresses = Addresses(tuple(_used_addresses(resources)))
    gateways = assume_gateways(resources, workloads, addresses, _DOMAIN)
    clients, assumed = assume_clients(resources, workloads, gateways.proxies, addresses)
    assumptions = [*_general(), *assumed, *gateways.assumptions]
    workload = None
    if _speaks_mesh_tls(resources):
        workload = WORKLOAD_FILES
        what = f"certificates of the workloads are those of Istio's agent, in {_WORKLOAD}."
        assumptions.append(Assumption(("workload",), what))
    inventory = Inventory(
        proxies={**clients, **gateways.proxies},
        services=tuple(gateways.services.values()),
        workload=workload,
        credentials={name: credential_files(name) for _, name in _client_tls(resources) if name},
    )
    return Assumed(inventory, tuple(assumptions), tuple(gateways.places))


def completed(
    inventory: Inventory, resources: Resources, credential_files: Callable[[str], CredentialFiles]
) -> Inventory:
    """Give an inventory that somebody wrote with the certificates that it lacks and *resources* ask for."""
    made: dict[str, object] = {}
    if inventory.workload is None and _speaks_mesh_tls(resources):
        made["workload"] = WORKLOAD_FILES
    names = [name for _, name in _client_tls(resources) if name and name not in inventory.credentials]
    if names:
        made["credentials"] = {**inventory.credentials, **{name: credential_files(name) for name in names}}
    return inventory.model_copy(update=made) if made else inventory


def _general() -> Iterator[Assumption]:
    yield Assumption(
        ("outbound",),
        "outbound REGISTRY_ONLY: hosts that the YAML does not declare are not reached. Istio's own default "
        "is ALLOW_ANY; meshConfig.outboundTrafficPolicy of your mesh says which holds.",
    )


def _used_addresses(resources: Resources) -> Iterator[str]:
    for entry in resources.service_entries:
        yield from entry.spec.addresses
        yield from (each.address for each in entry.spec.endpoints)
    yield from (each.spec.address for each in resources.workload_entries)
    yield from (each.spec.status.pod_ip for each in resources.pods)
    yield from (each.spec.cluster_ip for each in resources.services)
    for slice_ in resources.endpoint_slices:
        for endpoint in slice_.spec.endpoints:
            yield from endpoint.addresses


def _speaks_mesh_tls(resources: Resources) -> bool:
    servers = (server.tls for gateway in resources.gateways for server in gateway.spec.servers)
    return any(tls is not None and tls.mode == _MESH_TLS for tls in servers) or any(
        mode == _MESH_TLS for mode, _ in _client_tls(resources)
    )


def _client_tls(resources: Resources) -> Iterator[tuple[str, str]]:
    """Give mode and credential of each rule's TLS settings, wherever in the rule they are."""
    for rule in resources.destination_rules:
        policies = [rule.spec.traffic_policy, *(subset.traffic_policy for subset in rule.spec.subsets)]
        for policy in policies:
            if policy is None:
                continue
            for tls in (policy.tls, *(port.tls for port in policy.port_level_settings)):
                if tls is not None:
                    yield str(tls.mode), tls.credential_name
