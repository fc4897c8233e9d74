"""Whose the machine was between two readings."""

from types import SimpleNamespace

import pytest

from bench.errors import MeasurementError, StackError
from bench.measure import meter as module
from bench.measure.meter import Meter, Reading
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


class Diary:
    """A stack of which every question is noted."""

    def __init__(self, monkeypatch, *, silent=""):
        self.asked = []
        self.parts = {
            name: SimpleNamespace(
                name=name, kind="envoy", role=role, pid=1, container=None, admin_url=name, replica_of=None
            )
            for name, role in (("client", "sidecar"), ("egress", "egress"))
        }
        diary = self

        class Admin:
            def __init__(self, url, *, name):
                self.name = name

            def server_info(self):
                diary.asked.append(f"age of {self.name}")
                if self.name == silent:
                    raise StackError(f"{self.name} does not answer.")
                return SimpleNamespace(uptime_s=7)

            def snapshot(self, pattern, *, uptime_s):
                diary.asked.append(f"counters of {self.name}")
                return Snapshot(self.name, {}, 0.0, uptime_s)

        monkeypatch.setattr(module, "Admin", Admin)
        monkeypatch.setattr(module, "replicas_of", lambda parts, gateway: [self.component(gateway)])
        monkeypatch.setattr(module, "read_usage", self.read_usage)

    def read_usage(self, pids):
        self.asked.append("CPU of all")
        return dict.fromkeys(pids)

    def components(self):
        return tuple(self.parts.values())

    def component(self, name):
        return self.parts[name]


def test_counters_and_cpu_are_read_one_right_after_the_other(monkeypatch):
    """What lies between them is charged to a window in one figure and not in the other."""
    stack = Diary(monkeypatch)

    found = Meter(stack, "egress", ["client"]).read()

    assert stack.asked == [
        "age of client",
        "age of egress",
        "counters of client",
        "counters of egress",
        "CPU of all",
    ]
    assert (found.gateway.uptime_s, found.sidecars["client"].uptime_s) == (7, 7)


def test_a_part_that_has_ended_is_named_before_a_proxy_that_does_not_answer(monkeypatch):
    def ended(pids):
        raise MeasurementError("egress (process 1) has ended.")

    stack = Diary(monkeypatch, silent="egress")
    with pytest.raises(StackError, match="does not answer"):
        Meter(stack, "egress").read()

    monkeypatch.setattr(module, "read_usage", ended)
    with pytest.raises(MeasurementError, match="has ended"):
        Meter(stack, "egress").read()
