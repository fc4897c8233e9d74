"""Static against EDS by block: medians, paired differences, and how much they allow to say.

A block is a static and an eds trial, one after the other, in an order that alternates. Its difference is one
observation; requests inside a block are not independent samples of the difference between sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.analysis.part_costs import cpu_us_of_role, memory_bytes_of_role
from bench.result import Comparison, TrialResult

ENOUGH_BLOCKS = 6
"""With n blocks the smallest two-sided p of a sign test is 2/2^n: below six, no outcome reaches 5 %."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of one source over the blocks."""

    median: float
    lowest: float
    highest: float

    @property
    def width(self) -> float:
        """Highest less lowest: what one source does by itself."""
        return self.highest - self.lowest


@dataclass(frozen=True, slots=True)
class BlockComparison:
    """One metric, static (baseline) and eds (candidate). All values in ``unit``."""

    metric: str
    unit: str
    blocks: int
    static_values: tuple[float, ...]
    eds_values: tuple[float, ...]
    static: Spread | None
    eds: Spread | None
    ratio: float | None
    """Median of eds by median of static; None if the latter is 0."""
    differences: tuple[float, ...]
    """eds less static, block by block."""
    difference: float | None
    """Median of the differences."""
    resolved: bool
    wording: str


def compare_blocks(comparison: Comparison) -> BlockComparison:
    """Put the blocks of one metric side by side, and word what follows from them.

    A difference counts as resolved if there are at least six blocks, all differences have one sign, and even
    the smallest exceeds what either source varies by itself. That is deliberately hard to reach: proper
    intervals and an equivalence test need more blocks than a short run has.
    """
    # After an abort one source may be a block ahead: only whole blocks are compared.
    pairs = list(zip(comparison.static, comparison.eds, strict=False))
    if not pairs:
        return BlockComparison(
            metric=comparison.metric,
            unit=comparison.unit,
            blocks=0,
            static_values=(),
            eds_values=(),
            static=None,
            eds=None,
            ratio=None,
            differences=(),
            difference=None,
            resolved=False,
            wording="not resolved: no complete block",
        )
    static = _spread([pair[0] for pair in pairs])
    eds = _spread([pair[1] for pair in pairs])
    differences = tuple(candidate - baseline for baseline, candidate in pairs)
    ratio = eds.median / static.median if static.median else None
    if comparison.scope == "process":
        # The same two processes in each block: six readings of one observation prove nothing.
        resolved, wording = False, "not resolved: one process of each source, read again in each block"
    else:
        resolved, wording = _word(differences, static, eds, ratio)
    return BlockComparison(
        metric=comparison.metric,
        unit=comparison.unit,
        blocks=len(pairs),
        static_values=tuple(baseline for baseline, _ in pairs),
        eds_values=tuple(candidate for _, candidate in pairs),
        static=static,
        eds=eds,
        ratio=ratio,
        differences=differences,
        difference=median(differences),
        resolved=resolved,
        wording=wording,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median=median(values), lowest=min(values), highest=max(values))


def _word(differences: Sequence[float], static: Spread, eds: Spread, ratio: float | None) -> tuple[bool, str]:
    blocks = len(differences)
    if blocks < ENOUGH_BLOCKS:
        plural = "block" if blocks == 1 else "blocks"
        return False, f"not resolved: {blocks} {plural}, at least {ENOUGH_BLOCKS} are needed"
    if not (all(value > 0 for value in differences) or all(value < 0 for value in differences)):
        return False, "not resolved: the differences of the blocks do not agree in sign"
    if min(abs(value) for value in differences) <= max(static.width, eds.width):
        return False, "not resolved: the differences lie within the spread of one source"
    side = "higher" if differences[0] > 0 else "lower"
    amount = f" by {abs(ratio - 1) * 100:.3g} %" if ratio is not None else ""
    return True, f"eds {side} than static{amount}, in each of {blocks} blocks"


def comparisons_of(trials: Sequence[TrialResult]) -> tuple[Comparison, ...]:
    """Line up the steady trials of whole blocks, metric by metric.

    A block counts for a metric only if both of its trials know the value; a metric that no block knows is
    left out.
    """
    blocks: dict[int, dict[str, TrialResult]] = {}
    for trial in trials:
        if trial.experiment == "steady" and trial.config_source is not None:
            blocks.setdefault(trial.block, {})[trial.config_source] = trial
    whole = [blocks[number] for number in sorted(blocks) if len(blocks[number]) == 2]
    found = []
    for metric, unit, scope, read in _METRICS:
        pairs = [(read(block["static"]), read(block["eds"])) for block in whole]
        known = [(static, eds) for static, eds in pairs if static is not None and eds is not None]
        if known:
            found.append(
                Comparison(
                    metric=metric,
                    unit=unit,
                    scope=scope,
                    static=tuple(pair[0] for pair in known),
                    eds=tuple(pair[1] for pair in known),
                )
            )
    return tuple(found)


Read = Callable[[TrialResult], float | None]


_METRICS: tuple[tuple[str, str, Literal["load", "process"], Read], ...] = (
    ("response time p50", "µs", "load", lambda trial: trial.total.response_time.p50),
    ("response time p99", "µs", "load", lambda trial: trial.total.response_time.p99),
    ("service time p50", "µs", "load", lambda trial: trial.total.service_time.p50),
    ("service time p99", "µs", "load", lambda trial: trial.total.service_time.p99),
    ("sidecar CPU per request", "µs", "load", lambda trial: cpu_us_of_role(trial, "sidecar")),
    ("gateway CPU per request", "µs", "load", lambda trial: cpu_us_of_role(trial, "egress")),
    ("sidecar memory", "bytes", "process", lambda trial: memory_bytes_of_role(trial, "sidecar")),
    ("gateway memory", "bytes", "process", lambda trial: memory_bytes_of_role(trial, "egress")),
)
