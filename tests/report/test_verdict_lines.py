"""The verdict on a screen: short beside figures, whole where there are none."""

import pytest

from bench.report.terminal import verdict_lines
from tests.analysis.test_judgements import WRONG, a_result, a_subset

PLACE = "/srv/shop-of-a-partner/istio/egress-gateway.yaml:46"
REASON = f"{'2 of 30 calls were wrong. ' * 8}Correct the Istio YAML at {PLACE}."


@pytest.mark.parametrize("has_load", [False, True])
def test_what_to_do_is_read_to_its_end_where_no_load_was_sent(has_load):
    totals = (a_subset(),) if has_load else ()
    result = a_result(state="aborted", reason=REASON, verification=(WRONG,), totals=totals)

    lines = verdict_lines(result)

    assert any(PLACE in line for line in lines) != has_load
    assert (len(lines) == 3) == has_load
