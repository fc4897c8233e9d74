"""Write the files of all parts of a stack, before any of them starts: every address is known by then."""

from __future__ import annotations

from collections.abc import Mapping

from bench.errors import StackError
from bench.istio.hosts import is_ip
from bench.placement import Address, Placement
from bench.stack.compose.folders import (
    ADMIN,
    ADMIN_SOCKET,
    CONFIG,
    CONTROL,
    LOGS,
    account,
    seen_files,
    write_code,
    write_node,
    write_proxy,
)
from bench.stack.compose.layout import EXTERNAL, MESH, Layout, closed_port, node_address
from bench.stack.compose.services import (
    REDIRECT_RULES,
    ROUTES,
    StackFolders,
    dialled_addresses,
    lookup_rules,
    owners_of_names,
    redirect_rules,
    routes,
)
from bench.stack.images import ImageSet
from bench.stack.placing import endpoints_of, files_of, proxies_in_order
from bench.stack.protocol import StackSpec
from bench.stack.proxies import socket_fits

_RESOLVER: Address = ("127.0.0.11", 53)
"""Where the engine answers for the names of a stack's own parts, in each container."""


def write_stack(
    spec: StackSpec, layout: Layout, images: ImageSet, folders: StackFolders
) -> dict[str, Placement]:
    """Write everything that containers find in their folders; proxy -> the placement of its files.

    Raises:
        StackError: certificates are missing, or the run folder's path is too long for a Unix socket.
        OSError: a file cannot be written.
    """
    folders.remove_parts(layout.services)
    write_code(folders.code)
    for path in (folders.files, folders.rules):
        path.mkdir(mode=0o700)
    for proxy in proxies_in_order(spec):
        outside = layout.subnets[EXTERNAL] if proxy.leaves_mesh else None
        closed = closed_port(layout.listeners[proxy.name])
        played = _played(spec, layout) if proxy.leaves_mesh else {}
        if proxy.role == "egress":
            rules = lookup_rules(_played(spec, layout))
        else:
            rules = redirect_rules(layout.subnets[MESH], closed, outside, played)
        (folders.rules / f"{proxy.name}.{REDIRECT_RULES}").write_text(rules, encoding="ascii")
        bridge = next((outside or layout.subnets[MESH]).hosts())
        ways = routes(dialled_addresses(spec), str(bridge))
        (folders.rules / f"{proxy.name}.{ROUTES}").write_text(ways, encoding="ascii")
    account().own(folders.files)
    endpoints = _write_nodes(spec, layout, images, folders)
    placements = {}
    for proxy in proxies_in_order(spec):
        bound = layout.listeners[proxy.name]
        placement = Placement(
            config_root=CONFIG,
            log_root=LOGS,
            admin=f"{ADMIN}/{ADMIN_SOCKET}",
            listeners=bound,
            endpoints=dict(endpoints),
            closed_port=closed_port(bound),
            control=f"{CONTROL}/{folders.control.socket.name}",
            is_redirected=proxy.intercepts,
            resolver=_RESOLVER if proxy.asks_dns else None,
            files=seen_files(files_of(spec, proxy)),
        )
        folder = folders.proxy(proxy.name)
        if not socket_fits(folder.socket):
            raise StackError(
                "the path of the run folder is too long for a Unix socket.",
                where=str(folder.socket),
                remedy="Set TMPDIR to a folder with a shorter path.",
            )
        write_proxy(folder, proxy.name, proxy.render(placement), files_of(spec, proxy))
        placements[proxy.name] = placement
        endpoints |= endpoints_of(proxy, seen_from_outside(layout, proxy.name, bound))
    return placements


def _played(spec: StackSpec, layout: Layout) -> dict[Address, Address]:
    """Address that connections are sent on to -> that of the node which plays it.

    A name that is looked up is the address of its owner, at whatever port it is asked for.
    """
    owners = owners_of_names(spec)
    found: dict[Address, Address] = {}
    for node in spec.nodes:
        real = node_address(spec, layout, node)
        for host, port in node.every:
            at = host if is_ip(host) else layout.address(owners[host]) if host in owners else real[0]
            if (at, port) != real and ":" not in at:
                found[at, port] = real
    return found


def seen_from_outside(layout: Layout, part: str, bound: Mapping[Address, Address]) -> dict[Address, Address]:
    """Listeners under the address of their container."""
    return {translated: (layout.address(part), real[1]) for translated, real in bound.items()}


def _write_nodes(
    spec: StackSpec, layout: Layout, images: ImageSet, folders: StackFolders
) -> dict[Address, Address]:
    """Write all nodes; address that a node plays -> its own."""
    addresses: dict[Address, Address] = {}
    for node in spec.nodes:
        address = node_address(spec, layout, node)
        binary = images.nginx_of(needs_scripts=bool(node.behaviour.delays)).binary
        assert binary is not None  # noqa: S101 - every nginx image reports its version
        write_node(
            folders.node(node.name),
            folders.node_keys(node.name),
            node,
            address[1],
            certificates=node.certificates or spec.certificates,
            binary=binary,
        )
        addresses |= dict.fromkeys(node.every, address)
    return addresses
