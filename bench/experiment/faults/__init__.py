"""The suite proves its own power: faults injected into a running load, each to be noticed and named."""

from bench.experiment.faults.run import FaultsOptions, prove

__all__ = [
    "FaultsOptions",
    "prove",
]
