"""What a Locust process of ours finds in its environment: the one place that knows the names."""

from __future__ import annotations

import os
from enum import StrEnum


class Variable(StrEnum):
    """One of them; every one may be missing."""

    WORKERS = "EGRESS_BENCH_WORKERS"
    """How many participants the coordinator waits for."""
    TOKEN = "EGRESS_BENCH_TOKEN"  # noqa: S105 - a name
    """What a master and its workers know of each other; a user may set it in advance, too."""
    JOINED = "EGRESS_BENCH_JOINED"
    """Descriptor to which a worker writes a byte when its master has taken it."""
    PATIENCE = "EGRESS_BENCH_PATIENCE"
    """Seconds for which a worker asks its master to take it."""
    EVENTS = "EGRESS_BENCH_EVENTS"
    """Descriptor to which the coordinator writes JSON lines."""
    CONTROL = "EGRESS_BENCH_CONTROL"
    """Descriptor from which the coordinator reads commands, one a line."""
    LIFELINE = "EGRESS_BENCH_LIFELINE"
    """Descriptor whose end means that the process above is gone, and with it the reason to live."""


def variable(name: Variable) -> str | None:
    """What this process was given; None: nothing."""
    return os.environ.get(name) or None


def descriptor(name: Variable) -> int | None:
    """The descriptor that this process was given; None: none."""
    text = variable(name)
    return int(text) if text else None
