"""Verdicts over a family of metrics: differs, equivalent, or not resolved and what it lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.analysis.comparison import statistics
from bench.analysis.comparison.blocks import ENOUGH_BLOCKS, Judgement, Kind, PairedBlocks, Why, log_ratios

LEVEL = 0.05
MARGIN = 0.02


def judge_family(family: Sequence[PairedBlocks], *, margin: float = MARGIN) -> tuple[Judgement, ...]:
    """Judge metrics that were measured together; *margin* is what counts as equal, 0.02 for ±2 %.

    A difference needs at least six blocks, a p of at most 5 % after Holm over the metrics tested, an interval
    without 0, and, where there are A/A blocks, more than the baseline differs from itself.
    """
    ratios = [log_ratios(blocks.pairs) for blocks in family]
    tested = [
        index
        for index, values in enumerate(ratios)
        if values is not None and len(values) >= ENOUGH_BLOCKS and family[index].is_repeated
    ]
    size = sum(
        values is not None and blocks.is_repeated for blocks, values in zip(family, ratios, strict=True)
    )
    raw = [statistics.sign_flip_p(ratios[index] or ()) for index in tested]
    adjusted = dict(zip(tested, zip(raw, statistics.holm(raw), strict=True), strict=True))
    return tuple(
        _judge(blocks, ratios[index], adjusted.get(index), max(1, size), margin)
        for index, blocks in enumerate(family)
    )


def _judge(
    blocks: PairedBlocks,
    values: Sequence[float] | None,
    p: tuple[float, float] | None,
    tested: int,
    margin: float,
) -> Judgement:
    count = len(blocks.pairs)
    if not count or values is None or not blocks.is_repeated:
        why = Why.NO_BLOCKS if not count else Why.NOT_POSITIVE if values is None else Why.ONE_PROCESS
        shift = None if not values else math.expm1(statistics.hodges_lehmann(values))
        return _unresolved(blocks, why, count, shift, margin)
    shift_log = statistics.hodges_lehmann(values)
    if p is None:
        lacking = max(ENOUGH_BLOCKS, _least_blocks(tested)) - count
        return _unresolved(
            blocks, Why.FEW_BLOCKS, count, math.expm1(shift_log), margin, more_blocks=max(1, lacking)
        )
    low, high = statistics.interval(values)
    edge = math.log1p(margin)
    equal = statistics.equivalence_p(values, edge) <= LEVEL
    floor = _floor(blocks)
    significant = p[1] <= LEVEL and not low <= 0 <= high
    hidden = floor is not None and abs(shift_log) <= floor
    deviation = statistics.spread(values)
    kind, why = _verdict(significant=significant, hidden=hidden, equal=equal)
    return Judgement(
        metric=blocks.metric,
        kind=kind,
        why=why,
        blocks=count,
        shift=math.expm1(shift_log),
        low=math.expm1(low),
        high=math.expm1(high),
        p=p[0],
        adjusted_p=p[1],
        margin=margin,
        is_equivalent=equal,
        floor=None if floor is None else math.expm1(floor),
        resolvable=math.expm1(statistics.resolvable(deviation, count, LEVEL / tested)),
        more_blocks=None if kind != "not resolved" else _more(shift_log, deviation, edge, tested, count),
    )


def _verdict(*, significant: bool, hidden: bool, equal: bool) -> tuple[Kind, Why]:
    if significant and not hidden:
        return "differs", Why.RESOLVED
    if equal:
        return "equivalent", Why.RESOLVED
    return "not resolved", Why.WITHIN_FLOOR if significant else Why.NOISE


def _unresolved(
    blocks: PairedBlocks,
    why: Why,
    count: int,
    shift: float | None,
    margin: float,
    *,
    more_blocks: int | None = None,
) -> Judgement:
    floor = _floor(blocks)
    return Judgement(
        metric=blocks.metric,
        kind="not resolved",
        why=why,
        blocks=count,
        shift=shift,
        low=None,
        high=None,
        p=None,
        adjusted_p=None,
        margin=margin,
        is_equivalent=False,
        floor=None if floor is None else math.expm1(floor),
        resolvable=None,
        more_blocks=more_blocks,
    )


def _floor(blocks: PairedBlocks) -> float | None:
    """Half the width of the interval of the baseline's own difference; None with under two A/A blocks."""
    own = log_ratios(blocks.again)
    if own is None or len(own) < 2:
        return None
    low, high = statistics.interval(own)
    return (high - low) / 2


def _least_blocks(tested: int) -> int:
    """Blocks at which the smallest possible p survives Holm over this many metrics."""
    return math.ceil(math.log2(2 * tested / LEVEL))


def _more(shift: float, deviation: float, edge: float, tested: int, count: int) -> int | None:
    """Blocks until either the change or the equivalence is likely to show, whichever comes first."""
    least = max(ENOUGH_BLOCKS, _least_blocks(tested))
    # A one-sided test on either side of the margin: its level doubles.
    found = [
        statistics.blocks_to_resolve(abs(shift), deviation, LEVEL / tested, least),
        statistics.blocks_to_resolve(edge - abs(shift), deviation, 2 * LEVEL, ENOUGH_BLOCKS),
    ]
    likely = [each for each in found if each is not None]
    return max(1, min(likely) - count) if likely else None
