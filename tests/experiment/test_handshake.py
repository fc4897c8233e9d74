"""Full and resumed handshakes are distinguished, cross-checked, and paid for by connection."""

import pytest

from bench.errors import MeasurementError
from bench.experiment.handshake.plans import handshake_plans, handshake_variations
from bench.experiment.handshake.reading import handshake_result, judge_mode
from bench.load import Generator, LoadOutcome
from bench.measure.meter import UpstreamTls
from bench.measure.trial_result import StackReadings, Trial
from bench.result import ComponentCost
from bench.scenario.models import Handshake
from bench.telemetry.access_log import EnvoyEntry
from tests.support.results import trial_result

MEASURED_FROM = 1_000_000


def an_entry(number, *, handshake_us=9_000, at=2_000_000, connection=None):
    values = dict.fromkeys(EnvoyEntry._fields)
    return EnvoyEntry(
        **values
        | {
            "time_us": at,
            "id": f"run/{number}",
            "flags": (),
            "status": 200,
            "upstream_connection": connection or number,
            "connect_us": 30,
            "handshake_us": handshake_us,
            "tls_version": "TLSv1.3",
        }
    )


def a_trial(*, egress=5_000.0, node=2_600.0, sent=10, connections=10):
    parts = (("egress", "egress", egress), ("nginx01", "node", node), ("nginx02", "node", node))
    return Trial(
        result=trial_result(
            "full",
            experiment="handshake",
            requests=sent,
            costs=tuple(
                ComponentCost(
                    component=name, role=role, cpu_seconds=None, cpu_us_per_request=cpu, memory_bytes=None
                )
                for name, role, cpu in parts
            ),
            new_upstream_connections=connections,
        ),
        subsets=(),
        seconds=(),
        examples=(),
        outcome=LoadOutcome(stages=(), generator=Generator(cpu_seconds=0, requests=0, workers=1, connects=0)),
        readings=None,
    )


def readings(connections, handshakes, resumed):
    """What Envoy counted."""
    counted = UpstreamTls(connections, handshakes, resumed)
    return StackReadings(
        costs=(), tls=counted, whole_tls=counted, measured_from_us=MEASURED_FROM, peak_memory_bytes=None
    )


KEPT = (a_trial(egress=300.0, node=50.0, connections=0), a_trial(egress=500.0, node=50.0, connections=0))


def judged(name, entries, resumed, *, counted=None, trial=None, kept=KEPT):
    """Judge a mode whose nodes say ``resumed`` of the requests with these numbers."""
    reused = {entry.id: int(entry.id.split("/")[1]) in resumed for entry in entries}
    count = len({entry.upstream_connection for entry in entries})
    return judge_mode(
        name,
        entries,
        reused,
        counted or readings(count, count, len(resumed)),
        trial=trial or a_trial(),
        kept=kept,
    )


def test_a_full_mode_holds_full_handshakes_only():
    mode = judged("full", [an_entry(number) for number in range(1, 11)], set())

    assert mode.counts_agree
    assert (mode.connections, mode.handshakes, mode.sessions_reused, mode.of_other_kind) == (10, 10, 0, 0)
    assert mode.handshake_time.samples == 10


def test_one_resumed_session_spoils_a_full_mode_and_stays_out_of_its_times():
    entries = [an_entry(1, handshake_us=1_000), *(an_entry(number) for number in range(2, 11))]

    mode = judged("full", entries, {1})

    assert not mode.counts_agree
    assert mode.of_other_kind == 1
    assert mode.handshake_time.samples == 9
    assert mode.handshake_time.mean == pytest.approx(9_000, rel=0.001)


def test_a_resumed_mode_may_begin_with_full_handshakes_but_not_be_made_of_them():
    warm_up = [an_entry(number, at=MEASURED_FROM - 1) for number in range(1, 11)]
    entries = [*warm_up, *(an_entry(number, handshake_us=1_000) for number in range(11, 311))]

    few = judged("resumed", entries, set(range(13, 311)))
    many = judged("resumed", entries, set(range(14, 311)))

    assert (few.counts_agree, few.of_other_kind, few.handshake_time.samples) == (True, 12, 298)
    assert (many.counts_agree, many.of_other_kind) == (False, 13)


def test_a_full_mode_may_not_resume_even_while_it_warms_up():
    entries = [an_entry(1, at=MEASURED_FROM - 1), *(an_entry(number) for number in range(2, 1_000))]

    assert not judged("full", entries, {1}).counts_agree


@pytest.mark.parametrize("counted", [readings(11, 11, 0), readings(10, 10, 1), readings(10, 9, 0)])
def test_counters_that_report_another_story_than_the_logs_are_seen(counted):
    entries = [an_entry(number) for number in range(1, 11)]

    assert not judged("full", entries, set(), counted=counted).counts_agree


def test_a_connection_that_no_node_knows_is_seen():
    entries = [an_entry(number) for number in range(1, 11)]

    mode = judge_mode(
        "full",
        entries,
        {entry.id: False for entry in entries[1:]},
        readings(10, 10, 0),
        trial=a_trial(),
        kept=KEPT,
    )

    assert not mode.counts_agree
    assert mode.handshake_time.samples == 9


def test_the_warm_up_is_counted_but_not_timed():
    entries = [
        an_entry(1, handshake_us=40_000, at=MEASURED_FROM - 1),
        *(an_entry(number) for number in range(2, 11)),
    ]

    mode = judged("full", entries, set())

    assert (mode.connections, mode.counts_agree) == (10, True)
    assert mode.handshake_time.samples == 9
    assert mode.handshake_time.maximum < 10_000


def test_a_new_connection_costs_what_exceeds_kept_ones_by_connections_opened():
    entries = [an_entry(number) for number in range(1, 11)]

    mode = judged("full", entries, set(), trial=a_trial(egress=5_000.0, node=2_600.0, connections=5))

    assert mode.connections_per_request == 0.5
    assert mode.gateway_cpu_us_per_request == 5_000
    assert mode.gateway_cpu_us_per_connection == (5_000 - 400) / 0.5
    assert mode.node_cpu_us_per_connection == (2 * 2_600 - 2 * 50) / 0.5
    assert handshake_result("rsa-4096", [mode], KEPT).gateway_cpu_us_per_request_kept == 400


@pytest.mark.parametrize(
    ("trial", "kept"),
    [
        (a_trial(connections=0), KEPT),
        (a_trial(egress=None), KEPT),
        (a_trial(), (a_trial(egress=None), KEPT[0])),
        (a_trial(), ()),
    ],
)
def test_a_cost_that_is_unknown_stays_unknown(trial, kept):
    mode = judged("full", [an_entry(1)], set(), trial=trial, kept=kept)

    assert mode.gateway_cpu_us_per_connection is None


def test_a_path_without_tls_is_an_error_and_no_zero():
    with pytest.raises(MeasurementError, match="no TLS handshake"):
        judged("full", [an_entry(1)._replace(handshake_us=None)], set())


def test_kept_connections_are_measured_before_and_after_the_new_ones():
    plans = handshake_plans(Handshake(arrival_rate=80, measure_s=12), "static")

    assert [stack for stack, _ in plans] == ["kept", "resumed", "full", "kept"]
    assert [plan.measure_s for _, plan in plans] == [2, 12, 12, 2]
    assert len({plan.name for _, plan in plans}) == 4
    assert {stack for stack, _ in plans} == set(handshake_variations())


def test_the_default_gives_enough_handshakes_of_each_kind_for_p99():
    settings = Handshake()

    assert settings.arrival_rate * settings.measure_s >= 1_000
