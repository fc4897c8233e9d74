"""Each Envoy of a line counts for itself, and its last words count, too: nothing is lost, nothing twice."""

from unittest.mock import Mock

import pytest

from bench.errors import InputError, StackError
from bench.experiment.update import UpdateWay, chosen_ways
from bench.experiment.update.epoch_counters import EPOCH, EpochCounters
from bench.experiment.update.restarting import HotRestarter
from bench.placement import ConfigFile
from bench.stack import HotRestart
from bench.translate import ProxyConfig

CONFIG = ProxyConfig("egress", "static", listeners=(), routes=(), clusters=(), endpoints=(), secrets=())
LEAVE = HotRestart(drain_s=1, end_s=2)
REQUESTS, OPENED, CLOSED, ACTIVE = (
    f"http.in.downstream_{name}" for name in ("rq_total", "cx_total", "cx_destroy", "cx_active")
)


def counted(epoch, requests, opened, active):
    return {
        EPOCH: epoch,
        REQUESTS: requests,
        OPENED: opened,
        CLOSED: opened - active,
        ACTIVE: active,
    }


def test_connections_of_an_envoy_that_has_ended_are_closed_although_nobody_counted_it():
    counters = EpochCounters()
    assert counters.take(counted(0, requests=100, opened=5, active=4)) == 0
    assert counters.sums()[CLOSED] == 1

    counters.take(counted(1, requests=10, opened=3, active=3))
    counters.take(counted(0, requests=103, opened=5, active=2))
    both = counters.sums()
    assert (both[REQUESTS], both[OPENED], both[CLOSED]) == (113, 8, 3)

    counters.end(0)
    both = counters.sums()
    assert (both[REQUESTS], both[OPENED], both[CLOSED]) == (113, 8, 5)


class Gateway:
    """A stack whose Envoys follow each other; each old one answers a few times before it ends."""

    def __init__(self, *, refuses=None, answers=3, loses_connection=False):
        self.epoch, self.refuses, self.answers = 0, refuses, answers
        self.loses_connection = loses_connection
        self.written = []
        self.left = 0

    def validate(self, proxy, files):
        return self.refuses

    def restart_hot(self, proxy, files):
        self.written.append([file.path for file in files])
        self.epoch, self.left = self.epoch + 1, self.answers

    def is_handing_over(self, proxy):
        self.left -= 1
        return self.left >= 0

    def placement(self, proxy):
        return Mock()

    def connect(self):
        return Connection(self, self.epoch)


class Connection:
    """A kept connection to the admin API of one epoch."""

    def __init__(self, gateway, epoch):
        self.gateway, self.epoch, self.asked, self.is_closed = gateway, epoch, 0, False

    def stats(self, pattern):
        assert not self.is_closed
        if self.epoch < self.gateway.epoch and self.gateway.loses_connection:
            return counted(self.gateway.epoch, 0, 0, 0)
        if self.epoch < self.gateway.epoch and self.gateway.left == 0:
            raise StackError("gone")
        self.asked += 1
        return counted(self.epoch, requests=10 * self.asked, opened=2, active=1)

    def close(self):
        self.is_closed = True


def restarter(gateway):
    def render(config, placement):
        return [ConfigFile("xds/sds/a.yaml", ""), ConfigFile("bootstrap.yaml", "new")]

    return HotRestarter(gateway, "egress", render, gateway.connect, LEAVE, CONFIG)


def test_the_bootstrap_alone_is_replaced_and_the_one_that_drains_is_asked_to_its_end():
    gateway = Gateway()
    writer = restarter(gateway)
    made = writer.write(CONFIG)

    assert gateway.written == [["bootstrap.yaml"]]
    assert made.refused is None
    assert made.at_us <= made.accepted_us <= made.over_us
    # Once before the restart and twice while it drained; then it was gone. Its successor was asked once.
    assert writer.counters()[REQUESTS] == 30 + 10
    assert writer.counters()[CLOSED] == 2 + 1


def test_a_lost_connection_leads_to_the_successor_whose_counts_are_not_taken_for_those_of_the_former():
    gateway = Gateway(loses_connection=True)
    writer = restarter(gateway)
    writer.write(CONFIG)
    assert writer.counters()[REQUESTS] == 10 + 10


def test_what_envoy_refuses_is_said_before_anything_is_restarted():
    gateway = Gateway(refuses="no such field")
    made = restarter(gateway).write(CONFIG)
    assert (made.refused, made.accepted_us, gateway.epoch) == ("no such field", None, 0)


def choose(*sources, hot=None, restarts_hot=True, once=True):
    backend = Mock(restarts_hot=restarts_hot)
    ways = chosen_ways(sources, with_hot_restart=hot, drain_s=4, backend=backend, is_each_kind_once=once)
    return [way.name for way in ways]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, ["static", "static-hot-restart", "eds", "ads", "ads-delta"]),
        ({"restarts_hot": False}, ["static", "eds", "ads", "ads-delta"]),
        ({"once": False}, ["static", "eds", "ads", "ads-delta"]),
        ({"once": False, "hot": True}, ["static", "static-hot-restart", "eds", "ads", "ads-delta"]),
        ({"hot": False}, ["static", "eds", "ads", "ads-delta"]),
    ],
)
def test_hot_restart_is_measured_where_it_is_possible_and_changes_are_few(arguments, names):
    assert choose(**arguments) == names


def test_it_stands_behind_static_or_last_where_that_is_not_measured():
    assert choose("eds") == ["eds"]
    assert choose("eds", hot=True) == ["eds", "static-hot-restart"]
    assert choose("eds", "static") == ["eds", "static", "static-hot-restart"]


def test_containers_cannot_be_asked_for_it():
    with pytest.raises(InputError, match="a container ends with its first process"):
        choose(hot=True, restarts_hot=False)


def test_the_next_change_waits_until_the_former_envoy_has_ended():
    assert UpdateWay("static").slowest_s == 0
    assert UpdateWay("static", LEAVE).slowest_s > LEAVE.end_s
