"""Real changes on a real path under real load."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from bench.analysis.verdict import judge
from bench.experiment.update import UpdateOptions, measure_updates
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.backend import local_backend

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]


def test_changes_by_the_control_plane_and_by_files_lose_nothing(tmp_path):
    loaded = override(load_scenario(Path("scenarios/egress-mtls")), key="ecdsa-p256")
    options = UpdateOptions(
        tmp_path, "update", local_backend(), sources=("static", "ads-delta"), arrival_rate=60, spacing_s=0.3
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
