"""How many gateway replicas a load needs: from the cost model, with what breaks first and what if."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bench.analysis.cost.design import Window
from bench.analysis.cost.fit import predict
from bench.analysis.cost.manifest import manifest
from bench.analysis.cost.room import MemoryRoom, memory_room
from bench.errors import BenchError, InputError
from bench.result.cost import CostModel, MemoryModel, PlanQuestion, PlanResult, PlanWall, WhatIf

_PORTS = 28_232
"""Local ports of Linux by default, 32768 to 60999."""
_TIME_WAIT_S = 60.0
"""How long Linux keeps the port of a connection that it closed."""
_MOST_REPLICAS = 100_000
_OFF = 0.15
"""By which the model may miss what the gateway used at the bound of a search, before it is told."""


def check_question(question: PlanQuestion) -> None:
    """Refuse what no gateway can be asked.

    Raises:
        InputError: a value is out of its range.
    """
    rules: tuple[tuple[str, float, bool, str], ...] = (
        ("--rate", question.rate, 0 < question.rate < math.inf, "a finite rate above 0 requests/s"),
        (
            "--new-connections",
            question.new_connections,
            0 <= question.new_connections <= 1,
            "new connections for each request, from 0 to 1",
        ),
        ("--resumed", question.resumed, 0 <= question.resumed <= 1, "a share from 0 to 1"),
        ("--body", question.body_bytes, question.body_bytes >= 0, "a size of 0 bytes or more"),
        ("--answer", question.answer_bytes, question.answer_bytes >= 0, "a size of 0 bytes or more"),
        (
            "--cpu-per-pod",
            question.cpu_per_pod,
            0 < question.cpu_per_pod < math.inf,
            "a number of CPUs above 0",
        ),
        ("--headroom", question.headroom, 0 <= question.headroom < 1, "a share from 0 to below 1"),
        ("--zones", question.zones, question.zones >= 1, "one zone or more"),
        ("--connections", question.connections, question.connections >= 0, "0 connections or more"),
    )
    # Of what need not be asked there is nothing to refuse.
    rules += tuple(
        (option, value, value > 0, wanted)
        for option, value, wanted in (
            ("--memory-per-pod", question.memory_per_pod_bytes, "a size above 0, such as 512Mi"),
            ("--clusters", question.clusters, "one cluster or more"),
        )
        if value is not None
    )
    for option, value, is_right, wanted in rules:
        if not is_right:
            raise InputError(f"{option} is {value:g}.", remedy=f"Give {wanted}.")


def plan(
    model: CostModel,
    question: PlanQuestion,
    memory: Mapping[str, MemoryModel] | None = None,
    bound: Window | None = None,
) -> PlanResult:
    """Answer *question* from the cost model of the gateway.

    Args:
        model: CPU.
        question: what the gateway is to carry.
        memory: its memory models by what they are for; needed where the question names a pod's memory.
        bound: what the gateway used where a search had its bound, of which the model knows nothing.

    Raises:
        InputError: the question is none, asks for what was never measured, or fits into no pod.
    """
    check_question(question)
    room = memory_room(question, memory or {})
    replicas, per_pod = _replicas(model, question, room)
    low, high = _interval(model, question, room)
    base, marginal = _costs(model, question)
    spare = _with_spare(replicas, question.zones)
    target = max(1, round((1 - question.headroom) * 100))
    return PlanResult(
        question=question,
        replicas=replicas,
        replicas_low=min(low, replicas),
        replicas_high=max(high, replicas),
        with_spare=spare,
        per_pod=per_pod,
        cpu_us_per_request=marginal * 1e6,
        walls=_walls(question, base, marginal, replicas, room),
        what_if=tuple(_what_if(model, question, memory or {})),
        hpa_target_percent=target,
        warnings=(
            *_warnings(model, question, replicas),
            *(_miss(model, bound) if bound is not None else ()),
            *(room.warnings(question, replicas) if room is not None else ()),
        ),
        yaml=manifest(
            question.cpu_per_pod,
            least=spare,
            target_percent=target,
            memory_bytes=question.memory_per_pod_bytes,
        ),
    )


def _mix(question: PlanQuestion, rate: float) -> dict[str, float]:
    """Amounts per second at *rate*."""
    connections = rate * question.new_connections
    return {
        "request": rate,
        "full_handshake": connections * (1 - question.resumed),
        "resumed_handshake": connections * question.resumed,
        "mb_in": rate * question.body_bytes / 1e6,
        "mb_out": rate * question.answer_bytes / 1e6,
    }


def _costs(model: CostModel, question: PlanQuestion) -> tuple[float, float]:
    """CPUs of an idle pod, and CPU seconds for one request of this mix."""
    base, _, _ = predict(model, {})
    one, _, _ = predict(model, _mix(question, 1.0))
    return base, one - base


def _replicas(model: CostModel, question: PlanQuestion, room: MemoryRoom | None) -> tuple[int, float]:
    """Replicas, and requests/s of one by its CPU and local ports; memory may ask for more of them."""
    base, marginal = _costs(model, question)
    usable = question.cpu_per_pod * (1 - question.headroom)
    if usable <= base:
        raise InputError(
            f"an idle gateway uses {base:.3g} CPUs, a pod of {question.cpu_per_pod:g} with"
            f" {question.headroom:.0%} headroom has {usable:.3g}.",
            remedy="Give a larger --cpu-per-pod or a smaller --headroom.",
        )
    per_pod = (usable - base) / marginal if marginal > 0 else math.inf
    if question.new_connections:
        per_pod = min(per_pod, _PORTS / _TIME_WAIT_S / question.new_connections)
    if not math.isfinite(per_pod):
        raise InputError(
            "by its cost model a request of this mix costs nothing: a plan cannot be based on that.",
            remedy="Measure again on a quieter machine: egress-bench capacity --model.",
        )
    replicas = math.ceil(question.rate / per_pod - 1e-9)
    if replicas > _MOST_REPLICAS:
        raise InputError(
            f"that would be {replicas:,} replicas of {per_pod:,.3g} requests/s each.",
            remedy="Look at --rate and --cpu-per-pod.",
        )
    return max(1, replicas, room.replicas(question) if room is not None else 1), per_pod


def _interval(model: CostModel, question: PlanQuestion, room: MemoryRoom | None) -> tuple[int, int]:
    """Replicas over the resampled models, without the extreme 5 %."""
    found = []
    for draw in model.draws:
        terms = tuple(
            term.model_copy(update={"cpu_s": value}) for term, value in zip(model.terms, draw, strict=True)
        )
        try:
            drawn = model.model_copy(update={"terms": terms, "draws": ()})
            found.append(_replicas(drawn, question, room)[0])
        except InputError:
            # A draw in which an idle gateway fills the pod: no number of them is enough.
            found.append(_MOST_REPLICAS)
    if not found:
        alone = _replicas(model, question, room)[0]
        return alone, alone
    found.sort()
    cut = len(found) // 40
    return found[cut], found[-1 - cut]


def _with_spare(replicas: int, zones: int) -> int:
    """Pods, even over the zones, of which one zone (or the only zone's one pod) may be lost."""
    return replicas + 1 if zones == 1 else math.ceil(replicas / (zones - 1)) * zones


def _walls(
    question: PlanQuestion, base: float, marginal: float, replicas: int, room: MemoryRoom | None
) -> tuple[PlanWall, ...]:
    rate = question.rate / replicas
    cpu = (base + rate * marginal) / question.cpu_per_pod
    connections = rate * question.new_connections
    ports = connections * _TIME_WAIT_S / _PORTS
    walls = [
        PlanWall(
            name="CPU",
            used=cpu,
            text=f"{cpu:.0%} of {question.cpu_per_pod:g} CPUs at {rate:,.0f} requests/s a pod",
        ),
        PlanWall(
            name="local ports",
            used=ports,
            text=f"{connections:,.3g} new connections/s a pod, to one address; {_PORTS / _TIME_WAIT_S:,.0f}"
            f" are possible with {_PORTS:,} ports that wait {_TIME_WAIT_S:.0f} s each (Linux defaults)",
        ),
    ]
    if room is not None:
        walls.append(room.wall(question, replicas))
    return tuple(sorted(walls, key=lambda wall: -wall.used))


def _what_if(model: CostModel, question: PlanQuestion, memory: Mapping[str, MemoryModel]) -> Iterator[WhatIf]:
    changes: tuple[tuple[str, dict[str, float | None]], ...] = (
        ("twice the rate", {"rate": question.rate * 2}),
        ("half the rate", {"rate": question.rate / 2}),
        ("no headroom", {"headroom": 0.0}),
        ("twice the CPU of a pod", {"cpu_per_pod": question.cpu_per_pod * 2}),
        ("half the CPU of a pod", {"cpu_per_pod": question.cpu_per_pod / 2}),
        ("no new connections", {"new_connections": 0.0}),
        ("twice the new connections", {"new_connections": min(1.0, question.new_connections * 2)}),
        ("every handshake full", {"resumed": 0.0}),
        ("every handshake resumed", {"resumed": 1.0}),
        ("twice the body", {"body_bytes": question.body_bytes * 2}),
        ("twice the answer", {"answer_bytes": question.answer_bytes * 2}),
        ("twice the connections", {"connections": question.connections * 2}),
        ("ten times the clusters", {"clusters": question.clusters and question.clusters * 10}),
    )
    for name, change in changes:
        changed = question.model_copy(update=change)
        if changed == question:
            continue
        try:
            replicas, _ = _replicas(model, changed, memory_room(changed, memory))
            yield WhatIf(change=name, replicas=replicas)
        except BenchError as error:
            yield WhatIf(change=name, replicas=None, note=error.what)


def _warnings(model: CostModel, question: PlanQuestion, replicas: int) -> Iterator[str]:
    """Where the question lies outside of what was measured, and how far."""
    rate = question.rate / replicas
    amounts = {name: amount / rate for name, amount in _mix(question, rate).items()}
    amounts["request"] = rate
    units = {
        "request": ("requests/s a pod", 1.0),
        "full_handshake": ("full handshakes for each request", 1.0),
        "resumed_handshake": ("resumed handshakes for each request", 1.0),
        "mb_in": ("bytes of body", 1e6),
        "mb_out": ("bytes of answer", 1e6),
    }
    for name, (unit, scale) in units.items():
        low, high = model.ranges.get(name, (0.0, 0.0))
        asked = amounts[name]
        if asked > high * 1.001 and asked > 0:
            by = f"{asked / high:.3g} times" if high > 0 else "far"
            yield (
                f"{asked * scale:,.4g} {unit} are beyond what was measured, {low * scale:,.4g} to"
                f" {high * scale:,.4g}: {by} the highest."
            )
    for term in model.terms:
        if term.joined_with and any(amounts.get(name, 0) > 0 for name in term.joined_with):
            yield (
                f"The windows could not distinguish {term.name} from {', '.join(term.joined_with)}: the plan"
                " holds for the ratio that was measured."
            )


def _miss(model: CostModel, bound: Window) -> Iterator[str]:
    """How far the model is from what a search measured, whose windows were not fitted."""
    mix = {name: amount for name, amount in bound.mix.items() if name not in model.never}
    says, _, _ = predict(model, mix)
    used = bound.cpu_s / bound.seconds
    if abs(says / used - 1) <= _OFF:
        return
    why = (
        "near its limit a gateway takes requests in batches, and each costs less. The plan does not count on"
        " that: fewer pods may do."
        if says > used
        else "requests cost more there than in the windows of the model. Plan with more headroom."
    )
    yield (
        f"At the bound of its search, {bound.mix['request']:,.0f} requests/s, the gateway used"
        f" {used:.3g} CPUs; the cost model says {says:.3g}: {why}"
    )
