"""What findings can say: each case with its words, in this room alone."""

from bench.check.messages.effects import EffectCase
from bench.check.messages.rules import RuleCase

__all__ = ["EffectCase", "RuleCase"]
