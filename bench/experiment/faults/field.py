"""What a fault may touch: the running stack, its processes, its files, and the way back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bench.certs import Material
from bench.errors import MeasurementError
from bench.experiment.faults.aims import (
    NO_SPLIT,
    ONLY_ONE,
    UNLIKE,
    Aims,
    NotPossibleError,
    speak_alike,
)
from bench.experiment.faults.relay import Relay
from bench.load import LoadPlan
from bench.measure import Topology
from bench.placement import Address, ConfigFile
from bench.preparation import Prepared
from bench.scenario import Scenario
from bench.stack import ComponentFaults, Stack
from bench.translate import ADS_FOLDER, ConfigSource, served_text
from bench.verify.callers import Callers
from bench.verify.walkthrough import path_checks

Tree = dict[str, Any]
"""A configuration file as YAML has it."""

_SERVED: Final = {"eds": "endpoints", "cds": "clusters", "rds": "routes", "lds": "listeners"}
"""Folder or file of what Envoy watches -> file of what a control plane serves."""
_RECOVERY_S = 10.0
_POLL_S = 0.05


@dataclass(slots=True)
class Field:
    """One stack under load, open to faults."""

    stack: Stack
    parts: ComponentFaults
    prepared: Prepared
    topology: Topology
    material: Material
    aims: Aims
    source: ConfigSource = "eds"
    """Where the proxies have their configuration from."""
    load: LoadPlan | None = None
    """The load that runs."""
    in_force: bool = False
    """Whether a fault is: for what was prepared and waits for it."""
    _originals: dict[tuple[str, str], str] = field(default_factory=dict)
    _after: list[Callable[[], None]] = field(default_factory=list)

    @property
    def scenario(self) -> Scenario:
        """The scenario that it is a stack of."""
        return self.prepared.loaded.scenario

    @property
    def gateway(self) -> str:
        """Name of the gateway."""
        return self.topology.gateway

    def running_load(self) -> LoadPlan:
        """The load under way; raises ``MeasurementError`` if there is none."""
        if self.load is None:
            raise MeasurementError("no load is under way.")
        return self.load

    def edit_gateway(self, folder: str, change: Callable[[Tree], bool]) -> int:
        """Change the gateway's files below ``xds/FOLDER``; *change* says whether it changed a tree.

        Returns how many files were replaced, all at once as far as renames go.
        """
        return self._edit(self.gateway, folder, change)

    def edit_endpoints(self, change: Callable[[Tree], bool]) -> int:
        """Change the endpoints of the gateway's clusters, wherever they are written; as ``edit_gateway``."""
        return _edit_assignments(self.edit_gateway, change)

    def edit_sidecar_endpoints(self, change: Callable[[Tree], bool]) -> int:
        """Change the assignments of the sidecar's clusters, as ``edit_endpoints`` does the gateway's."""
        return _edit_assignments(self.edit_sidecar, change)

    def edit_sidecar(self, folder: str, change: Callable[[Tree], bool]) -> int:
        """Change the sidecar's files, as ``edit_gateway`` does the gateway's."""
        return self._edit(self.scenario.traffic.client, folder, change)

    def sidecar_trees(self, folder: str) -> Iterator[Tree]:
        """The sidecar's files below ``xds/FOLDER``, to be read."""
        yield from (tree for _, _, tree in self._files(self.scenario.traffic.client, folder))

    def _edit(self, proxy: str, folder: str, change: Callable[[Tree], bool]) -> int:
        files = []
        for name, text, tree in self._files(proxy, folder):
            if not change(tree):
                continue
            self._originals.setdefault((proxy, name), text)
            files.append(ConfigFile(name, _written(name, tree)))
        self.stack.write_config(proxy, files)
        return len(files)

    def _files(self, proxy: str, folder: str) -> Iterator[tuple[str, str, Tree]]:
        """Name, text and tree of each of a proxy's files below ``xds/FOLDER``, or what is served instead."""
        root = self.stack.component(proxy).config
        if root is None:
            raise MeasurementError(f"{proxy} has no files.")
        served = root / ADS_FOLDER / f"{_SERVED.get(folder, folder)}.json"
        if served.exists():
            text = served.read_text(encoding="utf-8")
            yield str(served.relative_to(root)), text, json.loads(text)
        for path in sorted((root / "xds").glob(f"{folder}*")):
            for file in sorted(path.rglob("*.yaml")) if path.is_dir() else [path]:
                text = file.read_text(encoding="utf-8")
                yield str(file.relative_to(root)), text, yaml.safe_load(text)

    def entrance(self) -> Address:
        """Where the sidecar finds the gateway with requests that both read: of several listeners that one.

        Raises:
            NotPossibleError: no cluster of the sidecar has an address of the gateway.
        """
        listeners = set(self.stack.component(self.gateway).addresses.values())
        trees = (*self.sidecar_trees("eds"), *self.sidecar_trees("cds"))
        for assignment in _assignments(trees):
            if assignment["cluster_name"] in self.topology.to_gateway:
                for address in _addresses_in(assignment):
                    if address in listeners:
                        return address
        raise NotPossibleError("no cluster of the sidecar has the gateway's address")

    def restore_proxies(self) -> None:
        """Put the proxies' own files back."""
        for proxy in {proxy for proxy, _ in self._originals}:
            files = [
                ConfigFile(name, text) for (whose, name), text in self._originals.items() if whose == proxy
            ]
            self.stack.write_config(proxy, files)
        self._originals.clear()

    def detour(self, assignment: Tree, real: Address, other: Address) -> bool:
        """Give the endpoint *real* the address *other*; whether the assignment has that endpoint."""
        changed = False
        for socket in _sockets_in(assignment):
            if (socket["address"], socket["port_value"]) == real:
                socket["address"], socket["port_value"] = other
                changed = True
        return changed

    def lead_over(self, node: str, make_relay: Callable[[Address, str], Relay]) -> None:
        """Lead the gateway to a node over a relay, made of the node's address and an address to listen on."""
        real = self.address_of(node)
        relay = make_relay(real, self.parts.relay_host())
        self.heal_later(relay.stop)
        if not self.edit_endpoints(lambda assignment: self.detour(assignment, real, relay.address)):
            raise NotPossibleError(f"no cluster of {self.gateway} has the address of {node}")

    def rewrite_node(self, node: str, change: Callable[[str], str]) -> None:
        """Change a node's ``nginx.conf`` and let it read that; ``heal_nodes`` undoes it."""
        file = self.parts.folder(node) / "nginx.conf"
        text = file.read_text(encoding="utf-8")

        def back() -> None:
            file.write_text(text, encoding="utf-8")
            self.parts.reload(node)

        self._after.append(back)
        file.write_text(change(text), encoding="utf-8")
        self.parts.reload(node)

    def replace_page(self, node: str, text: str) -> Path:
        """Put another welcome page in place; ``heal_nodes`` undoes it."""
        page = self.page(node)
        old = page.read_text(encoding="utf-8")

        def put(content: str) -> None:
            fresh = page.with_name("index.new")
            fresh.write_text(content, encoding="utf-8")
            # Whatever this process's mask: a node in a container is another user.
            fresh.chmod(0o644)
            fresh.replace(page)

        self._after.append(lambda: put(old))
        put(text)
        return page

    def page(self, node: str) -> Path:
        """A node's welcome page."""
        return self.parts.folder(node) / "html" / "index.html"

    def shake_hands_again(self) -> None:
        """Let every node close its connections, so that the gateway opens new ones."""
        for node in self.scenario.nodes:
            self.parts.reload(node)

    def heal_later(self, heal: Callable[[], None]) -> None:
        """Do this, too, when the fault is healed."""
        self._after.append(heal)

    def heal(self) -> None:
        """Undo everything, last things first."""
        self.in_force = False
        self.restore_proxies()
        while self._after:
            self._after.pop()()

    def address_of(self, node: str) -> Address:
        """Where a node really listens."""
        return next(iter(self.stack.component(node).addresses.values()))

    def await_recovery(self) -> None:
        """Return when each subset is answered correctly twice in a row, called from where the client is.

        Raises:
            MeasurementError: the stack does not recover: what follows would be spoilt.
        """
        deadline = time.monotonic() + _RECOVERY_S
        good = 0
        with Callers(self.stack) as callers:
            while good < 2:
                wrong = next(self._wrong_subsets(callers), None)
                good = 0 if wrong is not None else good + 1
                if wrong is not None and time.monotonic() >= deadline:
                    raise MeasurementError(f"the stack has not recovered after {_RECOVERY_S:g} s: {wrong}.")
                time.sleep(_POLL_S)

    def _wrong_subsets(self, callers: Callers) -> Iterator[str]:
        checks = path_checks(self.stack, self.scenario)[: len(self.scenario.traffic.mix)]
        for client in dict.fromkeys(check.request.client for check in checks):
            own = [check for check in checks if check.request.client == client]
            answers = callers.beside(client)([check.call for check in own], at_once=len(own))
            for check, answer in zip(own, answers, strict=True):
                line = check.judge(answer)
                if not line.passed:
                    yield f"{line.name}: {line.got}"


def _written(name: str, tree: Tree) -> str:
    """A file with *tree* in it, which whoever reads it must take as a new one."""
    if Path(name).parent.name == ADS_FOLDER:
        return served_text(tree["resources"])
    tree["version_info"] = hashlib.sha256(yaml.safe_dump(tree).encode()).hexdigest()[:16]
    return yaml.safe_dump(tree, sort_keys=False)


def _sockets_in(assignment: Tree) -> Iterator[Tree]:
    for group in assignment.get("endpoints", ()):
        for entry in group["lb_endpoints"]:
            yield entry["endpoint"]["address"]["socket_address"]


def _addresses_in(assignment: Tree) -> Iterator[Address]:
    yield from ((socket["address"], socket["port_value"]) for socket in _sockets_in(assignment))


def _assignments(trees: Iterable[Tree]) -> Iterator[Tree]:
    """Endpoints of clusters. Those that DNS resolves are not served by EDS: their clusters have them."""
    for tree in trees:
        found = (resource.get("load_assignment", resource) for resource in tree["resources"])
        yield from (each for each in found if "cluster_name" in each)


def _edit_assignments(
    edit: Callable[[str, Callable[[Tree], bool]], int], change: Callable[[Tree], bool]
) -> int:
    def of_tree(tree: Tree) -> bool:
        changed = [change(each) for each in _assignments([tree])]
        return any(changed)

    return edit("eds", of_tree) + edit("cds", of_tree)


def no_split(field: Field) -> str | None:
    """The obstacle of a fault that needs a subset which weights divide; None: there is one."""
    return NO_SPLIT if field.aims.split is None else None


def no_second(field: Field) -> str | None:
    """The obstacle of a fault that needs a second subset, answered by another node; None: there is one."""
    return ONLY_ONE if field.aims.second is None else None


def no_exchange(field: Field) -> str | None:
    """The obstacle of a fault that gives two subsets each other's nodes; None: these answer them."""
    obstacle = no_second(field)
    if obstacle is not None or speak_alike(field.prepared, *field.aims.pair()):
        return obstacle
    return UNLIKE
