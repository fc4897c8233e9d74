"""Variants of a scenario that were measured in interleaved blocks."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model

Interleaved = Literal["trials", "turns"]


class VariantResult(Model):
    """One variant."""

    name: str
    """``A`` is the baseline."""
    settings: tuple[str, ...]
    """``field=value``; none: the scenario as it is."""
    config_hashes: dict[str, str]
    """Proxy and config source -> hash of its Envoy files, as in the fingerprint."""
    versions: dict[str, str]
    """What ran, where it is not what the fingerprint of the run says."""


class VariantBlocks(Model):
    """One metric of one candidate beside the baseline's, block by block."""

    metric: str
    unit: str
    scope: Literal["load", "process"]
    """What a value is of: a block alone, or a process that lived through all blocks."""
    candidate: str
    """Name of the variant."""
    baseline_values: tuple[float, ...]
    candidate_values: tuple[float, ...]
    again: tuple[tuple[float, float], ...] = ()
    """The baseline twice within a block: what no difference looks like."""


class VariantsResult(Model):
    """A comparison of variants."""

    variants: tuple[VariantResult, ...]
    margin: float
    """Within it two variants count as equal: 0.02 is ±2 %."""
    is_same: bool
    """All variants are the same: an A/A comparison."""
    interleaved: Interleaved = "trials"
    """``trials``: the variants of a block are under load one after the other, on stacks that live through all
    blocks. ``turns``: each block has new stacks, which take turns of a hundredth of a second within one
    load."""
    until: float | None = None
    """Blocks went on until a change of this size was resolved; None: a fixed number of blocks."""
    ended_by: Literal["blocks", "resolved", "budget"] | None = None
    """None: the comparison did not come to its end."""
    blocks: tuple[VariantBlocks, ...] = ()
