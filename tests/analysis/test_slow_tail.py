"""A tail of slow requests is found by the moments in which it shows, and never a machine that pauses."""

import numpy as np
import pytest

from bench.analysis.histogram import Histogram
from bench.analysis.moments import LONG_US, MOMENT_S, longest_by_moment, split_moments
from bench.analysis.second_mode import second_mode
from bench.analysis.slow_tail import CHANCE, Kind, LongTimes, slow_tail

RATE, SECONDS = 500, 60.0
STUB_S = 3.0


class Machine:
    """Pauses of the processes that a request passes: each as often and as long as those of the generator."""

    def __init__(self, dice, *, pauses_per_s=0.0, mean_ms=12.0):
        self.dice = dice
        self.rate = pauses_per_s
        self.mean_s = mean_ms / 1000

    def held_up(self, at):
        """How long what begins at these times (s) has to wait for one process, µs."""
        waits = np.zeros_like(at)
        for start in self.dice.uniform(0, at[-1], self.dice.poisson(self.rate * at[-1])):
            length = self.dice.exponential(self.mean_s)
            within = slice(*np.searchsorted(at, (start, start + length)))
            waits[within] = np.maximum(waits[within], start + length - at[within])
        return waits * 1e6


def run(machine, *, slow=lambda dice, size: np.zeros(size), seconds=SECONDS):
    """Kinds and machine as ``slow_tail`` takes them, of a load on two proxies and a node."""
    dice = machine.dice
    at = np.arange(0, seconds, 1 / RATE)
    late = machine.held_up(at)
    service = dice.lognormal(np.log(800), 0.4, at.size) + slow(dice, at.size)
    service += sum(machine.held_up(at) for _ in range(4))
    on_stub = at[at < STUB_S]
    stub = dice.lognormal(np.log(150), 0.4, on_stub.size) + sum(machine.held_up(on_stub) for _ in range(2))
    return (
        [Kind(times(service), [LongTimes(long(at, service), round(seconds / MOMENT_S))])],
        [
            LongTimes(long(at, late), round(seconds / MOMENT_S)),
            LongTimes(long(on_stub, stub), round(STUB_S / MOMENT_S), 150),
        ],
    )


def times(micros):
    found = Histogram()
    found.record(np.maximum(1, micros).astype(np.int64))
    return found


def long(at, micros):
    return split_moments(longest_by_moment(at, np.maximum(1, micros).astype(np.int64)))


def one_in(share, extra_us):
    return lambda dice, size: np.where(dice.random(size) < share, extra_us, 0.0)


def exponential(share, mean_us):
    return lambda dice, size: np.where(dice.random(size) < share, dice.exponential(mean_us, size), 0.0)


@pytest.mark.parametrize("pauses_per_s", [0.0, 0.02])
@pytest.mark.parametrize(
    "slow",
    [one_in(0.01, 30_000), one_in(0.002, 100_000), exponential(0.01, 30_000)],
    ids=["1 % by 30 ms", "0.2 % by 100 ms", "an exponential tail"],
)
def test_slow_requests_are_found_on_a_machine_that_is_calm(slow, pauses_per_s):
    runs = [
        run(Machine(np.random.default_rng(seed), pauses_per_s=pauses_per_s), slow=slow) for seed in range(20)
    ]
    found = [tail for kinds, machine in runs if (tail := slow_tail(kinds, machine)) is not None]

    # Of 60 slow ones that are meant, chance leaves 42 once in a hundred times.
    assert len(found) >= 19
    for tail in found:
        assert tail.chance <= CHANCE
        assert tail.excess_us == pytest.approx(10_000, rel=0.01)
        assert tail.path.slow > 40
        assert tail.path.whole == SECONDS / MOMENT_S


def test_an_exponential_tail_is_no_second_mode():
    kinds, _ = run(Machine(np.random.default_rng(3)), slow=exponential(0.01, 30_000))

    assert second_mode(kinds[0].times) is None


@pytest.mark.parametrize("mean_ms", [5.0, 12.0, 60.0])
@pytest.mark.parametrize("pauses_per_s", [0.0, 0.05, 0.5, 3.0])
def test_a_machine_that_pauses_is_never_taken_for_a_tail_of_the_path(pauses_per_s, mean_ms):
    slow = 0
    for seed in range(25):
        dice = np.random.default_rng([seed, int(pauses_per_s * 100), int(mean_ms)])
        kinds, machine = run(Machine(dice, pauses_per_s=pauses_per_s, mean_ms=mean_ms), seconds=30.0)
        slow += len(kinds[0].stages[0].beyond(LONG_US))

        assert slow_tail(kinds, machine) is None
    # The clean runs would have something to report.
    assert slow > 25 or pauses_per_s * mean_ms < 1


def test_what_new_connections_explain_is_left_out():
    kinds, machine = run(Machine(np.random.default_rng(4)), slow=one_in(0.005, 12_000))
    moments = len(kinds[0].stages[0].beyond(12_000))

    assert slow_tail(kinds, machine) is not None
    assert slow_tail(kinds, machine, explained=moments) is None


def test_a_tail_of_the_null_target_is_not_the_paths():
    kinds, machine = run(Machine(np.random.default_rng(5)), slow=exponential(0.01, 30_000))
    stub = LongTimes(dict.fromkeys(range(30), 40_000), 60, 150)

    assert slow_tail(kinds, [machine[0], stub]) is None


def test_a_few_slow_requests_and_none_at_all_are_no_tail():
    machine = Machine(np.random.default_rng(6))

    assert slow_tail(*run(machine, slow=one_in(0.0005, 30_000))) is None
    assert slow_tail([Kind(Histogram(), [])], []) is None


def test_what_is_too_rare_in_each_kind_is_found_in_all_of_them():
    first, machine = run(Machine(np.random.default_rng(7)), slow=one_in(0.0015, 30_000), seconds=40.0)
    other, _ = run(Machine(np.random.default_rng(8)), slow=one_in(0.0015, 30_000), seconds=40.0)

    assert slow_tail(first, machine) is None
    assert slow_tail(other, machine) is None
    tail = slow_tail([*first, *other], machine)
    assert 50 < tail.samples < 80
    assert tail.path.whole == 800


def test_a_moment_keeps_its_longest_time_and_short_ones_leave_no_trace():
    at = np.asarray([0.01, 0.02, 0.06, 0.12])
    micros = np.asarray([30_000, 50_000, 9_999, 20_000])

    found = long(at, micros)

    assert list(found) == [0, 2]
    assert found[0] == pytest.approx(50_000, rel=1e-3)
    assert long(at, np.asarray([1, 1, 1, 1])) == {}
