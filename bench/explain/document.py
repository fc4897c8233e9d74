"""A trace as plain data for ``--json``."""

from __future__ import annotations

from typing import Any

from bench.explain.trace import Branch, Hop, Outcome, Step, Trace

SCHEMA_VERSION = 1


def document(trace: Trace) -> dict[str, Any]:
    """Give *trace* as values that JSON knows: the whole way, and every ending with its probability."""
    request = trace.request
    return {
        "schema_version": SCHEMA_VERSION,
        "request": {"method": request.method, "url": request.url, "headers": dict(request.headers)},
        "endings": [
            {
                "probability": ending.probability,
                "proxies": list(ending.proxies),
                "clusters": list(ending.clusters),
                **_outcome(ending.outcome),
            }
            for ending in trace.endings()
        ],
        "way": _hop(trace.hop),
    }


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "proxy": hop.proxy,
        "role": hop.role,
        "request": {
            "method": hop.request.method,
            "url": hop.request.url,
            "headers": dict(hop.request.headers),
        },
        "steps": [_step(step) for step in hop.steps],
        "branches": [_branch(branch) for branch in hop.branches],
    }


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        "probability": branch.probability,
        "steps": [_step(step) for step in branch.steps],
        "outcome": None if branch.outcome is None else _outcome(branch.outcome),
        "next": None if branch.hop is None else _hop(branch.hop),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "text": step.text,
        "notes": list(step.notes),
        "origins": [
            {
                "part": origin.part,
                "resource": origin.resource,
                "file": origin.position.file,
                "line": origin.position.line,
            }
            for origin in step.origins
        ],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "kind": outcome.kind,
        "decided_by": outcome.proxy,
        "status": outcome.status,
        "flags": outcome.flags,
        "cause": outcome.cause.value,
        "reason": outcome.reason,
        "cluster": outcome.cluster or None,
        "endpoints": [{"address": each.address, "weight": each.weight} for each in outcome.endpoints],
        "location": outcome.location or None,
    }
