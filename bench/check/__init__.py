"""What is wrong with a folder of Istio YAML, and what that does to requests."""

from bench.check.codes import CODES
from bench.check.effects.find import effects_of, find_effects
from bench.check.effects.survey import Survey, survey
from bench.check.envoy_validation import places_named
from bench.check.finding import Finding, Level, in_order
from bench.check.messages import EffectCase, RuleCase
from bench.check.rules.analyze import analyze
from bench.check.rules.dead_references import dead_references
from bench.check.rules.schema import as_read, unreadable
from bench.check.rules.surroundings import Surroundings
from bench.check.sarif import sarif

__all__ = [
    "CODES",
    "EffectCase",
    "Finding",
    "Level",
    "RuleCase",
    "Surroundings",
    "Survey",
    "analyze",
    "as_read",
    "dead_references",
    "effects_of",
    "find_effects",
    "in_order",
    "places_named",
    "sarif",
    "survey",
    "unreadable",
]
