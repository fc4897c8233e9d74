"""Three clocks on one quantity agree where their intervals overlap."""

from bench.analysis.tls import ClockInput, WallTimes, read_clocks
from bench.result import Estimate


def about(value, reach=50.0):
    return Estimate(value=value, low=value - reach, high=value + reach)


def times(undisturbed, mean=None):
    return WallTimes(about(undisturbed), about(undisturbed if mean is None else mean))


def clocks(**changed):
    """A quiet machine: gateway 5,000, node 4,800; OpenSSL's client took 4,700 where BoringSSL takes 5,000."""
    given = {
        "gateway_cpu": about(5000),
        "node_cpu": about(4800),
        "direct_bare_cpu": 25.0,
        "node_bare_cpu": 35.0,
        "envoy_new": times(10_000),
        "envoy_kept": times(250),
        "direct_new": times(9_700),
        "direct_kept": times(240),
        "direct_cpu": 4700.0,
        "direct_kept_cpu": 25.0,
        "node_kept_cpu": 90.0,
    }
    return ClockInput(**(given | changed))


def test_clocks_of_a_quiet_machine_agree():
    readings, agree = read_clocks(clocks(), "full", "TLSv1.3")

    assert agree is True
    assert {each.clock: each.value for each in readings} == {"cpu": 9800, "envoy": 9750, "direct": 9760}


def test_the_libraries_differ_and_the_direct_clock_exchanges_them():
    readings, _ = read_clocks(clocks(direct_cpu=1000.0), "full", "TLSv1.3")

    assert next(each.value for each in readings if each.clock == "direct") == 9700 - 240 + 4000


def test_an_envoy_that_waited_disagrees():
    _, agree = read_clocks(clocks(envoy_new=times(30_000)), "full", "TLSv1.3")

    assert agree is False


def test_cpu_time_is_a_mean_of_fast_and_slow_moments_and_lies_between_quartile_and_mean():
    fast_half = {"envoy_new": times(8_000, 10_100), "direct_new": times(7_800, 9_900)}

    readings, agree = read_clocks(clocks(**fast_half), "full", "TLSv1.3")

    assert agree is True
    assert next(each.value for each in readings if each.clock == "envoy") == 7750


def test_a_mean_that_is_less_than_the_work_disagrees():
    _, agree = read_clocks(clocks(envoy_new=times(7_000, 8_000)), "full", "TLSv1.3")

    assert agree is False


def test_the_end_of_a_connection_is_work_that_nothing_waits_for():
    # Of 9,800 a bare connection and an exchange of records may come after the answer, and no more.
    within, beyond = (clocks(envoy_new=times(250 + made)) for made in (9_560, 9_400))

    assert read_clocks(within, "full", "TLSv1.3")[1] is True
    assert read_clocks(beyond, "full", "TLSv1.3")[1] is False


def test_the_direct_clock_takes_in_the_gateways_close_with_its_cpu():
    # Its 9,760 lie 61 below the upper end of Envoy's clock. Higher, it may hold 50 of a close beside 71 of
    # its interval and 150 of a turn: 332 in all.
    within, beyond = (clocks(direct_new=times(9_700 + more)) for more in (330, 334))

    assert read_clocks(within, "full", "TLSv1.3")[1] is True
    assert read_clocks(beyond, "full", "TLSv1.3")[1] is False


def test_times_without_an_interval_are_no_clock():
    assert WallTimes.of([None, 3.0, 4.0]) is None
    found = WallTimes.of([*map(float, range(100)), None])
    assert (found.undisturbed.value, found.mean.value) == (24.75, 49.5)


def test_a_second_turn_of_tls_12_may_wait_once_more():
    readings = [read_clocks(clocks(), "full", version)[0] for version in ("TLSv1.2", "TLSv1.3")]
    lows = [next(each.low for each in some if each.clock == "envoy") for some in readings]

    # A kept request takes 250 µs, of which the node works for 90.
    assert lows[1] - lows[0] == 160


def test_a_missing_clock_leaves_the_agreement_unknown():
    readings, agree = read_clocks(clocks(direct_new=None), "full", "TLSv1.3")

    assert agree is None
    assert [each.clock for each in readings] == ["cpu", "envoy"]
