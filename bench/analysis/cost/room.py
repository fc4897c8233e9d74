"""The memory of a gateway's pod: what it holds by its memory models, and how many pods that takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.errors import InputError
from bench.result.cost import MemoryModel, PlanQuestion, PlanWall
from bench.units import format_bytes


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """What a pod of a gateway holds."""

    idle_bytes: float
    """With the asked number of clusters, and no connection."""
    connection_bytes: float
    usable_bytes: float
    """Of a pod, without the headroom."""
    connections_measured: int
    clusters: int | None
    clusters_measured: int
    """The most of them; 0: no model of clusters."""

    def replicas(self, question: PlanQuestion) -> int:
        """Pods that hold the connections; one where there are none."""
        room = self.usable_bytes - self.idle_bytes
        return max(1, math.ceil(question.connections * self.connection_bytes / room - 1e-9))

    def wall(self, question: PlanQuestion, replicas: int) -> PlanWall:
        """How much of a pod's memory is taken."""
        limit = question.memory_per_pod_bytes or 1
        connections = question.connections / replicas
        held = self.idle_bytes + connections * self.connection_bytes
        return PlanWall(
            name="memory",
            used=held / limit,
            text=f"{format_bytes(held)} of {format_bytes(limit)} with {connections:,.0f} client connections"
            f" a pod, {self.connection_bytes / 1024:,.0f} KiB each; idle {format_bytes(self.idle_bytes)}",
        )

    def warnings(self, question: PlanQuestion, replicas: int) -> Iterator[str]:
        """Where the question lies outside of what was measured, and what it leaves open."""
        each = question.connections / replicas
        if not question.connections:
            yield "No --connections were given: the memory is that of a gateway without any."
        elif each > self.connections_measured:
            yield (
                f"{each:,.4g} client connections a pod are beyond what was measured, up to"
                f" {self.connections_measured:,}: {each / self.connections_measured:.3g} times the highest."
            )
        if self.clusters is not None and self.clusters > self.clusters_measured:
            yield (
                f"{self.clusters:,} clusters are beyond what was measured, up to {self.clusters_measured:,}:"
                f" {self.clusters / self.clusters_measured:.3g} times the highest."
            )


def memory_room(question: PlanQuestion, models: Mapping[str, MemoryModel]) -> MemoryRoom | None:
    """The room of a pod; None where *question* names no memory.

    The idle gateway is what its process held, where that could be read: code and free pages count against a
    pod's limit as its heap does.

    Raises:
        InputError: the memory that is asked for was never measured, or an idle gateway fills the pod.
    """
    limit = question.memory_per_pod_bytes
    if limit is None:
        for option, is_given in (
            ("--connections", question.connections),
            ("--clusters", question.clusters is not None),
        ):
            if is_given:
                raise InputError(
                    f"{option} says how much memory is taken, and no pod's memory is given.",
                    remedy="Give --memory-per-pod, such as 512Mi.",
                )
        return None
    connection, cluster = models.get("connection"), models.get("cluster")
    if connection is None or (question.clusters is not None and cluster is None):
        missing = "connection" if connection is None else "cluster"
        raise InputError(
            f"this result does not say what a gateway's {missing} takes of memory.",
            remedy="Measure it with: egress-bench capacity --model.",
        )
    idle = float(connection.resident_bytes or connection.base_bytes)
    if question.clusters is not None and cluster is not None:
        idle += (question.clusters - cluster.least) * max(0.0, cluster.bytes_for_each)
    usable = limit * (1 - question.headroom)
    if usable <= idle:
        raise InputError(
            f"an idle gateway holds {format_bytes(idle)}, a pod of {format_bytes(limit)} with"
            f" {question.headroom:.0%} headroom has {format_bytes(usable)}.",
            remedy="Give a larger --memory-per-pod or a smaller --headroom.",
        )
    return MemoryRoom(
        idle_bytes=idle,
        connection_bytes=max(0.0, connection.bytes_for_each),
        usable_bytes=usable,
        connections_measured=connection.most,
        clusters=question.clusters,
        clusters_measured=cluster.most if cluster is not None else 0,
    )
