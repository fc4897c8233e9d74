"""What changes of the configuration under load did, by config source."""

from __future__ import annotations

from bench.result.base import Model

HOT_RESTART = "-hot-restart"
"""Ends the name of a way by which changes come to a proxy."""


class ChangeResult(Model):
    """One change of the gateway's configuration under load."""

    name: str
    refused: str | None = None
    """Why Envoy did not take it, in its own words, with the resource and its place; None: it did."""
    accepted_s: float | None = None
    """From the write until Envoy's own counters say that it has taken it; None: it did not."""
    acknowledged_s: float | None = None
    """From the write until the ACK reached the control plane; None: nothing waits for one."""
    first_new_s: float | None = None
    """From the write until a request was sent to what is valid only since; None: none was."""
    last_old_s: float | None = None
    """From the write until the last request was sent to what is no longer valid; 0: none after the write."""
    requests: int = 0
    """From the write until the next one."""
    failed: int = 0
    misrouted: int = 0
    """Sent to a destination that was valid at no moment between its beginning and its end."""
    connections_opened: int = 0
    """By the gateway, to the nodes."""
    connections_closed: int = 0
    clients_disconnected: int | None = None
    """Connections to the gateway, of sidecars, that were closed; None: not counted."""
    handshakes: int = 0
    sessions_resumed: int = 0
    """Of the handshakes."""
    p99_before_us: int | None = None
    """Of the requests of the second before the write, as the gateway saw them."""
    p99_after_us: int | None = None
    """Of the second after it, or of the whole change where it took longer."""


class UpdatesOfSource(Model):
    """All changes on one stack, by one way."""

    config_source: str
    is_hot_restart: bool = False
    """Whether each change was a hot restart of the gateway's Envoy, and nothing that it read while it ran."""
    changes: tuple[ChangeResult, ...]
    """One line for each kind where there are many: the medians of the times, the sums of the counts."""
    count: int
    """Changes that were made."""
    requests: int
    """At the client, all stages."""
    at_gateway: int
    at_nodes: int
    by_counters: int | None = None
    """That the gateway's counters rose by, over all its Envoys that followed each other; None: not read."""
    failed: int
    misrouted: int
    memory_before_bytes: int | None = None
    """Of the gateway, after the warm-up."""
    memory_after_bytes: int | None = None
    control_memory_bytes: int | None = None
    """Of the control plane, at the end; None: there is none."""
    control_cpu_s: float | None = None
    limited: str | None = None
    """The generator was late by itself: times say little."""

    @property
    def balances(self) -> bool:
        """Whether client, gateway and nodes have counted the same requests."""
        counted = {self.requests, self.at_gateway, self.at_nodes}
        return len(counted if self.by_counters is None else counted | {self.by_counters}) == 1

    @property
    def way(self) -> str:
        """How changes came to the gateway: ``eds``, ``static-hot-restart``."""
        return f"{self.config_source}{HOT_RESTART}" if self.is_hot_restart else self.config_source


class UpdateResult(Model):
    """The moment of an update, for each config source."""

    sources: tuple[UpdatesOfSource, ...] = ()
    arrival_rate: float
