"""The lab measures only what makes the gateway shake hands, and says what it left out."""

from pathlib import Path

import pytest

from bench.errors import InputError, StackError
from bench.experiment.handshake import LabOptions, run_lab
from bench.experiment.handshake.lab.traffic import lab_traffic, nodes_of
from bench.preparation import prepare
from bench.result import read_result
from bench.scenario.load import load_scenario
from tests.experiment.test_run_flow import Diary
from tests.experiment.test_way import BACKEND, INSTRUMENTS
from tests.support.mixed_ways import drafted_mix


def test_of_a_mixed_scenario_only_tls_that_the_gateway_starts_is_measured(tmp_path):
    prepared = prepare(drafted_mix(tmp_path))
    assert set(prepared.loaded.scenario.traffic.requests) == {"api", "plain", "sni", "db", "direct"}

    found = lab_traffic(prepared)

    assert list(found.loaded.scenario.traffic.requests) == ["api"]
    assert set(found.left_out) == {"plain", "sni", "db", "direct"}
    (warning,) = found.warnings
    assert warning.code == "left-out-of-lab"
    assert all(name in warning.message for name in found.left_out)
    # A storm restarts a node that the load reaches.
    assert nodes_of(prepare(found.loaded)) == ("api",)


def test_the_result_says_what_was_left_out_and_shows_the_traffic_that_was_sent(tmp_path):
    options = LabOptions(out=tmp_path / "out", command="", backend=BACKEND, parts=("storms",))
    with pytest.raises(StackError):
        run_lab(drafted_mix(tmp_path), options, Diary(), instruments=INSTRUMENTS)

    (folder,) = (tmp_path / "out").iterdir()
    kept = read_result(folder)
    assert [each.name for each in kept.traffic.mix] == ["api"]
    assert "left-out-of-lab" in {each.code for each in kept.warnings}
    assert {part.name for part in kept.way.parts if part.role == "node"} == {"api"}


@pytest.mark.parametrize(
    "name", ["egress-mtls", "mesh-mtls", "tls-simple", "canary", "wildcard", "many-hosts"]
)
def test_a_scenario_whose_gateway_starts_all_tls_is_measured_whole(name):
    prepared = prepare(load_scenario(Path("scenarios") / name))

    found = lab_traffic(prepared)

    assert found.loaded is prepared.loaded
    assert found.warnings == ()


@pytest.mark.parametrize("name", ["direct", "sni-passthrough", "tcp"])
def test_a_scenario_without_a_handshake_of_its_gateway_is_refused_before_anything_starts(name, tmp_path):
    loaded = load_scenario(Path("scenarios") / name)
    options = LabOptions(out=tmp_path / "out", command="", backend=BACKEND)

    with pytest.raises(
        InputError, match=rf"scenarios/{name}/scenario\.yaml:\d+: no request of this scenario"
    ):
        run_lab(loaded, options, Diary(), instruments=INSTRUMENTS)

    assert not (tmp_path / "out").exists()


def test_parts_with_paths_of_their_own_take_any_scenario(tmp_path):
    options = LabOptions(out=tmp_path / "out", command="", backend=BACKEND, parts=("sessions",))

    with pytest.raises(StackError):
        run_lab(load_scenario(Path("scenarios/tcp")), options, Diary(), instruments=INSTRUMENTS)
