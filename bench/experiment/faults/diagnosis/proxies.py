"""Faults of the proxies themselves, and answers that came past one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.entries import (
    FEW,
    FROZEN_US,
    WINDOW_US,
    first_of,
    is_failure,
    longest_gap,
)
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.message import say

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence


def gateway_restarted(evidence: Evidence) -> Iterator[Finding]:
    """A gateway that is another process than before."""
    gateway = evidence.topology.gateway
    if gateway in evidence.restarted:
        failed = [entry for entry in evidence.sidecar if is_failure(entry)]
        yield Finding(
            Cause.GATEWAY_RESTARTED,
            "process watch",
            say(ShownCase.RESTARTED, proxy=gateway),
            evidence.bad,
            first_of(failed),
        )


def proxy_frozen(evidence: Evidence) -> Iterator[Finding]:
    """A proxy that runs and takes nothing for long, though requests come to it.

    Requests come to the sidecar by a schedule without a pause, and to the gateway whenever the sidecar has
    any: of the two, the first that is silent is the one that stood still.
    """
    if evidence.restarted or evidence.died:
        return
    gap = longest_gap(evidence.sidecar)
    if gap is not None and gap[1] - gap[0] >= FROZEN_US:
        waited = [entry for entry in evidence.sidecar if gap[1] <= entry.time_us < gap[1] + WINDOW_US]
        seconds = (gap[1] - gap[0]) / 1e6
        shown = say(ShownCase.TOOK_NOTHING, proxy=evidence.topology.sidecar, seconds=seconds)
        yield Finding(Cause.SIDECAR_FROZEN, "access logs", shown, len(waited), gap[0])
        return
    gap = longest_gap(evidence.gateway)
    if gap is None or gap[1] - gap[0] < FROZEN_US:
        return
    came = [entry for entry in evidence.sidecar if gap[0] <= entry.time_us < gap[1]]
    waited = [entry for entry in came if entry.time_us + (entry.duration_us or 0) >= gap[1]]
    if len(waited) >= max(FEW, len(came) // 2):
        shown = say(
            ShownCase.TOOK_NOTHING_WHILE,
            proxy=evidence.topology.gateway,
            seconds=(gap[1] - gap[0]) / 1e6,
            waited=len(waited),
        )
        yield Finding(Cause.GATEWAY_FROZEN, "access logs", shown, len(waited), first_of(waited))


def ghosts(evidence: Evidence) -> Iterator[Finding]:
    """Plain answers that the sidecar had from its upstream, to requests that the gateway never saw."""
    if evidence.restarted or not evidence.gateway:
        return
    behind = {entry.id for entry in evidence.gateway}
    ghosts = [
        entry
        for entry in evidence.sidecar
        if entry.status == 200
        and not entry.flags
        and evidence.wanted.get(entry.id or "")
        # A request that the sidecar answered by itself had no attempt.
        and entry.attempts
        and entry.id not in behind
    ]
    if ghosts:
        shown = say(ShownCase.NO_LINE, count=len(ghosts), id=ghosts[0].id)
        yield Finding(Cause.GHOST, "ledger", shown, len(ghosts), first_of(ghosts))
