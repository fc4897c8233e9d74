"""Whose the machine was between two readings."""

import pytest

from bench.measure.meter import Reading
from bench.telemetry.admin import Snapshot
from bench.telemetry.machine import MachineReading


def reading(busy, idle, *, ours, at, steal=0.0, waiting=None, ssl=0):
    snapshot = Snapshot(
        "egress", {"cluster.c.ssl.handshake": ssl, "cluster.c.upstream_cx_total": ssl}, at, int(at)
    )
    machine = MachineReading(busy, idle, steal, waiting)
    return Reading(0, {}, {}, snapshot, machine=machine, ours_s=ours, at_s=at)


def test_what_is_busy_and_not_ours_is_others():
    use = reading(10, 10, ours=5, at=0, waiting=1.0).machine_until(
        reading(16, 12, ours=7, at=4, steal=2, waiting=2.0), elsewhere_s=1
    )

    assert (use.ours_share, use.others_share, use.idle_share, use.steal_share) == (0.3, 0.3, 0.2, 0.2)
    assert use.waiting_share == 0.25


def test_more_of_ours_than_the_machine_reports_is_rounding_and_nothing_else():
    assert reading(0, 0, ours=0, at=0).machine_until(reading(1, 1, ours=1.01, at=1)).others_share == 0


@pytest.mark.parametrize("missing", ["machine", "ours_s"])
def test_what_is_not_reported_is_unknown(missing):
    first, last = reading(0, 0, ours=0, at=0), reading(1, 1, ours=1, at=1)

    assert (
        first.machine_until(Reading(**{**{f: getattr(last, f) for f in last.__slots__}, missing: None}))
        is None
    )


def test_counters_that_fell_are_unknown():
    assert reading(0, 0, ours=0, at=0, ssl=9).tls_until(reading(0, 0, ours=0, at=1, ssl=3)) is None
    assert reading(0, 0, ours=0, at=0, ssl=3).tls_until(reading(0, 0, ours=0, at=1, ssl=9)).handshakes == 6
