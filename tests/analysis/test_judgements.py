"""Limits, the generator's health and the verdict: what passes, and what must not."""

import pytest

from bench.analysis.generator_health import (
    GENERATOR_LIMITED,
    connections_needed,
    judge_delivery,
    judge_generator,
    little_in_flight,
)
from bench.analysis.latency import summarise
from bench.analysis.limits import LIMITS, check_limits, samples_needed
from bench.analysis.subsets import judge_balance
from bench.analysis.verdict import judge
from bench.errors import InputError
from bench.result import (
    Fingerprint,
    GeneratorResult,
    Latency,
    LimitCheck,
    Result,
    RunWarning,
    SubsetResult,
    VerificationLine,
)
from tests.support.histograms import an_outcome, histogram

EMPTY = Latency(samples=0)
FULL = Latency(samples=100_000, p50=1_000, p90=1_500, p99=2_000, p999=4_000, maximum=9_000, mean=1_100)


def a_subset(**changes):
    values = {
        "name": "all",
        "due": 100_000,
        "sent": 100_000,
        "answered": 100_000,
        "unsent": 0,
        "failed": 0,
        "misrouted": 0,
        "response_time": FULL,
        "service_time": FULL,
        "lag": FULL,
    }
    return SubsetResult(**(values | changes))


def one(name, bound, **changes):
    (check,) = check_limits({name: bound}, a_subset(**changes))
    return check


def test_a_time_limit_is_met_up_to_and_including_its_bound():
    assert one("response_time_p99_ms", 2).passed
    assert not one("response_time_p99_ms", 1.999).passed
    assert one("response_time_p99_ms", 2).measured == "2 ms"


def test_a_percentile_that_was_not_measured_does_not_pass():
    check = one("response_time_p999_ms", 1e9, response_time=Latency(samples=500, p50=1, maximum=1))

    assert not check.passed
    assert check.measured == "– (500 samples are too few)"


def test_counts_are_judged_and_nothing_due_proves_nothing():
    assert one("misrouted", 0).passed
    assert not one("misrouted", 0, misrouted=1).passed
    assert not one("failed", 0, due=0).passed


def test_every_limit_can_be_judged_and_none_means_no_limit():
    assert len(check_limits(dict.fromkeys(LIMITS, 10.0), a_subset())) == len(LIMITS)
    assert check_limits(dict.fromkeys(LIMITS), a_subset()) == ()


def test_a_misspelt_limit_is_refused_with_the_right_name():
    with pytest.raises(InputError, match=r"scenario\.yaml:7: .*Did you mean response_time_p99_ms\?"):
        check_limits({"respone_time_p99_ms": 1}, a_subset(), where="scenario.yaml:7")


def codes(**changes):
    values = {
        "cpu_us_per_request": 20.0,
        "cpu_share": 0.3,
        "lag": Latency(samples=10_000, p50=10, p99=100, maximum=900),
        "connects": 16,
        "workers": 1,
    }
    samples = changes.pop("in_flight_samples", None)
    found = judge_generator(GeneratorResult(**(values | changes)), in_flight_samples=samples)
    return [warning.code for warning in found]


def test_a_generator_in_good_order_is_left_alone():
    assert codes() == []
    assert codes(mean_in_flight=2.05, little_in_flight=2.0) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cpu_share": 0.71}, "generator-cpu-busy"),
        ({"cpu_share": 0.91}, "generator-cpu-full"),
        ({"cpu_share": None}, "generator-cpu-unknown"),
        ({"lag": Latency(samples=10_000, p99=5_001, maximum=6_000)}, "generator-late"),
        ({"own_lag": Latency(samples=10_000, p99=5_001, maximum=6_000)}, "generator-late"),
        ({"own_lag": Latency(samples=200, p90=5_001, maximum=6_000)}, "generator-late"),
        ({"waited": Latency(samples=10_000, p99=5_001, maximum=6_000)}, "path-limited"),
        ({"waited": Latency(samples=200, p90=5_001, maximum=6_000)}, "path-limited"),
        ({"lag": EMPTY}, "generator-lag-unknown"),
        ({"mean_in_flight": 2.3, "little_in_flight": 2.0}, "littles-law"),
        (
            {"mean_in_flight": 2.0, "little_in_flight": 2.0, "mean_queued": 9.0, "little_queued": 6.0},
            "littles-law",
        ),
        ({"mean_in_flight": 2.1, "little_in_flight": 2.0, "in_flight_samples": 1_000_000}, "littles-law"),
    ],
)
def test_each_sign_of_a_limited_generator_has_its_warning(changes, code):
    assert codes(**changes) == [code]


def test_a_short_run_is_not_judged_by_its_slowest_request():
    assert codes(own_lag=Latency(samples=50, maximum=90_000)) == []
    assert codes(waited=Latency(samples=50, p50=0, maximum=90_000)) == []


def test_waiting_for_a_connection_is_not_the_generators_fault():
    late = Latency(samples=10_000, p50=100_000, p99=900_000, maximum=1_000_000)
    own = Latency(samples=10_000, p50=10, p99=100, maximum=900)
    assert codes(lag=late, own_lag=own, waited=late) == ["path-limited"]
    assert "path-limited" not in GENERATOR_LIMITED


def path_limited(**changes):
    waited = Latency(samples=10_000, p50=100_000, p99=900_000, maximum=1_000_000)
    own = Latency(samples=10_000, p50=10, p99=100, maximum=900)
    values = {"cpu_us_per_request": 20.0, "cpu_share": 0.3, "lag": waited, "connects": 2, "workers": 1}
    found = GeneratorResult(**(values | {"waited": waited, "own_lag": own} | changes))
    (warning,) = judge_generator(found)
    return warning


def test_with_too_few_connections_it_says_how_many_would_do():
    reported = path_limited(mean_in_flight=2.0, mean_queued=24.0, connections=2, connections_needed=8)
    assert "2.0 of 2 connections were in use on average, and 24.0 requests waited" in reported.message
    assert reported.advice.startswith("At this service time 8 connections would carry the rate.")


def test_with_enough_connections_it_says_to_look_for_a_standstill():
    reported = path_limited(mean_in_flight=2.0, mean_queued=1.0, connections=16, connections_needed=5)
    assert "stalled" in reported.advice


def test_the_connections_that_a_rate_needs_follow_from_its_offered_load():
    assert connections_needed(100, 40_000) == 8  # 4 busy, and twice their root
    assert connections_needed(1, 1_000) == 2
    assert connections_needed(100, None) is None


def test_what_crosses_the_edges_of_a_stage_accuses_nothing():
    assert codes(mean_in_flight=2.3, little_in_flight=2.0) == ["littles-law"]
    found = judge_generator(
        GeneratorResult(
            cpu_us_per_request=20.0,
            cpu_share=0.3,
            lag=Latency(samples=10_000, p50=10, p99=100, maximum=900),
            connects=1,
            workers=1,
            mean_in_flight=2.3,
            little_in_flight=2.0,
        ),
        edge_share=0.1,
    )
    assert found == ()


def test_littles_law_multiplies_throughput_and_time():
    assert little_in_flight(5_000, 10, 2_000) == pytest.approx(1.0)
    assert little_in_flight(5_000, 10, None) is None
    assert little_in_flight(0, 0, 2_000) is None


def test_few_samples_in_flight_accuse_nothing():
    assert codes(mean_in_flight=0.25, little_in_flight=0.2, in_flight_samples=100) == []


def test_unsent_requests_and_unbalanced_counts_are_reported():
    assert judge_delivery(a_subset()) == ()
    assert "5 of 100,000" in judge_delivery(a_subset(unsent=5))[0].message
    assert judge_balance(an_outcome(answered=2)) == ()
    assert judge_balance(an_outcome(answered=2, due=3))[0].code == "counts-do-not-balance"


def a_result(**changes):
    values = {
        "run_id": "r",
        "scenario": "s",
        "description": "",
        "semantics": "current",
        "started_at": "2026-11-24T05:06:07+00:00",
        "finished_at": None,
        "command": "egress-bench run",
        "state": "complete",
        "fingerprint": Fingerprint(
            machine={}, versions={}, scenario_hash="", config_hashes={}, stack="local"
        ),
        "totals": (a_subset(),),
    }
    return Result(**(values | changes))


def unsent(reason):
    """None of 30 due requests was sent."""
    return a_subset(due=30, sent=0, answered=0, failed=0, misrouted=0, unsent=30, reasons={reason: 30})


MET = LimitCheck(name="failed", limit="≤ 0", measured="0", passed=True)
MISSED = LimitCheck(name="failed", limit="≤ 0", measured="3", passed=False)
MISSED_TIME = LimitCheck(name="response_time_p99_ms", limit="≤ 1 ms", measured="2 ms", passed=False)
UNPROVEN = MISSED_TIME.model_copy(update={"measured": "– (10 samples are too few)", "is_proven": False})
FAILED_CONTROL = VerificationLine(
    name="v1, node cert expired",
    sent="",
    expected="503",
    got="200",
    node=None,
    passed=False,
    kind="tls-control",
)
DISTURBED = RunWarning(code="machine-disturbed", message="Others used 60 % of the processors.", advice="")
LATE = RunWarning(code="generator-late", message="The generator itself was late.", advice="")
FULL_CPU = RunWarning(code="generator-cpu-full", message="Full.", advice="")
WRONG = VerificationLine(
    name="want: v1", sent="GET /", expected="200 v1!", got="200 v2!", node="nginx02", passed=False
)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"limits": (MET,)}, "passed", 0),
        ({"limits": (MET, MISSED)}, "limit missed", 1),
        ({"limits": (MISSED,), "warnings": (FULL_CPU,)}, "limit missed", 1),
        ({"limits": (MISSED_TIME,), "warnings": (FULL_CPU,)}, "generator-limited", 3),
        ({"limits": (MISSED_TIME,), "warnings": (DISTURBED,)}, "machine disturbed", 3),
        ({"limits": (MISSED_TIME,)}, "limit missed", 1),
        ({"limits": (MET, UNPROVEN)}, "too few samples", 3),
        ({"limits": (MISSED_TIME, UNPROVEN)}, "limit missed", 1),
        ({"warnings": (FULL_CPU,)}, "generator-limited", 3),
        ({"limits": (MET,), "warnings": (DISTURBED,)}, "passed", 0),
        ({"limits": (MET,), "warnings": (LATE,)}, "generator-limited", 3),
        ({"limits": (MET,), "warnings": (LATE, DISTURBED)}, "machine disturbed", 3),
        ({"limits": (MISSED_TIME,), "warnings": (LATE, DISTURBED)}, "machine disturbed", 3),
        ({"limits": (MET,), "warnings": (FULL_CPU, DISTURBED)}, "generator-limited", 3),
        ({"verification": (WRONG,)}, "wrong answers", 1),
        ({"verification": (WRONG,), "warnings": (FULL_CPU, DISTURBED)}, "wrong answers", 1),
        ({"verification": (FAILED_CONTROL,)}, "control failed", 1),
        ({"verification": (FAILED_CONTROL, WRONG)}, "wrong answers", 1),
        ({"totals": (a_subset(misrouted=1),)}, "wrong answers", 1),
        ({"totals": ()}, "wrong answers", 1),
        ({"totals": (a_subset(answered=0),)}, "wrong answers", 1),
        ({"totals": (unsent("queue-full"),)}, "limit missed", 1),
        ({"totals": (unsent("queue-full"),), "warnings": (LATE,)}, "generator-limited", 3),
        ({"totals": (unsent("no-connection"),), "warnings": (DISTURBED,)}, "machine disturbed", 3),
        ({"totals": (unsent("connect-timeout"),), "warnings": (LATE, DISTURBED)}, "machine disturbed", 3),
        ({"totals": (unsent("no-local-port"),)}, "generator-limited", 3),
        ({"totals": (unsent("connect-refused"),), "warnings": (LATE, DISTURBED)}, "limit missed", 1),
        ({"totals": (unsent("queue-full"),), "verification": (WRONG,)}, "wrong answers", 1),
        ({"state": "aborted", "reason": "interrupted"}, "aborted", 2),
        ({"state": "aborted", "reason": "interrupted", "limits": (MISSED,)}, "aborted", 2),
        ({"state": "aborted", "verification": (WRONG,), "totals": ()}, "wrong answers", 1),
        ({"state": "aborted", "totals": (a_subset(misrouted=1),)}, "wrong answers", 1),
    ],
)
def test_the_verdict_is_the_worst_that_happened(changes, state, code):
    verdict = judge(a_result(**changes))

    assert (verdict.state, verdict.exit_code) == (state, code)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("response_time_p50_ms", 20),
        ("response_time_p90_ms", 100),
        ("response_time_p99_ms", 1_000),
        ("response_time_p999_ms", 10_000),
        ("lag_max_ms", None),
        ("failed", None),
    ],
)
def test_how_many_samples_a_limit_needs_is_what_the_percentile_itself_needs(name, samples):
    assert samples_needed(name) == samples
    if samples is not None:
        for count, is_proven in ((samples, True), (samples - 1, False)):
            latency = summarise(histogram(*range(1000, 1000 + count)))
            total = a_subset(due=count, sent=count, answered=count, response_time=latency)
            (check,) = check_limits({name: 0.001}, total)
            assert (check.passed, check.is_proven) == (False, is_proven)


def test_a_generator_that_others_made_late_is_reported_with_both_reasons():
    sentence = judge(a_result(limits=(MISSED_TIME,), warnings=(LATE, DISTURBED))).sentence

    assert LATE.message in sentence
    assert DISTURBED.message in sentence


def test_that_nothing_was_sent_is_reported_with_its_reason():
    sentence = judge(a_result(totals=(unsent("queue-full"),))).sentence

    assert sentence == "None of 30 due requests was sent (30 queue full)."


def test_a_missed_limit_names_both_numbers():
    assert "failed is 3, limit ≤ 0" in judge(a_result(limits=(MISSED,))).sentence
