"""What a result says of each change, and of each kind of change."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.experiment.update.changing import CONNECTIONS, DISCONNECTED
from bench.experiment.update.judging import Judged, Written
from bench.experiment.update.writing import Outcome
from bench.result import ChangeResult


def change_result(
    written: Written, made: Outcome, judged: Judged, counted: Mapping[str, int]
) -> ChangeResult:
    """What is known of one change: written, answered by Envoy, seen in its requests, counted by clusters."""
    return ChangeResult(
        name=written.name,
        refused=made.refused,
        accepted_s=(made.accepted_us - made.at_us) / 1e6 if made.accepted_us is not None else None,
        acknowledged_s=made.acknowledged_s,
        first_new_s=judged.first_new_s,
        last_old_s=judged.last_old_s,
        requests=judged.requests,
        failed=judged.failed,
        misrouted=judged.misrouted,
        p99_before_us=judged.p99_before_us,
        p99_after_us=judged.p99_after_us,
        **counted,
    )


def by_kind(changes: Sequence[ChangeResult]) -> Iterator[ChangeResult]:
    """One line for each kind: medians of times, sums of counts, the first refusal."""
    for name, number in Counter(change.name for change in changes).items():
        alike = [change for change in changes if change.name == name]
        values: dict[str, object] = {"name": f"{name} ({number} times)"}
        for key in ("accepted_s", "acknowledged_s", "first_new_s", "last_old_s"):
            known = [value for each in alike if (value := getattr(each, key)) is not None]
            values[key] = statistics.median(known) if known else None
        for key in ("requests", "failed", "misrouted", *CONNECTIONS.values(), DISCONNECTED):
            values[key] = sum(getattr(each, key) for each in alike)
        for key in ("p99_before_us", "p99_after_us"):
            known = [value for each in alike if (value := getattr(each, key)) is not None]
            values[key] = round(statistics.median(known)) if known else None
        values["refused"] = next((each.refused for each in alike if each.refused), None)
        yield ChangeResult.model_validate(values)
