"""What the parts of a stack had at their disposal while its capacity was searched for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setup:
    """What the parts had at their disposal."""

    workers: dict[str, int]
    """Proxy -> Envoy worker threads."""
    quotas: dict[str, float]
    """Part -> CPUs that it is held to; absent: not held."""
    connections: int
    """Of the client."""

    def is_held(self, component: str) -> bool:
        """Whether it is a quota that keeps a part from using all its workers."""
        return self.cpus_of(component) < self.workers.get(component, 1)

    def cpus_of(self, component: str) -> float:
        """CPUs that a part can use: its workers, or its quota if that is less. A node has one process."""
        workers = float(self.workers.get(component, 1))
        return min(workers, self.quotas.get(component, workers))
