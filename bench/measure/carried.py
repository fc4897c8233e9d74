"""How many requests and TLS handshakes the parts of each role carried between two readings.

Not every request of a mix takes every hop: some go past the gateway, or through it as bytes. What a part used
may only be divided by what it carried itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.errors import MeasurementError
from bench.load import LoadPlan
from bench.measure.meter import Reading
from bench.measure.sent import passed_on
from bench.measure.topology import Topology
from bench.result import RoleLoad
from bench.telemetry import difference, total

_OWN = ("http.admin.", "http.async-client.")
"""Envoy's own HTTP, which no request of the load passes."""
_READ = "downstream_rq_total"
_SENT = "upstream_rq_total"
_HANDSHAKES = "ssl.handshake"
_RESUMED = "ssl.session_reused"


def carried_by_role(
    topology: Topology, load: LoadPlan, sent: Mapping[str, int], first: Reading, last: Reading
) -> dict[str, RoleLoad]:
    """Say what the parts of each role carried between *first* and *last*.

    Args:
        topology: who sends to whom.
        load: what was sent.
        sent: name of a request -> how often the client sent it in the same seconds: no proxy counts those
            that all of them pass on as bytes.
        first: a reading with the sidecars' counters.
        last: a later one.

    Returns:
        Role of a component -> what was counted; there is no ``egress`` where no gateway is on the way.
    """
    sidecars = _rises_of_sidecars(topology, first, last)
    gateway = _rises_of_gateway(first, last) if topology.has_gateway else None
    passed = _PassedOn.of(topology, load, sent, sidecars)
    past = [each for each in topology.sidecar_clusters if each in topology.past_gateway]
    straight = [each for each in topology.sidecar_clusters if each not in {*topology.to_gateway, *past}]
    found = {
        "sidecar": RoleLoad(
            requests=_sum(_read_by(sidecars), passed.by_sidecars),
            handshakes=_all(sidecars, _HANDSHAKES),
            sessions_reused=_all(sidecars, _RESUMED),
        )
    }
    to_nodes = _sum(_of(sidecars, straight, _SENT), passed.straight)
    with_nodes = _of(sidecars, straight, _HANDSHAKES)
    resumed_with_nodes = _of(sidecars, straight, _RESUMED)
    if topology.has_gateway:
        found["egress"] = RoleLoad(
            requests=_sum(
                _of(gateway, topology.gateway_clusters, _SENT), _of(sidecars, past, _SENT), passed.by_gateway
            ),
            handshakes=_all(gateway, _HANDSHAKES),
            sessions_reused=_all(gateway, _RESUMED),
        )
        to_nodes = _sum(to_nodes, found["egress"].requests)
        with_nodes = _sum(with_nodes, found["egress"].handshakes)
        resumed_with_nodes = _sum(resumed_with_nodes, found["egress"].sessions_reused)
    # Of TLS within bytes that are passed on nobody says with whom it was: with the gateway or with a node.
    to_gateway = _of(sidecars, topology.to_gateway, _HANDSHAKES)
    unclear = _all(sidecars, _HANDSHAKES) != _sum(to_gateway, _of(sidecars, straight, _HANDSHAKES))
    found["node"] = RoleLoad(
        requests=to_nodes,
        handshakes=with_nodes,
        sessions_reused=resumed_with_nodes,
        more_handshakes=unclear or passed.with_tls,
    )
    return found


@dataclass(frozen=True, slots=True)
class _PassedOn:
    """Requests that sidecars passed on as bytes, and only the client counted; None: unknown."""

    by_sidecars: int | None
    by_gateway: int | None
    """Of those: that the gateway passed on, too."""
    straight: int | None
    """Of those: that went to nodes past any gateway."""
    with_tls: bool
    """Some reached nodes within their client's own TLS."""

    @classmethod
    def of(
        cls,
        topology: Topology,
        load: LoadPlan,
        sent: Mapping[str, int],
        sidecars: Mapping[str, int] | None,
    ) -> _PassedOn:
        passed = passed_on(load, topology)
        read = {kind.name for kind in load.requests} - passed
        scale = _scale(_read_by(sidecars), sum(sent.get(each, 0) for each in read))
        to_nodes = passed - topology.read_by_gateway

        def count(kinds: Iterable[str]) -> int | None:
            together = sum(sent.get(each, 0) for each in kinds)
            if not together:
                return 0
            return round(together * scale) if scale is not None else None

        straight = to_nodes & topology.straight_requests if topology.has_gateway else to_nodes
        return cls(
            by_sidecars=count(passed),
            by_gateway=count(to_nodes - straight),
            straight=count(straight),
            with_tls=any(
                kind.name in to_nodes and load.target_of(kind).tls is not None and sent.get(kind.name)
                for kind in load.requests
            ),
        )


def _scale(read: int | None, sent: int) -> float | None:
    """What happened between the readings for each that the client counted: by what sidecars counted, too."""
    if read is None:
        return None
    return read / sent if sent and read else 1.0


def _rises_of_sidecars(topology: Topology, first: Reading, last: Reading) -> Mapping[str, int] | None:
    """The counters of all sidecars, added up; None: one was not read, or began again."""
    rises: dict[str, int] = {}
    for name in topology.clients:
        if name not in first.sidecars or name not in last.sidecars:
            return None
        try:
            of_one = difference(first.sidecars[name], last.sidecars[name])
        except MeasurementError:
            return None
        for counter, rise in of_one.items():
            rises[counter] = rises.get(counter, 0) + rise
    return rises


def _rises_of_gateway(first: Reading, last: Reading) -> Mapping[str, int] | None:
    try:
        return difference(first.gateway, last.gateway)
    except MeasurementError:
        return None


def _read_by(rises: Mapping[str, int] | None) -> int | None:
    """Requests that connection managers read."""
    if rises is None:
        return None
    return sum(
        rise
        for name, rise in rises.items()
        if name.startswith("http.") and name.endswith(f".{_READ}") and not name.startswith(_OWN)
    )


def _all(rises: Mapping[str, int] | None, counter: str) -> int | None:
    return total(rises, counter) if rises is not None else None


def _of(rises: Mapping[str, int] | None, clusters: Iterable[str], counter: str) -> int | None:
    """Sum over *clusters*, of none: 0; Envoy writes ``:`` in names as ``_``."""
    names = [f"cluster.{name.replace(':', '_')}.{counter}" for name in clusters]
    if rises is None:
        return None if names else 0
    return sum(rises.get(name, 0) for name in names)


def _sum(*parts: int | None) -> int | None:
    """None: one of them is unknown."""
    known = [each for each in parts if each is not None]
    return sum(known) if len(known) == len(parts) else None
