"""Istio's own acceptance rules, as the API server and istiod's webhook apply them."""

from bench.istio.validation.findings import Finding, Findings
from bench.istio.validation.resource import inspect
from bench.istio.validation.unused_rules import warn_about_unused_rules

__all__ = [
    "Finding",
    "Findings",
    "inspect",
    "warn_about_unused_rules",
]
