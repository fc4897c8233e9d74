"""The services of one stack: for each part its image, user, command, folders, addresses and limits."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.istio.hosts import is_ip
from bench.placement import Address
from bench.stack import nodes, proxies
from bench.stack.binaries import Binary
from bench.stack.compose.client import IDLE
from bench.stack.compose.composefile import Mount, Service
from bench.stack.compose.folders import (
    ADMIN,
    CODE,
    CONFIG,
    CONTROL,
    FILES,
    KEYS,
    LOGS,
    NODE,
    PROXY_GROUP,
    ROOT,
    PartFolder,
    account,
    proxy_account,
)
from bench.stack.compose.layout import EXTERNAL, MESH, Layout, Pod
from bench.stack.compose.subnets import Network
from bench.stack.control import ControlFolder
from bench.stack.images import ENVOY, NGINX, PACKAGES, PYTHON, Image, ImageSet
from bench.stack.placing import proxies_in_order
from bench.stack.protocol import GENERATOR, NodeSpec, ProxySpec, ResourceLimits, StackSpec

REDIRECT_RULES = "rules"
ROUTES = "routes"
_OUTBOUND_PORT = 15_001
"""Where Istio redirects what a pod sends: its ``virtualOutbound`` listener."""


_CLIENT = "_client"
"""A folder of what clients see; no part has that name."""


@dataclass(frozen=True, slots=True)
class StackFolders:
    """Where a stack's files lie in its run folder."""

    path: Path

    @property
    def compose_file(self) -> Path:
        """The run's Compose file."""
        return self.path / "compose.yaml"

    @property
    def code(self) -> Path:
        """The program's code for the client."""
        return self.path / _CLIENT / "code"

    @property
    def files(self) -> Path:
        """What the client is given."""
        return self.path / _CLIENT / "files"

    @property
    def rules(self) -> Path:
        """Rules of redirection."""
        return self.path / _CLIENT / "rules"

    @property
    def control(self) -> ControlFolder:
        """The control plane's."""
        return ControlFolder.of(self.path)

    def proxy(self, name: str) -> PartFolder:
        """One proxy's folders."""
        return PartFolder(proxies.ProxyFolder(self.path / name))

    def node(self, name: str) -> nodes.NodeFolder:
        """One node's folder."""
        return nodes.NodeFolder(self.path / name)

    def node_keys(self, name: str) -> Path:
        """Keys and certificates of one node."""
        return self.path / f"{name}.keys"

    def remove_parts(self, names: Iterable[str]) -> None:
        """Delete what an earlier attempt wrote."""
        for name in names:
            shutil.rmtree(self.path / name, ignore_errors=True)
            shutil.rmtree(self.node_keys(name), ignore_errors=True)
        shutil.rmtree(self.path / _CLIENT, ignore_errors=True)


def services_of(
    spec: StackSpec, layout: Layout, images: ImageSet, folders: StackFolders
) -> Iterator[Service]:
    """All services, each after those that it needs."""
    for node in spec.nodes:
        yield _node(spec, layout, images, folders, node)
    node_services = [layout.services[node.name] for node in spec.nodes]
    gateways = [layout.services[proxy.name] for proxy in spec.proxies if proxy.role == "egress"]
    for proxy in proxies_in_order(spec):
        after = node_services if proxy.role == "egress" else gateways
        yield _proxy(spec, layout, images, folders, proxy, after=after)
        if redirects(proxy) and images.tools is not None:
            yield _redirect(layout, images.tools, folders, proxy)
        if proxy.role == "sidecar":
            yield from _beside(spec, layout, images, folders, proxy)


def redirects(proxy: ProxySpec) -> bool:
    """Whether connections within the network of a proxy are led elsewhere."""
    return proxy.intercepts or (proxy.role == "egress" and proxy.asks_dns)


def _redirect(layout: Layout, tools: Image, folders: StackFolders, proxy: ProxySpec) -> Service:
    sidecar = layout.services[proxy.name]
    return Service(
        name=layout.redirects[proxy.name],
        pattern="redirect",
        part=f"{proxy.name} redirect",
        image=tools.id,
        # As istio-init: only root may change the pod's tables, and it ends before anything is sent.
        user="0:0",
        # Without it the engine's own rules would go, and with them the pod's DNS.
        command=("--noflush", f"{FILES}/{proxy.name}.{REDIRECT_RULES}"),
        mounts=(Mount(folders.rules, FILES),),
        shares=sidecar,
        after=(sidecar,),
    )


def _node(
    spec: StackSpec, layout: Layout, images: ImageSet, folders: StackFolders, node: NodeSpec
) -> Service:
    seen = nodes.NodeFolder(Path(NODE))
    mounts = (
        Mount(folders.node(node.name).path, NODE, writable=True),
        Mount(folders.node_keys(node.name), KEYS),
    )
    if node.behaviour.is_http:
        image = images.nginx_of(needs_scripts=bool(node.behaviour.delays))
        return Service(
            name=layout.services[node.name],
            pattern="nginx01",
            part=node.name,
            image=image.id,
            user=account().text,
            command=nodes.node_command(seen, _inside(image, NGINX))[1:],
            mounts=mounts,
            addresses=layout.hosts[node.name],
            aliases=_names_played(spec, node),
            resource_limits=_resource_limits(spec, node.name),
        )
    # No server of ours but this program itself: the image of the load has what it needs.
    return Service(
        name=layout.services[node.name],
        pattern="bytes",
        part=node.name,
        image=images.generator.id,
        user=account().text,
        command=nodes.bytes_command(seen, PYTHON)[1:],
        mounts=(*mounts, Mount(folders.code, CODE)),
        environment={"PYTHONPATH": f"{CODE}:{PACKAGES}"},
        addresses=layout.hosts[node.name],
        aliases=_names_played(spec, node),
        resource_limits=_resource_limits(spec, node.name),
    )


def redirect_rules(
    mesh: Network,
    closed: Address,
    outside: Network | None = None,
    played: Mapping[Address, Address] | None = None,
) -> str:
    """The rules by which a pod's own connections reach its proxy, as ``iptables-restore`` reads them.

    As istio-init sets them: what stays within the pod passes, and so does what the proxy's group sends; but
    that only within the mesh. A proxy that sends a connection on to where the client meant it to go finds a
    closed port there: nothing plays that destination, and neither does this machine, which is the bridge. Of
    a proxy that leaves the mesh itself, *outside* is where the nodes are, and what it sends on to an address
    of *played* reaches the node that plays it.
    """
    ours = f"-A EGRESS_BENCH -p tcp -m owner --gid-owner {PROXY_GROUP}"
    return (
        "*nat\n"
        ":EGRESS_BENCH - [0:0]\n"
        "-A OUTPUT -p tcp -j EGRESS_BENCH\n"
        "-A EGRESS_BENCH -d 127.0.0.0/8 -j RETURN\n"
        f"{_to_stand_ins(ours, played or {})}"
        f"{ours} -d {next(mesh.hosts())} -j REDIRECT --to-ports {closed[1]}\n"
        f"{ours} -d {mesh} -j RETURN\n"
        f"{_leaving(ours, outside, closed)}"
        f"{ours} -j REDIRECT --to-ports {closed[1]}\n"
        f"-A EGRESS_BENCH -p tcp -j REDIRECT --to-ports {_OUTBOUND_PORT}\n"
        "COMMIT\n"
    )


def lookup_rules(played: Mapping[Address, Address]) -> str:
    """The rules by which a gateway that looks names up reaches each port of them, as ``redirect_rules``."""
    return (
        "*nat\n"
        ":EGRESS_BENCH - [0:0]\n"
        "-A OUTPUT -p tcp -j EGRESS_BENCH\n"
        f"{_to_stand_ins('-A EGRESS_BENCH -p tcp', played)}"
        "COMMIT\n"
    )


def _to_stand_ins(ours: str, played: Mapping[Address, Address]) -> str:
    return "".join(
        f"{ours} -d {meant[0]} --dport {meant[1]} -j DNAT --to-destination {real[0]}:{real[1]}\n"
        for meant, real in played.items()
    )


def routes(dialled: Iterable[str], bridge: str) -> str:
    """The ways to addresses of no network here, as ``ip -batch`` reads them.

    Without one a connection would end before redirection sees it. They lead to the *bridge* of an internal
    network, which passes nothing on.
    """
    return "".join(f"route replace {address} via {bridge}\n" for address in dialled)


def _leaving(ours: str, outside: Network | None, closed: Address) -> str:
    if outside is None:
        return ""
    return (
        f"{ours} -d {next(outside.hosts())} -j REDIRECT --to-ports {closed[1]}\n"
        f"{ours} -d {outside} -j RETURN\n"
    )


def _proxy(
    spec: StackSpec,
    layout: Layout,
    images: ImageSet,
    folders: StackFolders,
    proxy: ProxySpec,
    *,
    after: list[str],
) -> Service:
    folder = folders.proxy(proxy.name)
    seen = proxies.ProxyFolder(Path(ROOT))
    command = proxies.envoy_command(seen, _inside(images.envoy, ENVOY), concurrency=proxy.concurrency)
    return Service(
        name=layout.services[proxy.name],
        pattern=proxy.role,
        part=proxy.name,
        image=images.envoy.id,
        user=proxy_account().text,
        command=_without(command[1:], "--admin-address-path"),
        mounts=(
            Mount(folder.proxy.config_root, CONFIG),
            Mount(folder.proxy.log_root, LOGS, writable=True),
            Mount(folder.admin, ADMIN, writable=True),
            Mount(folder.keys, KEYS),
            *((Mount(folders.control.shared, CONTROL),) if proxy.is_served else ()),
        ),
        addresses=layout.hosts[proxy.name],
        aliases=_aliases(spec, proxy),
        after=after,
        resource_limits=_resource_limits(spec, proxy.name),
    )


def _beside(
    spec: StackSpec, layout: Layout, images: ImageSet, folders: StackFolders, proxy: ProxySpec
) -> Iterator[Service]:
    """What shares a sidecar's network."""
    pod = layout.pods[proxy.name]
    sidecar = layout.services[proxy.name]
    if proxy.intercepts and images.tools is not None and dialled_addresses(spec):
        yield Service(
            name=pod.route,
            pattern="route",
            part=f"{proxy.name} route",
            image=images.tools.id,
            user="0:0",
            command=("-batch", f"{FILES}/{proxy.name}.{ROUTES}"),
            mounts=(Mount(folders.rules, FILES),),
            shares=sidecar,
            after=(sidecar,),
        )
    for name, pattern in ((pod.client, "sleep"), (pod.worker, "worker")):
        yield _client(spec, images, folders, pod, name=name, pattern=pattern, sidecar=sidecar)


def _client(
    spec: StackSpec,
    images: ImageSet,
    folders: StackFolders,
    pod: Pod,
    *,
    name: str,
    pattern: str,
    sidecar: str,
) -> Service:
    return Service(
        name=name,
        pattern=pattern,
        part=f"{pod.proxy} {pattern}",
        image=images.generator.id,
        user=account().text,
        command=(PYTHON, *IDLE)[1:],
        mounts=(Mount(folders.code, CODE), Mount(folders.files, FILES)),
        environment={"PYTHONPATH": f"{CODE}:{PACKAGES}"},
        shares=sidecar,
        after=(sidecar,),
        resource_limits=_resource_limits(spec, GENERATOR),
    )


def dialled_addresses(spec: StackSpec) -> tuple[str, ...]:
    """The addresses that clients dial by themselves; IPv4, as all networks here."""
    every = (address for addresses in spec.called.values() for address in addresses[:1])
    return tuple(dict.fromkeys(each for each in every if is_ip(each) and ":" not in each))


def _aliases(spec: StackSpec, proxy: ProxySpec) -> Mapping[str, tuple[str, ...]]:
    """Names that a redirected client calls: they must be some address, and redirection does the rest."""
    is_redirected = any(each.intercepts for each in spec.proxies)
    return {MESH: spec.names} if is_redirected and proxy.name == named_by_dns(spec) else {}


def _names_played(spec: StackSpec, node: NodeSpec) -> Mapping[str, tuple[str, ...]]:
    """Names that proxies look up, and find at this node."""
    names = tuple(name for name, owner in owners_of_names(spec).items() if owner == node.name)
    return {EXTERNAL: names} if names else {}


def owners_of_names(spec: StackSpec) -> Mapping[str, str]:
    """Name that proxies look up -> the node at whose address they find it: the first that plays it.

    Those that play it at other ports are found from there, as what is sent on to an address is.
    """
    found: dict[str, str] = {}
    if any(each.asks_dns for each in spec.proxies):
        for node in spec.nodes:
            for host, _ in node.every:
                if not is_ip(host):
                    found.setdefault(host, node.name)
    return found


def named_by_dns(spec: StackSpec) -> str:
    """The proxy under whose address the mesh's DNS knows the names that clients call: a gateway, if any."""
    gateways = [each.name for each in spec.proxies if each.role == "egress"]
    return (gateways or [each.name for each in spec.proxies])[0]


def _resource_limits(spec: StackSpec, name: str) -> ResourceLimits:
    resource_limits: Mapping[str, ResourceLimits] = spec.resource_limits
    return resource_limits.get(name, ResourceLimits())


def _inside(image: Image, program: str) -> Binary:
    """The program of an image under its path there."""
    version, build = (image.binary.version, image.binary.build) if image.binary else ("", "")
    return Binary(Path(program), version, build)


def _without(command: list[str], option: str) -> list[str]:
    """*command* without an option and its value."""
    at = command.index(option)
    return [*command[:at], *command[at + 2 :]]
