"""Incremental: the protocol on one aggregated stream, without the stream.

A response holds what has changed for the proxy, and the names of what is gone. A proxy that comes back says
which versions it has, and gets the difference.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol "Incremental xDS".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from bench.stack.control.snapshot import CLUSTERS, COMPLETE, ENDPOINTS, ORDER, Resource
from bench.stack.control.stream import SHOWN, ProxyStream, Subscription, resources_field
from bench.translate import message_field, to_wire

_EVERYTHING = "*"


@dataclass(slots=True)
class _Subscription(Subscription):
    takes_all: bool = False
    names: set[str] = field(default_factory=set)
    """What was asked for by name."""
    has: dict[str, str] = field(default_factory=dict)
    """Resource -> version that the proxy has, or has been sent."""


class DeltaStream(ProxyStream[_Subscription]):
    """What one proxy has, and what it is to be sent next."""

    def receive(self, request: DeltaDiscoveryRequest) -> list[bytes]:
        """Take a request of the proxy; give the responses that it causes."""
        type_url = request.type_url
        known = self._subscriptions.get(type_url)
        is_first = known is None
        if known is None:
            known = self._subscriptions[type_url] = _Subscription(has=dict(request.initial_resource_versions))
            known.takes_all = type_url in COMPLETE and not request.resource_names_subscribe
        if request.response_nonce and request.response_nonce == known.nonce and not known.is_answered:
            self._answered(type_url, known, request)
        asked = [name for name in request.resource_names_subscribe if name != _EVERYTHING]
        if is_first or asked or request.resource_names_unsubscribe:
            self._note(
                "subscribe",
                type_url,
                known,
                resources=len(asked),
                names=tuple(request.resource_names_subscribe[:SHOWN]),
            )
        known.takes_all = known.takes_all or _EVERYTHING in request.resource_names_subscribe
        known.names |= set(asked)
        for name in request.resource_names_unsubscribe:
            known.names.discard(name)
            known.has.pop(name, None)
            if name == _EVERYTHING:
                known.takes_all = False
        if not is_first:
            # A name that is asked for again is sent again: the proxy has thrown away what it had.
            for name in asked:
                known.has.pop(name, None)
        absent = [
            name for name in asked if self._snapshot and name not in self._snapshot.kind(type_url).resources
        ]
        return [*(self._send(type_url, {}, absent) if absent else ()), *self._due()]

    def _answered(self, type_url: str, known: _Subscription, request: DeltaDiscoveryRequest) -> None:
        known.is_answered = True
        if request.error_detail is None:
            self._note("ack", type_url, known, resources=len(known.has))
            return
        # It keeps what it had. Sending the same again would bring the same answer.
        self._note("nack", type_url, known, reason=request.error_detail.message, names=known.changed)

    def _due(self) -> list[bytes]:
        """In warming order: nothing is sent while the proxy has not answered what must come before it."""
        if self._snapshot is None:
            return []
        for type_url in ORDER:
            known = self._subscriptions.get(type_url)
            if known is None:
                continue
            if not known.is_answered:
                return []
            there = self._snapshot.kind(type_url).resources
            wanted = (
                there if known.takes_all else {name: there[name] for name in known.names if name in there}
            )
            changed = {name: each for name, each in wanted.items() if known.has.get(name) != each.version}
            removed = [name for name in known.has if name not in there]
            is_first = not known.version
            known.version = self._snapshot.kind(type_url).version
            # Who has nothing yet waits for a first answer, be it empty.
            if changed or removed or (is_first and known.takes_all and not known.has):
                return [*self._send(type_url, changed, removed), *self._warming(type_url, changed)]
        return []

    def _warming(self, type_url: str, changed: Iterable[str]) -> list[bytes]:
        """A cluster that has changed waits for its endpoints, which the proxy does not ask for again."""
        endpoints = self._subscriptions.get(ENDPOINTS)
        if type_url != CLUSTERS or endpoints is None or self._snapshot is None:
            return []
        there = self._snapshot.kind(ENDPOINTS).resources
        again = {name: there[name] for name in changed if name in endpoints.names and name in there}
        return self._send(ENDPOINTS, again, ()) if again else []

    def _send(self, type_url: str, changed: dict[str, Resource], removed: Iterable[str]) -> list[bytes]:
        assert self._snapshot is not None  # noqa: S101 - asked before
        known, gone = self._subscriptions[type_url], list(removed)
        known.nonce, known.is_answered = self._next_nonce(), False
        known.changed = (*changed, *gone)
        known.has |= {name: each.version for name, each in changed.items()}
        for name in gone:
            known.has.pop(name, None)
        head = DeltaDiscoveryResponse(
            system_version_info=known.version, type_url=type_url, nonce=known.nonce, removed_resources=gone
        )
        response = to_wire(head) + resources_field(_named(name, each) for name, each in changed.items())
        self._note_sent(type_url, known, resources=len(changed), response=response)
        return [response]


def _named(name: str, resource: Resource) -> bytes:
    """A ``Resource`` of the discovery service: version (1), content (2), name (3)."""
    return (
        message_field(1, resource.version.encode())
        + message_field(2, resource.packed)
        + message_field(3, name.encode())
    )
