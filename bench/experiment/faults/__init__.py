"""The suite proves its own power: faults injected into a running load, each to be noticed and named."""
