"""How long a wave lasts, and how deep the queue was, from one log."""

from bench.analysis.tls import Served, read_wave

EVENT = 10_000_000


def calm(begin_us, seconds, *, every_us=5_000, length_us=1_000):
    return [
        Served(begin_us + number * every_us, length_us, good=True)
        for number in range(int(seconds * 1e6 / every_us))
    ]


def test_a_wave_ends_with_its_last_disturbed_tenth():
    slow = [Served(EVENT + number * 5_000, 80_000, good=True) for number in range(60)]
    served = [*calm(EVENT - 2_000_000, 2), *slow, *calm(EVENT + 300_000, 2)]

    wave = read_wave(served, EVENT)

    assert (wave.p99_before_us, wave.p99_worst_us, wave.recovered_s, wave.failed) == (1000, 80_000, 0.3, 0)
    assert wave.deepest_queue == 16


def test_nothing_happened_where_p99_stays():
    wave = read_wave([*calm(EVENT - 1_000_000, 1), *calm(EVENT, 1)], EVENT)

    assert (wave.recovered_s, wave.p99_worst_us, wave.deepest_queue) == (0.0, 1000, 1)


def test_a_failed_request_disturbs_its_tenth_however_fast_it_was():
    served = [*calm(EVENT - 1_000_000, 1), Served(EVENT + 450_000, 500, good=False), *calm(EVENT, 2)]

    wave = read_wave(served, EVENT)

    assert (wave.recovered_s, wave.failed) == (0.5, 1)


def test_a_wave_that_outlasts_the_log_has_no_end():
    slow = [Served(EVENT + number * 5_000, 90_000, good=True) for number in range(400)]

    assert read_wave([*calm(EVENT - 1_000_000, 1), *slow], EVENT).recovered_s is None


def test_single_slow_requests_of_a_shared_machine_are_no_wave():
    """One in twenty, of which p99 says nothing: a maximum of twenty exceeds what one in a hundred does."""
    late = [Served(EVENT + tenth * 100_000 + 2_500, 9_000, good=True) for tenth in range(20)]

    wave = read_wave([*calm(EVENT - 2_000_000, 2), *calm(EVENT, 2), *late], EVENT)

    assert wave.recovered_s == 0.0


def test_what_the_machine_does_after_a_calm_second_is_no_part_of_the_wave():
    slow = [Served(EVENT + number * 5_000, 80_000, good=True) for number in range(60)]
    pause = [Served(EVENT + 3_000_000 + number * 5_000, 200_000, good=True) for number in range(20)]
    served = [*calm(EVENT - 2_000_000, 2), *slow, *calm(EVENT + 300_000, 4), *pause]

    wave = read_wave(served, EVENT)

    assert (wave.recovered_s, wave.p99_worst_us) == (0.3, 80_000)


def test_a_slower_event_is_awaited_to_its_end():
    """Its second half came later than a calm second after its first."""
    second = [Served(EVENT + 1_500_000 + number * 5_000, 80_000, good=True) for number in range(20)]
    served = [*calm(EVENT - 2_000_000, 2), *calm(EVENT, 4), *second]

    assert read_wave(served, EVENT).recovered_s == 0.0
    assert read_wave(served, EVENT, EVENT + 1_400_000).recovered_s == 1.6


def test_a_log_that_ends_before_a_calm_second_proves_no_recovery():
    slow = [Served(EVENT + number * 5_000, 80_000, good=True) for number in range(60)]
    served = [*calm(EVENT - 2_000_000, 2), *slow, *calm(EVENT + 300_000, 0.8)]

    assert read_wave(served, EVENT).recovered_s is None


def test_no_request_is_not_a_wave():
    wave = read_wave([], EVENT)

    assert (wave.requests, wave.recovered_s, wave.p99_before_us, wave.deepest_queue) == (0, None, None, 0)
