"""Which requests went where while the configuration changed: pure, from the gateway's own log."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.experiment.update.wanted import Wanted

GRACE_S = 0.25
"""Envoy's workers learn of a change after its main thread: on a busy machine that takes a while."""
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the gateway saw it."""

    at_us: int
    """Its beginning, microseconds since the epoch."""
    duration_us: int
    subset: str
    node: str | None
    """Where it was sent; None: nowhere."""
    failed: bool


@dataclass(frozen=True, slots=True)
class Written:
    """One change that was made."""

    name: str
    at_us: int
    """Of the write, on the clock of the log."""
    over_us: int | None
    """When the state of before could serve no more; None: it goes on."""
    before: Wanted
    after: Wanted


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the requests of one change."""

    requests: int
    failed: int
    misrouted: int
    first_new_s: float | None
    last_old_s: float | None
    p99_before_us: int | None
    p99_after_us: int | None


def judge_changes(
    requests: Sequence[Request], changes: Sequence[Written], clusters: Mapping[str, str]
) -> tuple[Judged, ...]:
    """Judge the requests around each change.

    Args:
        requests: in the order of their beginning.
        changes: in their order.
        clusters: subset -> the cluster that its route names in the resources.
    """
    starts = [each.at_us for each in requests]
    found = []
    for number, change in enumerate(changes):
        ends_at = changes[number + 1].at_us if number + 1 < len(changes) else starts[-1] + 1 if starts else 0
        window = requests[bisect_left(starts, change.at_us) : bisect_left(starts, ends_at)]
        first_new: int | None = None
        last_old = change.at_us
        is_seen = False
        for each in window:
            cluster = clusters.get(each.subset)
            if cluster is None or each.node is None:
                continue
            old, new = change.before.valid(cluster), change.after.valid(cluster)
            if each.node in new - old:
                is_seen = True
                first_new = each.at_us if first_new is None else first_new
            if each.node in old - new:
                last_old = max(last_old, each.at_us)
        found.append(
            Judged(
                requests=len(window),
                failed=sum(each.failed for each in window),
                misrouted=sum(_is_wrong(each, changes, clusters) for each in window),
                first_new_s=(first_new - change.at_us) / 1e6 if is_seen and first_new is not None else None,
                last_old_s=(last_old - change.at_us) / 1e6 if _takes_away(change, clusters) else None,
                p99_before_us=_p99(requests, starts, change.at_us - _SECOND_US, change.at_us),
                p99_after_us=_p99(
                    requests, starts, change.at_us, max(change.at_us + _SECOND_US, change.over_us or 0)
                ),
            )
        )
    return tuple(found)


def misrouted_before(
    requests: Sequence[Request], changes: Sequence[Written], clusters: Mapping[str, str]
) -> int:
    """Count those before the first change that went wrong: the path was never right."""
    first = changes[0].at_us if changes else None
    return sum(_is_wrong(each, changes, clusters) for each in requests if first is None or each.at_us < first)


def _takes_away(change: Written, clusters: Mapping[str, str]) -> bool:
    return any(change.before.valid(each) - change.after.valid(each) for each in clusters.values())


def _is_wrong(request: Request, changes: Sequence[Written], clusters: Mapping[str, str]) -> bool:
    """Whether its node was valid at no moment between its beginning and its end."""
    cluster = clusters.get(request.subset)
    if cluster is None or request.node is None or not changes:
        return False
    begins, ends = request.at_us, request.at_us + request.duration_us
    # States may be in force from their write until the next one has taken their place.
    last = bisect_left([each.at_us for each in changes], ends + 1) - 1
    if last < 0:
        return request.node not in changes[0].before.valid(cluster)
    for number in range(last, -1, -1):
        change = changes[number]
        if request.node in change.after.valid(cluster):
            return False
        if change.over_us is not None and change.over_us + GRACE_S * 1e6 < begins:
            return True
    return request.node not in changes[0].before.valid(cluster)


def _p99(requests: Sequence[Request], starts: Sequence[int], begin: int, end: int) -> int | None:
    durations = sorted(
        each.duration_us for each in requests[bisect_left(starts, begin) : bisect_left(starts, end)]
    )
    # Of fewer than a hundred requests the hundredth part is none.
    return durations[int(len(durations) * 0.99)] if len(durations) >= 100 else None
