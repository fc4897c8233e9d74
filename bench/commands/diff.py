"""``egress-bench diff``: what real proxies have against what the YAML means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.diff import (
    CREDENTIAL_SCHEME,
    MATERIAL,
    Dump,
    Gap,
    ObjectDifference,
    Side,
    diff_proxy,
    read_dump,
    shortened,
)
from bench.errors import InputError
from bench.istio.files import read_bytes
from bench.istio.inventory import CA_SUFFIX, CredentialFiles, Inventory, Proxy
from bench.istio.registry import build_registry
from bench.scenario.folder import Folder
from bench.scenario.read import read_folder
from bench.translate import translate

SCHEMA_VERSION = 1
_MOST_FIELDS = 8
"""This many fields of one object are shown; the document has all."""
_ROLES = {"sidecar": "sidecar", "router": "gateway"}
"""What an id of Istio's begins with -> the role of the proxy."""
KNOWN_VERSION = "1.32"
"""The Istio whose translation this is."""


@dataclass(frozen=True, slots=True)
class ProxyDifference:
    """How one real proxy differs."""

    proxy: str
    file: str
    fields: int
    """Compared one by one."""
    differences: tuple[ObjectDifference, ...]
    notes: tuple[str, ...] = ()
    """What was not compared, and what else to know."""
    left_out: int = 0
    """Objects of hosts that the YAML does not mention, where only its own were asked for."""

    def lines(self) -> list[str]:
        """Give the differences for people, one paragraph each."""
        return [_line(each) for each in self.differences]

    def document(self) -> dict[str, Any]:
        """Give the same for ``--json``."""
        return {
            "proxy": self.proxy,
            "config_dump": self.file,
            "fields_compared": self.fields,
            "left_out": self.left_out,
            "notes": list(self.notes),
            "differences": [
                {
                    "kind": each.kind,
                    "name": each.name,
                    "side": each.side.value,
                    "file": each.where.file if each.where is not None else None,
                    "line": each.where.line if each.where is not None else None,
                    "resource": each.resource or None,
                    "fields": [
                        {"path": list(field.path), "proxy": field.theirs, "yaml": field.ours}
                        for field in each.fields
                    ],
                }
                for each in self.differences
            ],
        }


@dataclass(frozen=True, slots=True)
class DiffReport:
    """The answer for all proxies."""

    proxies: tuple[ProxyDifference, ...]
    assumptions: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return any(each.differences for each in self.proxies)

    def document(self) -> dict[str, Any]:
        """Give the report for ``--json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "differs": self.differs,
            "assumptions": list(self.assumptions),
            "proxies": [each.document() for each in self.proxies],
        }


def diff_folder(folder: Path, dumps: Sequence[str], *, declared_only: bool = False) -> DiffReport:
    """Compare each dump of *dumps* (``NAME=FILE``) with what the YAML in *folder* means for that proxy.

    With *declared_only*, what is of hosts that no resource of the YAML declares is counted and left out.

    Raises:
        InputError: the folder or a dump is wrong, or NAME is not a proxy.
        UnsupportedError: files alone cannot do what a resource asks for.
    """
    read = read_folder(folder)
    read.require_resources()
    inventory = _as_in_a_cluster(read.require_inventory())
    named = [_named(each, inventory, read) for each in dumps]
    registry = build_registry(
        read.resources,
        inventory,
        inventory_file=read.inventory_position().file,
        locate_fact=lambda index: read.inventory_position("services", index),
    )
    hosts = {service.host for service in registry.services}
    found = []
    for name, file in named:
        dump = read_dump(read_bytes(Path(file)), file)
        _require_same_role(dump, name, inventory.proxies[name], file)
        config = translate(registry, name, config_source="eds", tls_material=MATERIAL)
        fields, differences = diff_proxy(config, dump, compares_endpoints_of_services=read.assumed is None)
        kept = [each for each in differences if not declared_only or not _is_of_another_host(each, hosts)]
        found.append(
            ProxyDifference(
                name,
                file,
                fields,
                tuple(kept),
                _notes(dump, read, inventory.proxies[name]),
                len(differences) - len(kept),
            )
        )
    return DiffReport(tuple(found), read.assumption_texts)


def _named(text: str, inventory: Inventory, read: Folder) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    known = ", ".join(sorted(inventory.proxies))
    if not equals or not name or not file:
        raise InputError(
            f"--config-dump {text!r} is not NAME=FILE.", remedy=f"NAME is one of the proxies: {known}."
        )
    if name not in inventory.proxies:
        raise InputError(
            f"--config-dump names {name!r}, and there is no such proxy.",
            where=read.inventory_position("proxies") if read.assumed is None else str(read.path),
            remedy=f"There are {known}.",
        )
    return name, file


def _require_same_role(dump: Dump, name: str, proxy: Proxy, file: str) -> None:
    """Refuse the dump of a gateway for a sidecar, and the other way round: all of it would differ."""
    kind, tilde, _ = dump.node.partition("~")
    role = _ROLES.get(kind)
    if not tilde or role == proxy.role:
        return
    raise InputError(
        f"is the dump of {f'a {role}' if role else f'no sidecar and no gateway, but of a {kind}'}"
        f" ({dump.node}), and {name} is a {proxy.role}.",
        where=file,
        remedy="Name the proxy that it is of: --config-dump NAME=FILE.",
    )


def _as_in_a_cluster(inventory: Inventory) -> Inventory:
    """Give the inventory of the real mesh: sidecars intercept, secrets are Kubernetes' own."""
    proxies = {
        name: proxy.model_copy(update={"interception": "redirect"})
        for name, proxy in inventory.proxies.items()
    }
    return inventory.model_copy(
        update={"proxies": proxies, "credentials": _kubernetes_names(inventory.credentials)}
    )


def _kubernetes_names(credentials: Mapping[str, CredentialFiles]) -> dict[str, CredentialFiles]:
    return {
        name: CredentialFiles(
            certificate=f"{CREDENTIAL_SCHEME}{name}" if files.certificate else "",
            privateKey=f"{CREDENTIAL_SCHEME}{name}" if files.private_key else "",
            ca=f"{CREDENTIAL_SCHEME}{name.removesuffix(CA_SUFFIX)}{CA_SUFFIX}" if files.ca else "",
        )
        for name, files in credentials.items()
    }


def _is_of_another_host(difference: ObjectDifference, hosts: set[str]) -> bool:
    return difference.side is Side.PROXY and bool(difference.host) and difference.host not in hosts


def _notes(dump: Dump, read: Folder, proxy: Proxy) -> tuple[str, ...]:
    notes = []
    if not any(dump.has.values()):
        notes.append(
            "nothing in the dump comes from Istio: istiod has not fed this proxy yet, or it is not Istio's."
        )
    namespace = _namespace(dump.node)
    if namespace and namespace != proxy.namespace:
        notes.append(
            f"the dump is of {dump.node}, and the proxy is in the namespace {proxy.namespace} here: what "
            "only one of the two namespaces sees shows as a difference."
        )
    if Gap.ENDPOINTS in dump.gaps:
        notes.append(
            "the dump has no endpoints, so they were not compared; `/config_dump?include_eds` has them."
        )
    elif read.assumed is not None:
        notes.append(
            "endpoints of the cluster's own Services were not compared: no inventory says which Pods run."
        )
    notes += [
        f"the dump has no {gap.value}, so they were not compared."
        for gap in (Gap.LISTENERS, Gap.ROUTES, Gap.CLUSTERS)
        if gap in dump.gaps
    ]
    if dump.istio_version and not dump.istio_version.startswith(KNOWN_VERSION):
        notes.append(
            f"the proxy is of Istio {dump.istio_version}, and this reads the YAML as Istio {KNOWN_VERSION} "
            "does: a default that changed between the two shows as a difference."
        )
    if read.require_inventory().semantics != "current":
        era = read.require_inventory().semantics
        notes.append(f"the YAML is read with the semantics {era}, as the inventory says.")
    notes += [f"Envoy rejected {each}" for each in dump.refused]
    return tuple(notes)


def _namespace(node: str) -> str:
    """Of ``sidecar~10.1.0.5~web-7d9f.shop~shop.svc.cluster.local``: shop."""
    parts = node.split("~")
    return parts[2].rpartition(".")[2] if len(parts) == 4 else ""


_SIDES = {
    Side.PROXY: "only in the proxy; this YAML does not say it",
    Side.YAML: "only in the YAML; the proxy does not have it",
}


def _line(difference: ObjectDifference) -> str:
    place = f"{difference.where}: " if difference.where is not None else ""
    origin = f" (there by {difference.resource})" if difference.resource else ""
    head = f"{place}{difference.kind} {difference.name}{origin}"
    if difference.side is not Side.BOTH:
        return f"{head}: {_SIDES[difference.side]}"
    shown = [
        f"{' › '.join(field.path) or 'all of it'}: the proxy has {shortened(field.theirs)}, the YAML means "
        f"{shortened(field.ours)}"
        for field in difference.fields[:_MOST_FIELDS]
    ]
    if len(difference.fields) > _MOST_FIELDS:
        shown.append(f"and {len(difference.fields) - _MOST_FIELDS} more fields (all with --json)")
    return f"{head}: {'; '.join(shown)}"
