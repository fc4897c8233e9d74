"""What the path costs: static against EDS, CPU and memory of each part."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.analysis.compare import BlockComparison, compare_sources, source_word
from bench.analysis.comparison import ENOUGH_BLOCKS, MARGIN
from bench.analysis.part_costs import cpu_us_of_part, memory_bytes_of_part
from bench.report.document import Chart, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.sections.which_source import which_source
from bench.report.text import UNKNOWN, micros, signed, with_unit, without_unit
from bench.result import Result, TrialResult
from bench.units import format_bytes


def config_source(result: Result, dots: str | None) -> Section:
    """Static against EDS, block by block."""
    blocks = compare_sources(result.comparisons)
    lead = (
        "All config sources in interleaved blocks, so that drift of the machine affects all. The block"
        " is the"
        " unit: its difference is one observation."
    )
    if not any(block.blocks for block in blocks):
        return Section(
            "static-eds",
            "Static against EDS",
            (Note("No block with all config sources was completed in this run."), which_source(result)),
            lead,
        )
    parts: list[Part] = [
        Table(
            columns=("metric", "blocks", *sides(blocks), "ratio", "difference", "lowest", "highest"),
            rows=tuple(_block_row(block) for block in blocks),
            caption="Medians over the blocks. Difference: candidate minus baseline within a block, with its"
            " lowest and highest.",
        ),
        _wordings(blocks),
    ]
    if dots:
        parts.append(
            Chart(
                "blocks",
                "Each dot is one trial, as its distance from the median of static; bars are medians.",
                dots,
            )
        )
    parts.append(which_source(result))
    parts += fold(_block_table(result), "The values of each block")
    parts.append(
        Note(
            f"Sources differ if at least {ENOUGH_BLOCKS} blocks say so with p ≤ 5 % (signs flipped, Holm over"
            " all metrics; the change is the Hodges-Lehmann shift, its interval a bootstrap over blocks)."
            f" They are equal only if two one-sided tests keep the change within ±{MARGIN * 100:g} %. Not"
            " resolved means neither: this run does not decide."
        )
    )
    return Section("static-eds", "Static against EDS", tuple(parts), lead)


def sides(blocks: Sequence[BlockComparison]) -> tuple[str, str]:
    """What the two columns of a comparison are called."""
    pairs = {(source_word(block.baseline), source_word(block.candidate)) for block in blocks}
    return pairs.pop() if len(pairs) == 1 else ("baseline", "candidate")


def _wordings(blocks: Sequence[BlockComparison]) -> Part:
    wordings = {block.wording for block in blocks}
    if len(wordings) == 1:
        return Note(f"What this shows, for every metric: {wordings.pop()}.")
    return Table(
        columns=("what this shows", "metrics"),
        rows=tuple(
            (wording, ", ".join(block.label for block in blocks if block.wording == wording))
            for wording in dict.fromkeys(block.wording for block in blocks)
        ),
        numbers_from=2,
    )


def _block_row(block: BlockComparison) -> tuple[str, ...]:
    low = min(block.differences, default=None)
    high = max(block.differences, default=None)
    return (
        block.label,
        str(block.blocks),
        with_unit(block.static.median if block.static else None, block.unit),
        with_unit(block.eds.median if block.eds else None, block.unit),
        UNKNOWN if block.ratio is None else f"{block.ratio:.3f}",
        signed(block.difference, block.unit),
        signed(low, block.unit),
        signed(high, block.unit),
    )


def _block_table(result: Result) -> Table:
    frame = pd.DataFrame(
        [
            {
                "metric": f"{comparison.metric}, {'MiB' if comparison.unit == 'bytes' else comparison.unit}",
                "source": source,
                "block": number,
                "value": without_unit(value, comparison.unit),
            }
            for comparison in result.comparisons
            for source, values in (
                (source_word(comparison.baseline), comparison.static),
                (source_word(comparison.candidate), comparison.eds),
            )
            for number, value in enumerate(values, start=1)
        ]
    )
    wide = frame.pivot_table(
        index=["metric", "source"], columns="block", values="value", aggfunc="first", sort=False
    )
    wide = wide.reindex(columns=sorted(wide.columns)).fillna(UNKNOWN)
    return Table(
        columns=("metric", "source", *(f"block {number}" for number in wide.columns)),
        rows=tuple(
            (*(str(part) for part in key), *(str(value) for value in row))
            for key, row in zip(wide.index, wide.to_numpy(), strict=True)
        ),
        numbers_from=2,
        caption="The values of each block.",
    )


def components(result: Result, over_time: str | None = None) -> Section:
    """CPU time per request and peak memory of each part: steady trials by source, others by themselves."""
    lead = "CPU is the user and system time of each process, so it survives a noisy machine."
    # Handshake trials differ in what they do: a median over them would be of nothing.
    groups: dict[str, list[TrialResult]] = {}
    for trial in result.trials:
        name = f"steady, {trial.config_source}" if trial.experiment == "steady" else trial.name
        groups.setdefault(name, []).append(trial)
    parts = {cost.component: cost.role for trial in result.trials for cost in trial.costs}
    if not parts:
        nothing = Note("Costs were not measured in this run.")
        return Section("components", "Cost of each part", (nothing,), lead)
    table = Table(
        columns=("part", "role", *groups, "peak memory"),
        rows=tuple(
            (
                part,
                role,
                *(micros(cpu_us_of_part(trials, part)) for trials in groups.values()),
                format_bytes(memory_bytes_of_part(result.trials, part)),
            )
            for part, role in parts.items()
        ),
        numbers_from=2,
        caption="Microseconds of CPU per request, median of the trials; memory: the largest of all trials."
        " Unknown if one of the trials does not know it.",
    )
    parts_of_section: list[Part] = [table]
    if over_time is not None:
        parts_of_section.append(
            Chart(
                "parts-over-time",
                "CPU and memory of each part about once a second, steady trials one after the other.",
                over_time,
            )
        )
    return Section("components", "Cost of each part", tuple(parts_of_section), lead)
