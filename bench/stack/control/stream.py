"""What both forms of the protocol share: one proxy's subscriptions on one aggregated stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from bench.stack.control.events import EventLog, What
from bench.stack.control.snapshot import Snapshot
from bench.translate import message_field

SHOWN: Final = 5
"""So many names an event shows."""
_RESOURCES: Final = 2
"""Number of the field, in either form of a response."""


@dataclass(slots=True)
class Subscription:
    """To all resources of one type."""

    version: str = ""
    """Of the last response."""
    nonce: str = ""
    is_answered: bool = True
    changed: tuple[str, ...] = ()
    """What the last response changed."""


S = TypeVar("S", bound=Subscription)


class ProxyStream(ABC, Generic[S]):
    """What one proxy has, and what it is to be sent next."""

    def __init__(self, proxy: str, stream: int, event_log: EventLog) -> None:
        self.proxy = proxy
        self._stream = stream
        self._event_log = event_log
        self._subscriptions: dict[str, S] = {}
        self._count = 0
        self._snapshot: Snapshot | None = None

    def publish(self, snapshot: Snapshot) -> list[bytes]:
        """Take what the proxy is to have from now on; give the responses that are due at once."""
        self._snapshot = snapshot
        return self._due()

    @abstractmethod
    def _due(self) -> list[bytes]:
        """In warming order: nothing is sent while the proxy has not answered what must come before it."""

    def _next_nonce(self) -> str:
        self._count += 1
        return f"{self._stream}.{self._count}"

    def _note(self, what: What, type_url: str, known: S, **details: Any) -> None:
        self._event_log.note(
            what,
            self.proxy,
            stream=self._stream,
            type_url=type_url,
            version=known.version,
            nonce=known.nonce,
            **details,
        )

    def _note_sent(self, type_url: str, known: S, *, resources: int, response: bytes) -> None:
        self._note(
            "send",
            type_url,
            known,
            resources=resources,
            wire_bytes=len(response),
            names=known.changed[:SHOWN],
        )


def resources_field(packed: Iterable[bytes]) -> bytes:
    """The resources of a response, each packed already."""
    return b"".join([message_field(_RESOURCES, each) for each in packed])
