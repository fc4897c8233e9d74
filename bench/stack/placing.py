"""Where everything goes: from a specification and the addresses known so far to a proxy's placement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bench.errors import StackError
from bench.placement import Address, Placement
from bench.stack.protocol import ProxySpec, Role, StackSpec

LOOPBACK = "127.0.0.1"

T = TypeVar("T", bound=Hashable)

START_ORDER: tuple[Role, ...] = ("egress", "sidecar")
"""A proxy is started when everything it forwards to has an address."""


def proxies_in_order(spec: StackSpec) -> list[ProxySpec]:
    """Proxies in the order in which they are started: gateways, then sidecars."""
    return sorted(spec.proxies, key=lambda proxy: START_ORDER.index(proxy.role))


def require_sound(spec: StackSpec) -> None:
    """Check what a specification can get wrong by itself.

    Raises:
        StackError: two parts share a name, an endpoint is played twice, a port is for no part or is used
            twice, or a file is missing.
    """
    names = [node.name for node in spec.nodes] + [proxy.name for proxy in spec.proxies]
    for name in _repeated(names):
        raise StackError(f"two parts of stack {spec.name} are called {name}.", remedy="Rename one.")
    for ip, port in _repeated(each for node in spec.nodes for each in node.every):
        raise StackError(f"two nodes play {ip}:{port}.", remedy="Give each an endpoint of its own to play.")
    known = set(names) | {f"{node.name}:{node.plays[1]}" for node in spec.nodes}
    known |= {f"{proxy.name}:{port}" for proxy in spec.proxies for _, port in proxy.listeners}
    for name in sorted(spec.ports.keys() - known):
        raise StackError(
            f"a port is requested for {name}, and no part or listener is called so.",
            remedy=f"Known are: {', '.join(sorted(known))}.",
        )
    for port in _repeated(spec.ports.values()):
        raise StackError(f"port {port} is requested twice.", remedy="Give each part its own, or none.")
    named = [*spec.files.items(), *(each for proxy in spec.proxies for each in proxy.files.items())]
    for written, real in named:
        if not real.is_file():
            raise StackError(
                f"{written} represents a file that is not there.", where=str(real), remedy="Write it first."
            )


def wished_port(spec: StackSpec, name: str, addresses: Sequence[Address], address: Address) -> int:
    """The port requested for one of a part's addresses; 0 if the system may choose."""
    by_port = spec.ports.get(f"{name}:{address[1]}")
    if by_port is not None:
        return by_port
    return spec.ports.get(name, 0) if address == addresses[0] else 0


def place(
    spec: StackSpec,
    proxy: ProxySpec,
    *,
    config_root: Path,
    log_root: Path,
    endpoints: Mapping[Address, Address],
    closed_port: Address,
    admin: Address | str = (LOOPBACK, 0),
    control: str = "",
) -> Placement:
    """The placement of one proxy on loopback, with the requested ports.

    Args:
        spec: the stack.
        proxy: one of its proxies.
        config_root: its files.
        log_root: its access logs.
        endpoints: addresses as translated -> real ones, of everything started so far.
        closed_port: where everything else leads.
        admin: where its admin API answers.
        control: the socket of the control plane, where one feeds it.
    """
    listeners = {
        address: (LOOPBACK, wished_port(spec, proxy.name, proxy.listeners, address))
        for address in proxy.listeners
    }
    return Placement(
        config_root=str(config_root),
        log_root=str(log_root),
        admin=admin,
        control=control,
        listeners=listeners,
        endpoints=dict(endpoints),
        closed_port=closed_port,
        files={written: str(real) for written, real in files_of(spec, proxy).items()},
    )


def files_of(spec: StackSpec, proxy: ProxySpec) -> dict[str, Path]:
    """Give the real files that *proxy* finds under the names of the Istio resources, its own first."""
    return {**spec.files, **proxy.files}


def match_listeners(proxy: ProxySpec, found: Mapping[str, Address]) -> dict[Address, Address] | None:
    """Bind addresses as translated -> real ones; None while one is missing.

    Istio names a listener after its bind address: ``0.0.0.0_80``. A proxy with a single listener may call it
    as it likes.
    """
    if len(proxy.listeners) == 1 == len(found):
        return {proxy.listeners[0]: next(iter(found.values()))}
    try:
        return {(ip, port): found[f"{ip}_{port}"] for ip, port in proxy.listeners}
    except KeyError:
        return None


def endpoints_of(proxy: ProxySpec, listeners: Mapping[Address, Address]) -> dict[Address, Address]:
    """The endpoint addresses under which other proxies know this one's listeners."""
    return {(proxy.ip, bound[1]): real for bound, real in listeners.items()}


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]
