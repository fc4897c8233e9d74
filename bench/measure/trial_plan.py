"""What a trial does, and what the generator is asked to do for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.errors import MeasurementError
from bench.headers import NODE_HEADER
from bench.load import Expectation, LoadPlan, RequestKind, Stage, Target, TargetTls
from bench.scenario import Constant, MixedRequest, Scenario, Schedule, mean_rate
from bench.stack import Stack
from bench.stack.client_address import client_address
from bench.stack.nodes import answer_digest, page_digest
from bench.translate import ConfigSource

Experiment = Literal["steady", "handshake"]


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """What one trial does, beside what the scenario says."""

    name: str
    experiment: Experiment
    config_source: ConfigSource | None
    """None where the configuration is not ours."""
    schedule: Schedule
    measure_s: float
    variant: str | None = None
    """Of a comparison of variants."""
    block: int = 1
    position: int = 1
    """Place within the block, from 1."""
    extra: tuple[RequestKind, ...] = ()
    """Requests mixed into the traffic; reported together, under the name before their colon."""
    requires_id: bool = True
    """Whether an answer must echo the request's id; nodes that are not ours may not."""


Targets = Mapping[str, Target]
"""Name of a request of the mix -> where it goes."""


def stack_target(stack: Stack, scenario: Scenario) -> Targets:
    """Where the clients beside the scenario's sidecars send their requests.

    Raises:
        MeasurementError: a sidecar lacks a listener, or several clients are redirected.
    """
    senders = scenario.traffic.senders
    redirected = [proxy.name for proxy in stack.spec.proxies if proxy.intercepts and proxy.name in senders]
    if len(senders) > 1 and redirected:
        raise MeasurementError(
            f"load of several clients comes from one pod, and what leaves that of {redirected[0]} is"
            " redirected to its own sidecar.",
            remedy="Write `interception: none` for the proxies of the clients, or use one client.",
        )
    return {each.name: _target(stack, each) for each in scenario.traffic.mix}


def _target(stack: Stack, request: MixedRequest) -> Target:
    spec = stack.spec
    called = spec.called.get(request.host, ())
    address, port = client_address(stack.component(request.client), request.port, called)
    return Target(address=address, port=port, host=request.authority, tls=_tls(stack, request))


def _tls(stack: Stack, request: MixedRequest) -> TargetTls | None:
    tls = request.tls
    if tls is None:
        return None
    own = stack.spec.certificates / tls.set if tls.set is not None else stack.spec.certificates
    place = stack.client(request.client)
    give = str if place is None else place.give
    alpn = {"http/1.1": ("http/1.1",), "http/2": ("h2",), "grpc": ("h2",), "bytes": ()}
    return TargetTls(
        server_name=request.server_name,
        ca=give(own / "ca.crt"),
        certificate=give(own / "client.crt") if tls.client_certificate else None,
        private_key=give(own / "client.key") if tls.client_certificate else None,
        alpn=alpn[request.protocol],
    )


def load_plan(scenario: Scenario, plan: TrialPlan, target: Target | Targets, run_id: str) -> LoadPlan:
    """What the generator is asked to do in one trial; with one *target*, all requests go there."""
    first = target if isinstance(target, Target) else target[scenario.traffic.first.name]
    traffic = scenario.traffic
    rate = mean_rate(plan.schedule)
    # A ramp or steps belong to the measured stage; the warm-up runs at their mean rate.
    pages = _digests(scenario)
    warm_up = plan.schedule if rate is None else Constant(arrival_rate=rate)
    return LoadPlan(
        run_id=run_id,
        target=first,
        requests=(
            *(
                _kind(
                    request,
                    pages if plan.config_source is not None else {},
                    None if isinstance(target, Target) else target[request.name],
                )
                for request in traffic.mix
            ),
            *plan.extra,
        ),
        stages=(
            Stage(name="warm-up", kind="warm_up", duration_s=traffic.warm_up_s, schedule=warm_up),
            Stage(name="measure", kind="measure", duration_s=plan.measure_s, schedule=plan.schedule),
        ),
        connections=traffic.connections,
        workers=traffic.workers,
        require_id=plan.requires_id,
        node_header=NODE_HEADER,
    )


def _digests(scenario: Scenario) -> dict[str, str]:
    """Node with one right body -> the digest of that."""
    found: dict[str, str] = {}
    for name, node in scenario.nodes.items():
        if node.protocol in ("http/1.1", "http/2") and node.size is None:
            found[name] = page_digest(node.word(name))
        elif node.protocol in ("http/1.1", "http/2") and isinstance(node.size, int):
            found[name] = answer_digest(node.size, node.word(name))
    return found


def _kind(request: MixedRequest, pages: Mapping[str, str], target: Target | None) -> RequestKind:
    """*pages*: node of ours -> digest of its page."""
    expect = request.expect
    # Our nodes have one page: whatever they answer a GET with 200 is that, whole.
    is_page = request.is_http and request.method == "GET" and expect.status == 200
    return RequestKind(
        name=request.name,
        weight=request.weight,
        method=request.method,
        path=request.path,
        host=request.authority,
        headers=tuple(request.headers.items()),
        body=request.written.content,
        protocol=request.protocol,
        target=target,
        expect=Expectation(
            status=expect.status,
            nodes=expect.nodes,
            body_contains=expect.body_contains,
            body_sha256={node: pages[node] for node in expect.nodes if is_page and node in pages},
            grpc_status=expect.grpc_status,
            until=expect.until,
        ),
    )
