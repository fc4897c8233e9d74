"""When to use static, EDS or ADS: five sentences, each from figures or with what would measure it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.analysis.compare import BlockComparison, compare_sources, source_word
from bench.analysis.comparison import Why
from bench.report.document import Facts, Section
from bench.report.sections.update import closed_per_change, median_accepted_s, when_to_use
from bench.result import ChangeResult, Result
from bench.units import format_bytes

_SOURCES = ("static", "eds", "ads", "ads-delta")
_RUN = "`egress-bench run --config-source static --config-source eds --config-source ads`"
_UPDATE = "`egress-bench update`"
_SIZE = "`make benchmark-ads`"


def which_source(result: Result) -> Facts:
    """At rest, start, memory, changes, and what follows; nothing that was not measured is claimed."""
    blocks = [block for block in compare_sources(result.comparisons) if block.blocks]
    return Facts(
        (
            ("at rest", _at_rest(blocks)),
            ("start", _start(result)),
            ("memory", _memory(blocks)),
            ("changes", _changes(result)),
            ("so", _so(result, blocks)),
        ),
        caption="When to use which config source.",
    )


def page(result: Result) -> Section:
    """The same as a section of its own, where changes were measured and no blocks."""
    return Section("which-source", "Static, EDS or ADS?", (which_source(result),))


def _at_rest(blocks: Sequence[BlockComparison]) -> str:
    if not blocks:
        return f"Not measured in this run; {_RUN} does."
    parts = [f"{block.label}: {block.wording}" for block in blocks if block.resolved]
    equal = [block.label for block in blocks if block.judgement.kind == "equivalent"]
    if equal:
        margin = next(block.judgement.margin for block in blocks if block.judgement.kind == "equivalent")
        parts.append(f"equal within ±{margin:.0%}: {', '.join(equal)}")
    open_ones = [
        block
        for block in blocks
        if block.judgement.kind == "not resolved" and block.judgement.why is not Why.ONE_PROCESS
    ]
    if open_ones:
        more = [block.judgement.more_blocks for block in open_ones]
        known = [count for count in more if count is not None]
        enough = f" (about {max(known):,} more blocks would do)" if len(known) == len(more) else ""
        parts.append(f"not resolved{enough}: {', '.join(block.label for block in open_ones)}")
    return f"{'; '.join(parts)}." if parts else "No metric of load was compared."


def _start(result: Result) -> str:
    known = {name: result.stack_ready_s[name] for name in _SOURCES if name in result.stack_ready_s}
    many = f"With 1 to 3,000 clusters: not measured in this run; {_SIZE} does."
    if not known:
        return many
    taken = ", ".join(f"{source_word(name)} {value:.2f} s" for name, value in known.items())
    return f"A stack of this scenario was ready after {taken}: one start of each, with its nodes. {many}"


def _memory(blocks: Sequence[BlockComparison]) -> str:
    found = [
        f"{block.metric} {format_bytes(block.static.median)} with {source_word(block.baseline)},"
        f" {format_bytes(block.eds.median)} with {source_word(block.candidate)}"
        for block in blocks
        if block.unit == "bytes" and block.static is not None and block.eds is not None
    ]
    if not found:
        return f"Not measured in this run; {_RUN} does for this scenario, {_SIZE} by number of clusters."
    return f"{'; '.join(found)}: one process each, so that a difference may be chance."


def _changes(result: Result) -> str:
    if result.update is None or not result.update.sources:
        return f"Not measured in this run; {_UPDATE} does."
    parts = []
    for source in result.update.sources:
        accepted = median_accepted_s(source)
        took = "unknown" if accepted is None else f"{accepted * 1000:.0f} ms"
        bulge = _bulge(source.changes)
        parts.append(
            f"{source_word(source.way)}: accepted after {took} (median),"
            f" {closed_per_change(source):.1f} connections closed per change,"
            f" {source.failed:,} requests failed, {source.misrouted:,} misrouted{bulge}"
        )
    return f"{'; '.join(parts)}."


def _bulge(changes: Sequence[ChangeResult]) -> str:
    ratios = [
        after / before
        for each in changes
        if (before := each.p99_before_us) and (after := each.p99_after_us) is not None
    ]
    return f", p99 {median(ratios):.2f} × in the second after it" if ratios else ""


def _so(result: Result, blocks: Sequence[BlockComparison]) -> str:
    parts = []
    differing = [block for block in blocks if block.resolved]
    if differing:
        parts.append("At rest they differ as described above: choose by the metric that counts for you.")
    elif blocks:
        parts.append("Nothing that was measured at rest distinguishes them: choose by how changes behave.")
    if result.update is not None and len(result.update.sources) > 1:
        parts += when_to_use(result.update)
    else:
        parts.append(f"When to use static, EDS or ADS is a matter of changes and size: {_UPDATE}, {_SIZE}.")
    return " ".join(parts)
