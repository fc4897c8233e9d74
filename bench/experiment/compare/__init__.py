"""Question 5 for anything: variants of a scenario against each other, in interleaved blocks."""

from bench.experiment.compare.flow import CompareOptions, compare
from bench.experiment.compare.variants import Variant, parse_variant

__all__ = ["CompareOptions", "Variant", "compare", "parse_variant"]
