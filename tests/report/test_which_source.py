"""When to use which config source: sentences from figures, and what would measure the others."""

import pytest

from bench.report.sections.which_source import which_source
from bench.result import ChangeResult, Comparison, UpdateResult, UpdatesOfSource, read_result
from tests.report.synthetic import make_run


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return read_result(make_run(tmp_path_factory.mktemp("run"), rate=50, seconds=1))


def sentences(result):
    return dict(which_source(result).pairs)


def blocks(metric, ratio, *, unit="µs", scope="load"):
    base = (100.0, 101.0, 99.0, 100.5, 99.5, 100.2, 99.8, 100.1)
    return Comparison(
        metric=metric, unit=unit, scope=scope, static=base, eds=tuple(value * ratio for value in base)
    )


def updates(source, closed, **more):
    change = ChangeResult(
        name="endpoint added",
        accepted_s=0.05,
        connections_closed=closed,
        p99_before_us=1_000,
        p99_after_us=1_500,
    )
    return UpdatesOfSource(
        config_source=source,
        changes=(change,),
        count=1,
        requests=100,
        at_gateway=100,
        at_nodes=100,
        failed=0,
        misrouted=0,
        **more,
    )


def test_what_was_not_measured_is_said_with_the_command_that_does(result):
    said = sentences(result.model_copy(update={"comparisons": (), "stack_ready_s": {}}))

    assert list(said) == ["at rest", "start", "memory", "changes", "so"]
    assert all("ot measured in this run" in said[name] for name in ("at rest", "start", "memory", "changes"))
    assert "egress-bench update" in said["so"]
    assert not any(word in said["so"] for word in ("Use static when", "Use EDS", "Use ADS"))


def test_a_difference_at_rest_an_equality_and_memory_are_told_from_the_blocks(result):
    compared = (
        blocks("response time p50", 1.2),
        blocks("gateway CPU per request", 1.0),
        blocks("gateway memory", 1.3, unit="bytes", scope="process"),
    )
    said = sentences(result.model_copy(update={"comparisons": compared}))

    assert "response time p50: eds 20 % higher than static" in said["at rest"]
    assert "equal within ±2%: gateway CPU per request" in said["at rest"]
    assert "gateway memory" not in said["at rest"]
    assert "one process each" in said["memory"]
    assert "static 1.21 s, EDS 1.34 s" in said["start"]
    assert "differ as described above" in said["so"]


def test_changes_say_when_to_use_which(result):
    update = UpdateResult(
        arrival_rate=200,
        sources=(updates("static", 8), updates("ads-delta", 0, control_memory_bytes=1 << 26)),
    )
    said = sentences(result.model_copy(update={"comparisons": (), "update": update}))

    assert "static: accepted after 50 ms (median), 8.0 connections closed per change" in said["changes"]
    assert "p99 1.50 ×" in said["changes"]
    assert "hot restart" not in said["so"]
    assert "Use static when changes are rare" in said["so"]
    assert "Use ADS delta when connections must outlive a change" in said["so"]


def test_a_hot_restart_is_told_by_when_requests_reach_it_and_is_no_way_to_keep_connections(result):
    restarted = updates("static", 1, is_hot_restart=True)
    reached = restarted.changes[0].model_copy(update={"first_new_s": 1.1})
    restarted = restarted.model_copy(update={"changes": (reached,)})
    update = UpdateResult(arrival_rate=200, sources=(updates("static", 8), restarted))
    said = sentences(result.model_copy(update={"comparisons": (), "update": update}))

    assert "hot restart: accepted after 50 ms (median)" in said["changes"]
    assert "reach the new one after 1.1 s (median)" in said["so"]
    assert "Use hot restart when" not in said["so"]
    assert "Use static when" not in said["so"]
