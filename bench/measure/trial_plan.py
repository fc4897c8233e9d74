"""What a trial does, and what the generator is asked to do for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.headers import NODE_HEADER
from bench.load import Expectation, LoadPlan, RequestKind, Stage, Target
from bench.scenario import Constant, MixedRequest, Scenario, Schedule, mean_rate
from bench.stack import Stack
from bench.stack.client_address import client_address
from bench.stack.nodes import page_digest
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
    block: int = 1
    position: int = 1
    """Place within the block, from 1."""
    extra: tuple[RequestKind, ...] = ()
    """Requests mixed into the traffic; told together, under the name before their colon."""
    requires_id: bool = True
    """Whether an answer must echo the request's id; nodes that are not ours may not."""


def stack_target(stack: Stack, scenario: Scenario) -> Target:
    """Where the client beside the scenario's sidecar sends its requests."""
    traffic = scenario.traffic
    address, port = client_address(stack.component(traffic.client), traffic.port)
    return Target(address=address, port=port, host=traffic.host)


def load_plan(scenario: Scenario, plan: TrialPlan, target: Target, run_id: str) -> LoadPlan:
    """What the generator is asked to do in one trial."""
    traffic = scenario.traffic
    rate = mean_rate(plan.schedule)
    # A ramp or steps belong to the measured stage; the warm-up runs at their mean rate.
    pages = {name: page_digest(node.word(name)) for name, node in scenario.nodes.items()}
    warm_up = plan.schedule if rate is None else Constant(arrival_rate=rate)
    return LoadPlan(
        run_id=run_id,
        target=target,
        requests=(
            *(_kind(request, pages if plan.config_source is not None else {}) for request in traffic.mix),
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


def _kind(request: MixedRequest, pages: Mapping[str, str]) -> RequestKind:
    """*pages*: node of ours -> digest of its page."""
    expect = request.expect
    # Our nodes have one page: whatever they answer a GET with 200 is that, whole.
    is_page = request.method == "GET" and expect.status == 200
    return RequestKind(
        name=request.name,
        weight=request.weight,
        method=request.method,
        path=request.path,
        host=request.authority,
        headers=tuple(request.headers.items()),
        body=request.written.content.decode(),
        expect=Expectation(
            status=expect.status,
            nodes=expect.nodes,
            body_contains=expect.body_contains,
            body_sha256={node: pages[node] for node in expect.nodes if is_page and node in pages},
        ),
    )
