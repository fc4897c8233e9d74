"""Faults of a node's network: cut off, slowed down, silent. Only where parts have networks of their own."""

from __future__ import annotations

from bench.errors import MeasurementError
from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, no_second
from bench.experiment.faults.kinds import Fault
from bench.stack import NetworkFaults

_SLOWER_MS = 20.0
_SILENT_S = 2.0


def _network(field: Field) -> NetworkFaults:
    if not isinstance(field.parts, NetworkFaults):
        raise MeasurementError("this stack's parts share one network.")
    return field.parts


def _no_network(field: Field) -> str | None:
    if isinstance(field.parts, NetworkFaults):
        return no_second(field)
    return "the processes of a local stack share this machine's network; --stack docker has networks"


def _no_netem(field: Field) -> str | None:
    return _no_network(field) or _network(field).why_undisturbed(field.aims.first.node)


def _disconnect(field: Field) -> None:
    node, network = field.aims.first.node, _network(field)
    field.heal_later(lambda: network.reconnect(node))
    network.disconnect(node)


def _delay(field: Field) -> None:
    node, network = field.aims.first.node, _network(field)
    field.heal_later(lambda: network.calm(node))
    network.disturb(node, delay_ms=_SLOWER_MS)


def _lose_everything(field: Field) -> None:
    node, network = field.aims.first.node, _network(field)
    field.heal_later(lambda: network.calm(node))
    network.disturb(node, loss_percent=100)


FAULTS = (
    Fault(
        "node-disconnected",
        "node taken off its network 2 s",
        Cause.NODE_FROZEN,
        _disconnect,
        obstacle=_no_network,
        hold_s=_SILENT_S,
        measure_s=3.3,
    ),
    Fault(
        "node-delayed",
        "node's packets delayed 20 ms (netem)",
        Cause.NODE_SLOW,
        _delay,
        obstacle=_no_netem,
        hold_s=1.8,
        measure_s=3.0,
    ),
    Fault(
        "node-lost",
        "all packets of a node lost 2 s (netem)",
        Cause.NODE_FROZEN,
        _lose_everything,
        obstacle=_no_netem,
        hold_s=_SILENT_S,
        measure_s=3.3,
    ),
)
