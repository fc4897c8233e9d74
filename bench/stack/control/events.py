"""What happened on the streams of the control plane, for whoever measures it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

_KEPT = 20_000

What = Literal["connect", "disconnect", "subscribe", "send", "ack", "nack", "publish"]


@dataclass(frozen=True, slots=True)
class Event:
    """One of them."""

    number: int
    at: float
    """Seconds on the machine's monotonic clock, which all its processes share."""
    what: What
    proxy: str
    stream: int = 0
    type_url: str = ""
    version: str = ""
    nonce: str = ""
    resources: int = 0
    """How many were sent, or subscribed to."""
    wire_bytes: int = 0
    reason: str = ""
    """Why a proxy refused."""
    names: tuple[str, ...] = ()
    """The resources that a refused response changed; of others the first few."""


class EventLog:
    """The last events, numbered from 1."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._count = 0

    def note(self, what: What, proxy: str, **details: Any) -> None:
        """Add one."""
        self._count += 1
        self._events.append(Event(self._count, self._clock(), what, proxy, **details))

    def since(self, number: int) -> list[dict[str, Any]]:
        """Give those after *number*, which are still known."""
        return [asdict(event) for event in self._events if event.number > number]
