"""Real changes on a real path under real load."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from bench.analysis.verdict import judge
from bench.experiment.update import UpdateOptions, UpdateWay, measure_updates
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack import HotRestart
from bench.stack.backend import local_backend

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.nginx]


def test_hot_restarts_lose_nothing_and_every_envoy_counts(tmp_path):
    loaded = override(load_scenario(Path("scenarios/egress-mtls")), key="ecdsa-p256")
    ways = (UpdateWay("static", HotRestart(drain_s=1, end_s=2)),)
    options = UpdateOptions(
        tmp_path, "update", local_backend(), ways=ways, changes=2, arrival_rate=60, spacing_s=0.3
    )
    [found] = measure_updates(loaded, options, Mock()).result.update.sources

    assert (found.way, found.count, found.misrouted) == ("static-hot-restart", 2, 0)
    assert found.requests == found.at_gateway == found.at_nodes == found.by_counters > 0
    added, drained = found.changes
    assert added.accepted_s < added.first_new_s
    assert drained.last_old_s > 0
    # The first Envoy held them, and it has gone.
    assert added.connections_closed >= 1
    assert added.clients_disconnected >= 1
    assert added.handshakes >= 1


def test_changes_by_the_control_plane_and_by_files_lose_nothing(tmp_path):
    loaded = override(load_scenario(Path("scenarios/egress-mtls")), key="ecdsa-p256")
    options = UpdateOptions(
        tmp_path,
        "update",
        local_backend(),
        ways=(UpdateWay("static"), UpdateWay("ads-delta")),
        arrival_rate=60,
        spacing_s=0.3,
    )
    finished = measure_updates(loaded, options, Mock())
    assert judge(finished.result).state == "passed", judge(finished.result).sentence
    static, served = finished.result.update.sources
    for found in (static, served):
        assert (found.count, found.failed, found.misrouted) == (9, 0, 0)
        assert found.requests == found.at_gateway == found.at_nodes > 0
        assert all(change.accepted_s is not None for change in found.changes)
        added, *_, rotated = found.changes
        assert added.first_new_s is not None
        assert added.connections_opened >= 1
        assert rotated.name == "certificate rotated"
    assert static.control_memory_bytes is None
    assert all(change.acknowledged_s is not None for change in served.changes[:-1])
    assert served.control_memory_bytes > 0
    assert "The moment of an update" in (finished.folder / "report.md").read_text()
