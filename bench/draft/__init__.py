"""A scenario made from somebody's Istio YAML. Pure: resources and inventory in, a scenario's text out."""

from bench.draft.draft import Draft, NothingReachableError, StackChoice, draft_scenario

__all__ = [
    "Draft",
    "NothingReachableError",
    "StackChoice",
    "draft_scenario",
]
