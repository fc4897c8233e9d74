"""A handshake figure that is not what it is called is never left without a warning."""

import pytest

from bench.analysis.handshake import doubts
from bench.analysis.latency import summarise_values
from bench.result import HandshakeMode, HandshakeResult


def a_result(*, name="full", agree=True, taken=(9_000,) * 40, gateway=4_500.0, node=5_000.0):
    mode = HandshakeMode(
        name=name,
        connections=40,
        handshakes=40,
        sessions_reused=3,
        of_other_kind=3,
        counts_agree=agree,
        tls_versions={},
        connect_time=summarise_values([]),
        handshake_time=summarise_values(taken),
        connections_per_request=1.0,
        gateway_cpu_us_per_request=None,
        node_cpu_us_per_request=None,
        gateway_cpu_us_per_connection=gateway,
        node_cpu_us_per_connection=node,
    )
    return HandshakeResult(
        key="rsa-4096",
        gateway_cpu_us_per_request_kept=None,
        node_cpu_us_per_request_kept=None,
        modes=(mode,),
    )


def test_handshakes_that_take_about_what_they_cost_raise_no_doubt():
    assert doubts(a_result()) == []


def test_a_mode_that_is_not_what_it_claims_is_named():
    (doubt,) = doubts(a_result(agree=False))

    assert doubt.code == "handshake-counts"
    assert "3 of them of the other kind" in doubt.message
    assert "full handshakes" in doubt.advice


def test_handshakes_that_waited_for_a_processor_are_no_measure_of_a_handshake():
    (doubt,) = doubts(a_result(taken=(121_000,) * 40))

    assert doubt.code == "handshake-waited"
    assert "took 121 ms at the median and cost 9.5 ms of CPU" in doubt.message


@pytest.mark.parametrize("changes", [{"gateway": None}, {"node": None}, {"taken": ()}])
def test_what_is_unknown_cannot_be_doubted(changes):
    assert doubts(a_result(**changes)) == []
