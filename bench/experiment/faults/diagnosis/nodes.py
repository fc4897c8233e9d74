"""Faults of single nodes: gone, silent, failing, slow, reloaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.connections import hidden_ids
from bench.experiment.faults.diagnosis.entries import (
    FEW,
    FROZEN_US,
    WINDOW_US,
    first_of,
    is_failure,
    longest_gap,
    sent_to,
    window_of,
)
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.message import say
from bench.telemetry import EnvoyEntry

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

_SLOWER_US = 5_000
_MANY_WINDOWS = 3
_NOT_CONNECTED = "connection_timeout"
"""In Envoy's response code details."""


def node_down(evidence: Evidence) -> Iterator[Finding]:
    """A node whose process has ended, and requests that failed on the way to it."""
    for node in evidence.nodes:
        if node in evidence.died:
            failed = [entry for entry in sent_to(evidence, node) if is_failure(entry)]
            if failed:
                flags = tuple(sorted({flag for entry in failed for flag in entry.flags}))
                shown = say(ShownCase.PROCESS_ENDED, node=node, flags=flags)
                yield Finding(Cause.NODE_DOWN, "process watch", shown, len(failed), first_of(failed))


def node_frozen(evidence: Evidence) -> Iterator[Finding]:
    """A node that runs, says nothing for long while others do, and lets wait what is sent to it."""
    for node, entries in evidence.nodes.items():
        gap = longest_gap(entries)
        if node in evidence.died or gap is None or gap[1] - gap[0] < FROZEN_US:
            continue
        start, end = gap
        waited = [
            entry
            for entry in sent_to(evidence, node)
            if start - WINDOW_US <= entry.time_us < end and _waited_in_vain(entry, end)
        ]
        others = [
            other
            for name, log in evidence.nodes.items()
            if name != node
            for other in log
            if start < other.time_us < end
        ]
        if len(waited) >= FEW and len(others) >= FEW:
            shown = say(
                ShownCase.ANSWERED_NOTHING, node=node, seconds=(end - start) / 1e6, waited=len(waited)
            )
            yield Finding(Cause.NODE_FROZEN, "access logs", shown, len(waited), first_of(waited))


def node_errors(evidence: Evidence) -> Iterator[Finding]:
    """Errors that a node itself answered with, and that came through."""
    for node, entries in evidence.nodes.items():
        hidden = hidden_ids(evidence, node)
        failed = [entry for entry in entries if entry.status >= 500 and entry.id not in hidden]
        if failed:
            statuses = tuple(sorted({entry.status for entry in failed}))
            shown = say(ShownCase.LOGS_ERRORS, node=node, statuses=statuses)
            yield Finding(Cause.NODE_ERRORS, "client", shown, len(failed), failed[0].time_us)


def node_slow(evidence: Evidence) -> Iterator[Finding]:
    """A node whose quickest answers take longer than they did, while the others' do not.

    The 10th percentile of a window: a busy machine makes many requests slow, never all of them.
    """
    length = window_of(evidence)
    rises = {node: _rises(sent_to(evidence, node), length) for node in evidence.nodes}
    for node, rise in rises.items():
        others = [other for name, many in rises.items() if name != node for other in many.values()]
        slow = {
            window: by
            for window, by in rise.items()
            if by >= _SLOWER_US
            and all(other.get(window, 0) < by / 2 for name, other in rises.items() if name != node)
        }
        if len(slow) < _MANY_WINDOWS or not others:
            continue
        by = float(np.median(list(slow.values())))
        touched = [entry for entry in sent_to(evidence, node) if entry.time_us // length in slow]
        shown = say(ShownCase.SLOWER_THAN_BEFORE, node=node, ms=by / 1000)
        yield Finding(Cause.NODE_SLOW, "access logs", shown, len(touched), first_of(touched))


def _waited_in_vain(entry: EnvoyEntry, end: int) -> bool:
    """Answered only when the silence was over, or given up because no connection came up in time.

    Such a connection takes all with it that wait for any, also those that have only just come.
    """
    waited = entry.duration_us or 0
    if entry.flags:
        return _NOT_CONNECTED in (entry.details or "")
    return entry.status == 200 and entry.time_us + waited >= end - WINDOW_US and waited >= WINDOW_US / 5


def _rises(entries: Iterable[EnvoyEntry], length: int) -> dict[int, float]:
    """Window -> how much its quick answers take longer than those of the first windows, µs."""
    windows: defaultdict[int, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.duration_us is not None and entry.status == 200 and not entry.flags:
            windows[entry.time_us // length].append(entry.duration_us)
    quick = {
        window: float(np.percentile(values, 10))
        for window, values in sorted(windows.items())
        if len(values) >= FEW
    }
    if len(quick) <= _MANY_WINDOWS:
        return {}
    usual = min(list(quick.values())[:_MANY_WINDOWS])
    return {window: value - usual for window, value in quick.items()}
