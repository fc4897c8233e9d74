"""A stack for work by hand: it runs until Ctrl-C or ``down``, and prints how it is reached."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping

from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener

from bench.observer import Observer
from bench.placement import Address
from bench.preparation import Prepared, make_material, prepare
from bench.scenario import Scenario
from bench.scenario.load import LoadedScenario
from bench.stack import Stack, StackSpec
from bench.stack.client_address import client_address
from bench.stack.runs import supervised_folder
from bench.translate import ConfigSource

_LOOK_EVERY_S = 0.5
_TLS = "tls"


def run_until_ended(
    loaded: LoadedScenario,
    source: ConfigSource,
    make_stack: Callable[[StackSpec], Stack],
    observer: Observer,
) -> None:
    """Start the scenario's stack, print how to reach it, and wait until Ctrl-C or SIGTERM.

    Raises:
        InputError: the resources cannot be translated.
        StackError: a component did not start, or died while the stack ran.
    """
    prepared = prepare(loaded)
    scenario = loaded.scenario
    for warning in (*prepared.warnings, *prepared.missing_stand_ins):
        observer.note(f"warning: {warning}")
    with supervised_folder(f"{scenario.name} keys") as private:
        material = make_material(loaded, private / "material")
        with make_stack(prepared.stack_spec(scenario.name, source, material)) as stack:
            observer.note("\n".join(_ways_in(stack, scenario, is_tls=_is_tls(prepared, source))))
            observer.note("Ctrl-C, or `egress-bench down` from elsewhere, ends it.")
            waiting = threading.Event()
            try:
                while not waiting.wait(_LOOK_EVERY_S):
                    stack.check_alive()
            except KeyboardInterrupt:
                observer.note("stopping")


def speaks_tls(listener: Listener) -> bool:
    """Whether a client of *listener* must speak TLS: each filter chain ends it or is chosen by SNI."""
    chains = [*listener.filter_chains]
    if listener.default_filter_chain is not None:
        chains.append(listener.default_filter_chain)
    return bool(chains) and all(_takes_tls(chain) for chain in chains)


def _takes_tls(chain: FilterChain) -> bool:
    match = chain.filter_chain_match
    is_chosen_by_tls = match is not None and bool(match.server_names or match.transport_protocol == _TLS)
    return chain.transport_socket is not None or is_chosen_by_tls


def _is_tls(prepared: Prepared, source: ConfigSource) -> bool:
    """Whether the listener that the scenario's traffic calls takes TLS."""
    traffic = prepared.loaded.scenario.traffic
    config = prepared.configs[traffic.client, source]
    for listener, (_, port) in zip(config.listeners, config.listener_addresses, strict=True):
        if port == traffic.port:
            return speaks_tls(listener)
    return False


def _ways_in(stack: Stack, scenario: Scenario, *, is_tls: bool) -> Iterator[str]:
    traffic = scenario.traffic
    at = client_address(stack.component(traffic.client), traffic.port)
    for request in traffic.mix:
        way = _curl(at, request.authority, request.path, request.headers, is_tls=is_tls)
        yield f"{request.name:<10} {way}"
    for component in stack.components():
        if component.admin_url is not None:
            yield f"{component.name:<10} {_admin(component.admin_url)}/config_dump"
        else:
            ip, port = next(iter(component.addresses.values()))
            yield f"{component.name:<10} https://{ip}:{port}/ (mutual TLS)"
        yield f"{'':<10} tail -f {shlex.quote(str(component.log))}"


def _curl(at: Address, host: str, path: str, headers: Mapping[str, str], *, is_tls: bool) -> str:
    """A call to the listener at *at*; with TLS under the name that is called, which decides the route."""
    ip, port = at
    if is_tls:
        name = host.partition(":")[0]
        command = ["curl", "-ik", f"https://{host}{path}", "--connect-to", f"{name}::{ip}:{port}"]
    else:
        command = ["curl", "-i", f"http://{ip}:{port}{path}", "-H", f"Host: {host}"]
    return shlex.join(
        [*command, *(word for key, value in headers.items() for word in ("-H", f"{key}: {value}"))]
    )


def _admin(admin_url: str) -> str:
    socket = admin_url.removeprefix("unix://")
    return (
        f"curl {admin_url}"
        if socket == admin_url
        else f"curl --unix-socket {shlex.quote(socket)} http://envoy"
    )
