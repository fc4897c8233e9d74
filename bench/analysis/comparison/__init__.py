"""The one engine for comparisons: paired blocks in, a verdict with its interval out."""

from bench.analysis.comparison.blocks import ENOUGH_BLOCKS, Judgement, Kind, PairedBlocks, Why
from bench.analysis.comparison.judge import LEVEL, MARGIN, judge_family

__all__ = ["ENOUGH_BLOCKS", "LEVEL", "MARGIN", "Judgement", "Kind", "PairedBlocks", "Why", "judge_family"]
