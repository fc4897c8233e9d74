"""A stack for work by hand: it runs until Ctrl-C or ``down``, and prints how it is reached."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator

from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener

from bench.commands.status import SERVE_ON
from bench.errors import ControlPlaneLostError
from bench.observer import Observer
from bench.placement import Address
from bench.preparation import Prepared, make_material, prepare
from bench.scenario import MixedRequest
from bench.scenario.load import LoadedScenario
from bench.stack import Component, NodeSpec, Stack, StackSpec
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
            observer.note("\n".join(_ways_in(stack, prepared, source)))
            observer.note("Ctrl-C, or `egress-bench down` from elsewhere, ends it.")
            try:
                _watch(stack, observer)
            except KeyboardInterrupt:
                observer.note("stopping")


def _watch(stack: Stack, observer: Observer) -> None:
    """Wait until a part dies, or for ever; what a lost control plane means is said once."""
    waiting = threading.Event()
    is_told = False
    while not waiting.wait(_LOOK_EVERY_S):
        try:
            stack.check_alive()
        except ControlPlaneLostError as error:
            if not is_told:
                observer.note(f"warning: the control plane {error.how}; {SERVE_ON}")
                is_told = True


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


def _is_tls(prepared: Prepared, source: ConfigSource, request: MixedRequest) -> bool:
    """Whether *request* goes by TLS: its client speaks it, or its listener takes nothing else."""
    if request.tls is not None or request.scheme == "tcp":
        return request.tls is not None
    config = prepared.configs[request.client, source]
    for listener, (_, port) in zip(config.listeners, config.listener_addresses, strict=True):
        if port == request.port:
            return speaks_tls(listener)
    return False


def _ways_in(stack: Stack, prepared: Prepared, source: ConfigSource) -> Iterator[str]:
    spoken = {node.name: node for node in stack.spec.nodes}
    for request in prepared.loaded.scenario.traffic.mix:
        called = stack.spec.called.get(request.host, ())
        at = client_address(stack.component(request.client), request.port, called)
        yield f"{request.name:<10} {way_in(at, request, is_tls=_is_tls(prepared, source, request))}"
    for component in stack.components():
        if component.admin_url is not None:
            yield f"{component.name:<10} {_admin(component.admin_url)}/config_dump"
        else:
            yield f"{component.name:<10} {way_to_node(component, spoken[component.name])}"
        yield f"{'':<10} tail -f {shlex.quote(str(component.log))}"


def way_to_node(component: Component, node: NodeSpec) -> str:
    """Where the node itself listens, and what it speaks."""
    ip, port = next(iter(component.addresses.values()))
    is_http = node.behaviour.protocol != "bytes"
    scheme = {(True, True): "https", (True, False): "http", (False, True): "tls", (False, False): "tcp"}[
        is_http, node.tls != "none"
    ]
    demands = " (mutual TLS)" if node.tls == "mutual" else ""
    return f"{scheme}://{ip}:{port}{'/' if is_http else ''}{demands}"


def way_in(at: Address, request: MixedRequest, *, is_tls: bool) -> str:
    """A command that sends *request* to the listener at *at*.

    With TLS under the name that the client asks for, which decides the route.
    """
    ip, port = at
    if not request.is_http:
        call = ["nc", ip, str(port)]
        if is_tls:
            call = ["openssl", "s_client", "-quiet", "-connect", f"{ip}:{port}"]
            call += ["-servername", request.server_name]
        return f"printf %s {shlex.quote(request.written.body)} | {shlex.join(call)}"
    if is_tls:
        command = ["curl", "-ik", f"https://{request.authority}{request.path}"]
        command += ["--connect-to", f"{request.host}::{ip}:{port}"]
    else:
        command = ["curl", "-i", f"http://{ip}:{port}{request.path}"]
        if not any(key.lower() == "host" for key in request.headers):
            command += ["-H", f"Host: {request.authority}"]
    headers = (word for key, value in request.headers.items() for word in ("-H", f"{key}: {value}"))
    return shlex.join([*command, *headers])


def _admin(admin_url: str) -> str:
    socket = admin_url.removeprefix("unix://")
    return (
        f"curl {admin_url}"
        if socket == admin_url
        else f"curl --unix-socket {shlex.quote(socket)} http://envoy"
    )
