"""A search for the capacity in one word and one sentence."""

from __future__ import annotations

from typing import Literal

from bench.result import CapacityResult, Constraint

Outcome = Literal["passed", "limit missed", "generator-limited", "machine disturbed", "nothing proven"]

_NAMES = {
    "generator": "the load generator",
    "machine": "the whole machine",
    "machine-disturbed": "others on this machine",
    "cpu-quota": "a CPU limit",
    "gateway-worker-cpu": "the CPU of the gateway's workers",
    "one-gateway-worker": "one of the gateway's workers",
    "sidecar-cpu": "the CPU of the sidecar's workers",
    "node-cpu": "the CPU of a node",
    "tls-handshakes": "the CPU of TLS handshakes",
    "memory": "a memory limit",
    "circuit-breaker": "a circuit breaker",
    "connection-pool": "waiting for a connection of a pool at its maximum",
    "client-connections": "the client's connections",
    "ports": "local ports",
    "unknown": "nothing that is watched",
}

_NOT_THE_GATEWAYS = frozenset(
    {"generator", "machine", "machine-disturbed", "client-connections", "node-cpu", "sidecar-cpu"}
)
"""Constraints at which the gateway still had room: the bound is certain, and no capacity of the gateway."""


def name_constraint(constraint: Constraint) -> str:
    """What limits, in words."""
    return _NAMES[constraint.code]


def is_of_gateway(found: CapacityResult) -> bool:
    """Whether the bounds say what the gateway carries, and not what was in front of it or around it."""
    return bool(found.constraints) and found.constraints[0].code not in _NOT_THE_GATEWAYS


def outcome_of(found: CapacityResult) -> tuple[Outcome, str]:
    """State and sentence of a search that came to its end."""
    lower = "" if found.lower is None else f"{found.lower:,.0f} requests/s"
    match found.state:
        case "nothing good":
            missed = found.nearest_miss or "it was missed"
            return "limit missed", f"No rate meets {found.limit}: at {found.lowest:,.4g} requests/s {missed}."
        case "generator-limited":
            beyond = "beyond, the generator was at its own limit: the capacity of the path is not known"
            return "generator-limited", f"At least {lower} meet the limit ({found.limit}); {beyond}."
        case "at least":
            higher = f"search higher.{_connections(found)}"
            return "passed", f"Every rate up to {lower} meets the limit ({found.limit}): {higher}"
        case "found":
            return _found(found, lower)
        case _:
            return "nothing proven", _unfinished(found, lower)


def _unfinished(found: CapacityResult, lower: str) -> str:
    """What is known when the budget was used up: the certain bound, the nearest bad rate, what limited."""
    spent = f"The search used up its budget before its bounds met ({found.limit})."
    if found.lower is None:
        return spent
    proof = "a soak included" if found.soaked else "in short trials only"
    bad = [trial.rate for trial in found.trials if not trial.good and trial.rate > found.lower]
    above = f", {min(bad):,.0f} did not in {_count_bad(found, min(bad))}" if bad else ""
    limit = ""
    if found.constraints:
        first = found.constraints[0]
        limit = f" What limited there is {name_constraint(first)}: {first.evidence}.{_alone(found)}"
    return f"{spent} {lower} met it so far, {proof}{above}.{_connections(found)}{limit}"


def _count_bad(found: CapacityResult, rate: float) -> str:
    trials = [trial for trial in found.trials if trial.rate == rate]
    bad = sum(not trial.good for trial in trials)
    return f"{bad} of {len(trials)} trial{'s' if len(trials) > 1 else ''}"


def _connections(found: CapacityResult) -> str:
    """How many the client had, where that is not what the scenario says."""
    if not found.more_connections:
        return ""
    first, last = found.more_connections[0], found.more_connections[-1]
    return (
        f" That is with {last.after} connections of the client: with the scenario's {first.before} they were"
        f" all that limited at {first.rate:,.0f} requests/s."
    )


def _alone(found: CapacityResult) -> str:
    """What the gateway would carry by its CPU, where something else was in its way."""
    if found.constraints[0].code not in _NOT_THE_GATEWAYS or found.gateway_alone is None:
        return ""
    return (
        f" That is not a capacity of the gateway, which by its CPU would carry {found.gateway_alone:,.0f}"
        " requests/s."
    )


def _found(found: CapacityResult, lower: str) -> tuple[Outcome, str]:
    upper = f"{found.upper:,.0f}" if found.upper is not None else "?"
    soaked = ", soak included" if found.soaked else ""
    text = f"{lower} meet the limit ({found.limit}{soaked}), {upper} do not.{_connections(found)}"
    if not found.constraints:
        return "passed", text
    first = found.constraints[0]
    sentence = f"{text} What limits is {name_constraint(first)}: {first.evidence}.{_alone(found)}"
    return ("machine disturbed" if first.code == "machine-disturbed" else "passed"), sentence
