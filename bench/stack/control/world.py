"""State of the world: the protocol on one aggregated stream, without the stream.

A response holds all clusters or all listeners, or those endpoints and routes that were asked for. Every
request after a response says by its nonce which one it answers: without an error it accepts it, with one it
refuses it and goes on with what it had.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse

from bench.stack.control.snapshot import CLUSTERS, COMPLETE, ENDPOINTS, ORDER
from bench.stack.control.stream import ProxyStream, Subscription, resources_field
from bench.translate import to_wire


@dataclass(slots=True)
class _Subscription(Subscription):
    names: tuple[str, ...] = ()
    """What was asked for; empty: everything."""
    claimed: str = ""
    """The version that a proxy had when it came (back)."""
    sent: dict[str, str] = field(default_factory=dict)
    """Resource -> version in which it was sent."""
    refused: str = ""
    """The version that was refused last."""


class WorldStream(ProxyStream[_Subscription]):
    """What one proxy knows, and what it is to be sent next."""

    def receive(self, request: DiscoveryRequest) -> list[bytes]:
        """Take a request of the proxy; give the responses that it causes."""
        type_url = request.type_url
        known = self._subscriptions.get(type_url)
        if known is None:
            return self._subscribed(request)
        if request.response_nonce != known.nonce:
            return []  # It answers an older response; its answer to the last one is on its way.
        if not known.is_answered:
            known.is_answered = True
            if request.error_detail is not None:
                known.refused = known.version
                self._note("nack", type_url, known, reason=request.error_detail.message, names=known.changed)
            else:
                self._note("ack", type_url, known, resources=len(known.sent))
        added = [name for name in request.resource_names if name not in known.names]
        if tuple(request.resource_names) != known.names:
            known.names = tuple(request.resource_names)
            known.sent = {name: known.sent[name] for name in known.names if name in known.sent}
        served = [
            name for name in added if self._snapshot and name in self._snapshot.kind(type_url).resources
        ]
        return [*(self._send(type_url, served) if served else ()), *self._due()]

    def _subscribed(self, request: DiscoveryRequest) -> list[bytes]:
        type_url = request.type_url
        fresh = self._subscriptions[type_url] = _Subscription(names=tuple(request.resource_names))
        self._event_log.note(
            "subscribe",
            self.proxy,
            stream=self._stream,
            type_url=type_url,
            version=request.version_info,
            resources=len(request.resource_names),
        )
        if type_url in COMPLETE:
            # Of endpoints and routes a version says nothing about which of them a proxy has.
            fresh.claimed = request.version_info
        return self._due()

    def _due(self) -> list[bytes]:
        """In warming order: nothing is sent while the proxy has not answered what must come before it."""
        for type_url in ORDER:
            known = self._subscriptions.get(type_url)
            if known is None or self._snapshot is None:
                continue
            if not known.is_answered:
                return []
            kind = self._snapshot.kind(type_url)
            if known.claimed and known.claimed == kind.version:
                # It came back with what it had, and that is still right.
                known.version = kind.version
                known.sent = {name: each.version for name, each in kind.resources.items()}
            known.claimed = ""
            if kind.version not in (known.version, known.refused):
                names = self._wanted(type_url, known)
                differs = [name for name in names if self._version(type_url, name) != known.sent.get(name)]
                removed = type_url in COMPLETE and known.sent.keys() - set(names)
                if differs or removed or not known.version:
                    return [*self._send(type_url, differs), *self._warming(type_url, differs)]
                known.version = kind.version
        return []

    def _warming(self, type_url: str, changed: Iterable[str]) -> list[bytes]:
        """A cluster that has changed waits for its endpoints, which the proxy may believe to have."""
        endpoints = self._subscriptions.get(ENDPOINTS)
        if type_url != CLUSTERS or endpoints is None:
            return []
        again = [name for name in changed if name in endpoints.names]
        for name in again:
            endpoints.sent.pop(name, None)
        return self._send(ENDPOINTS, again) if again else []

    def _wanted(self, type_url: str, known: _Subscription) -> tuple[str, ...]:
        assert self._snapshot is not None  # noqa: S101 - asked before
        there = self._snapshot.kind(type_url).resources
        if type_url in COMPLETE:
            return tuple(there)
        return tuple(name for name in known.names if name in there)

    def _version(self, type_url: str, name: str) -> str:
        assert self._snapshot is not None  # noqa: S101 - asked before
        return self._snapshot.kind(type_url).resources[name].version

    def _send(self, type_url: str, changed: list[str]) -> list[bytes]:
        if self._snapshot is None:
            return []
        known, kind = self._subscriptions[type_url], self._snapshot.kind(type_url)
        wanted = self._wanted(type_url, known)
        names = wanted if type_url in COMPLETE else tuple(name for name in changed if name in kind.resources)
        known.version, known.nonce, known.is_answered = kind.version, self._next_nonce(), False
        known.changed = tuple(changed)
        if type_url in COMPLETE:
            known.sent = {}
        known.sent |= {name: kind.resources[name].version for name in names}
        head = DiscoveryResponse(version_info=known.version, type_url=type_url, nonce=known.nonce)
        response = to_wire(head) + resources_field(kind.resources[name].packed for name in names)
        self._note_sent(type_url, known, resources=len(names), response=response)
        return [response]
