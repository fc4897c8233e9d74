"""Numbers beyond reason are refused where they are written, with the bound."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.scenario.models import Traffic
from bench.scenario.traffic import Connections, Constant, Ramp, Steps

TRAFFIC = {
    "client": "sleep",
    "gateway": "egress",
    "url": "http://web.test/",
    "subsets": {"v1": {"expect": {"nodes": ["nginx01"]}}},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"measure_s": 604_800.1},
        {"measure_s": float("inf")},
        {"measure_s": float("nan")},
        {"measure_s": 1e300},
        {"warm_up_s": 1e9},
        {"blocks": 10_001},
        {"workers": 10**9},
        {"schedule": {"kind": "constant", "arrival_rate": 1e8}},
    ],
)
def test_traffic_beyond_reason_is_refused(changes):
    with pytest.raises(ValidationError, match=r"less than or equal|finite"):
        Traffic(**(TRAFFIC | changes))


def test_more_requests_than_can_be_numbered_are_refused():
    with pytest.raises(ValidationError, match="more than 10,000,000,000 requests in a stage"):
        Traffic(**(TRAFFIC | {"schedule": {"arrival_rate": 1e6, "kind": "constant"}, "measure_s": 100_000}))


def test_a_week_at_ten_thousand_a_second_is_not():
    traffic = Traffic(
        **(TRAFFIC | {"schedule": {"arrival_rate": 1e4, "kind": "constant"}, "measure_s": 604_800})
    )
    assert traffic.measure_s == 604_800


@pytest.mark.parametrize(
    "make",
    [
        lambda: Connections(count=10**9),
        lambda: Connections(read_timeout_s=1e12),
        lambda: Constant(arrival_rate=1e12),
        lambda: Ramp(kind="ramp", from_rate=1e12, to_rate=1),
        lambda: Steps(kind="steps", rates=(1.0,) * 1001),
    ],
)
def test_so_are_rates_connections_and_timeouts(make):
    with pytest.raises(ValidationError):
        make()


@pytest.mark.parametrize("url", ["http://web.test/a b", "http://web.test/?q=ä"])
def test_a_path_that_cannot_be_sent_is_refused(url):
    with pytest.raises(ValidationError, match="is not allowed in a path"):
        Traffic(**(TRAFFIC | {"url": url}))
