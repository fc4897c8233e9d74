"""What a fault may touch: the running stack, its processes, its files, and the way back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.certs import Material
from bench.errors import MeasurementError
from bench.experiment.faults.relay import Relay
from bench.headers import NODE_HEADER
from bench.load import LoadPlan
from bench.measure import Topology
from bench.placement import Address, ConfigFile
from bench.preparation import Prepared
from bench.scenario import Scenario
from bench.stack import ComponentFaults, Stack
from bench.stack.client_address import client_address
from bench.verify.calls import make_calls
from bench.verify.path_calls import request_call

Tree = dict[str, Any]
"""A configuration file as YAML has it."""

_RECOVERY_S = 10.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Aim:
    """One subset of the traffic, and what answers it: what a fault is aimed at."""

    subset: str
    clusters: frozenset[str]
    """The gateway's clusters that lead to its nodes alone."""
    node: str


@dataclass(frozen=True, slots=True)
class Aims:
    """What the faults of one scenario are aimed at."""

    first: Aim
    second: Aim | None
    """Answered by other nodes: what faults of routing mix up with the first; None: there is none."""

    def pair(self) -> tuple[Aim, Aim]:
        """Both.

        Raises:
            MeasurementError: there is only one; a fault that needs two has that as its obstacle.
        """
        if self.second is None:
            raise MeasurementError(ONLY_ONE)
        return self.first, self.second


ONLY_ONE = "no two subsets of the traffic go to different nodes"
"""Why a fault that needs two of them cannot be made."""


@dataclass(slots=True)
class Field:
    """One stack under load, open to faults."""

    stack: Stack
    parts: ComponentFaults
    prepared: Prepared
    topology: Topology
    material: Material
    aims: Aims
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
            # Whatever it says of its version, Envoy must take it as a new one.
            tree["version_info"] = hashlib.sha256(yaml.safe_dump(tree).encode()).hexdigest()[:16]
            files.append(ConfigFile(name, yaml.safe_dump(tree, sort_keys=False)))
        self.stack.write_config(proxy, files)
        return len(files)

    def _files(self, proxy: str, folder: str) -> Iterator[tuple[str, str, Tree]]:
        """Name, text and tree of each of a proxy's files below ``xds/FOLDER``."""
        root = self.stack.component(proxy).config
        if root is None:
            raise MeasurementError(f"{proxy} has no files.")
        for path in sorted((root / "xds").glob(f"{folder}*")):
            for file in sorted(path.rglob("*.yaml")) if path.is_dir() else [path]:
                text = file.read_text(encoding="utf-8")
                yield str(file.relative_to(root)), text, yaml.safe_load(text)

    def restore_proxies(self) -> None:
        """Put the proxies' own files back."""
        for proxy in {proxy for proxy, _ in self._originals}:
            files = [
                ConfigFile(name, text) for (whose, name), text in self._originals.items() if whose == proxy
            ]
            self.stack.write_config(proxy, files)
        self._originals.clear()

    def detour(self, tree: Tree, real: Address, other: Address) -> bool:
        """Give the endpoint *real* the address *other*; whether the tree has that endpoint."""
        changed = False
        for resource in tree["resources"]:
            for group in resource.get("endpoints", ()):
                for entry in group["lb_endpoints"]:
                    socket = entry["endpoint"]["address"]["socket_address"]
                    if (socket["address"], socket["port_value"]) == real:
                        socket["address"], socket["port_value"] = other
                        changed = True
        return changed

    def lead_over(self, node: str, make_relay: Callable[[Address, str], Relay]) -> None:
        """Lead the gateway to a node over a relay, made of the node's address and an address to listen on."""
        real = self.address_of(node)
        relay = make_relay(real, self.parts.relay_host())
        self.heal_later(relay.stop)
        self.edit_gateway("eds", lambda tree: self.detour(tree, real, relay.address))

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
        """Return when each subset is answered rightly again, twice in a row, called from where the client is.

        Raises:
            MeasurementError: the stack does not recover: what follows would be spoilt.
        """
        deadline = time.monotonic() + _RECOVERY_S
        good = 0
        while good < 2:
            wrong = next(self._wrong_subsets(), None)
            good = 0 if wrong is not None else good + 1
            if wrong is not None and time.monotonic() >= deadline:
                raise MeasurementError(f"the stack has not recovered after {_RECOVERY_S:g} s: {wrong}.")
            time.sleep(_POLL_S)

    def _wrong_subsets(self) -> Iterator[str]:
        traffic = self.scenario.traffic
        host, port = client_address(self.stack.component(traffic.client), traffic.port)
        calls = [request_call(request, f"http://{host}:{port}") for request in traffic.mix]
        answers = make_calls(calls, self.stack.client(traffic.client), at_once=len(calls))
        for request, answer in zip(traffic.mix, answers, strict=True):
            name, node = request.name, answer.headers.get(NODE_HEADER)
            marker = request.expect.body_contains
            if answer.status is None:
                yield f"{name}: {answer.error}"
            elif answer.status != request.expect.status:
                yield f"{name}: status {answer.status}"
            elif request.expect.nodes and node not in request.expect.nodes:
                yield f"{name}: answered by {node}"
            elif marker is not None and marker not in answer.text:
                yield f"{name}: wrong body"


def find_aims(scenario: Scenario, topology: Topology) -> Aims:
    """The first subset that nodes answer, and the first one that other nodes answer, if there is any.

    Raises:
        MeasurementError: no subset is answered by nodes behind clusters of their own.
    """
    found = [
        Aim(request.name, _clusters(topology, request.expect.nodes), request.expect.nodes[0])
        for request in scenario.traffic.mix
        if request.expect.nodes and _clusters(topology, request.expect.nodes)
    ]
    if not found:
        raise MeasurementError(
            "no subset of the traffic goes to nodes behind a cluster of their own: nothing can be broken.",
            remedy="Use a scenario whose subsets expect nodes, such as scenarios/egress-mtls.",
        )
    nodes = {request.name: set(request.expect.nodes) for request in scenario.traffic.mix}
    for each in found:
        other = next((one for one in found if not nodes[one.subset] & nodes[each.subset]), None)
        if other is not None:
            return Aims(each, other)
    return Aims(found[0], None)


def no_second(field: Field) -> str | None:
    """The obstacle of a fault that needs a second subset, answered by another node; None: there is one."""
    return ONLY_ONE if field.aims.second is None else None


def _clusters(topology: Topology, nodes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        cluster for cluster, behind in topology.cluster_nodes.items() if set(behind) == set(nodes)
    )
