"""The shipped scenarios: complete, sound, known by name, and part of the wheel."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.commands import check as checking
from bench.commands.envoy_validation import Validation
from bench.draft.targets import Surroundings, find_targets
from bench.errors import InputError
from bench.preparation import prepare
from bench.scenario.library import find_scenario, library, library_folder
from bench.scenario.load import load_scenario

NAMES = [each.name for each in library()]


def test_the_library_has_what_egress_is_made_of():
    assert {
        "canary",
        "direct",
        "egress-mtls",
        "many-hosts",
        "mesh-mtls",
        "mutual-tls-per-host",
        "payloads",
        "sni-passthrough",
        "tcp",
        "tls-simple",
        "wildcard",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_states_its_question_and_is_sound(name, monkeypatch):
    """`check` is content, every endpoint is played, and what is expected is what the YAML means."""
    monkeypatch.setattr(checking, "_by_envoy", lambda *_: Validation((), ()))
    folder = find_scenario(Path(name))
    assert "**Question.**" in (folder / "README.md").read_text()
    loaded = load_scenario(folder)
    assert loaded.scenario.name == name
    assert loaded.scenario.description
    prepared = prepare(loaded)
    assert prepared.missing_stand_ins == ()
    if name != "egress-mtls":  # which is about what Istio 1.0 did
        found = [each for each in checking.check_sources([folder]).findings if each.level.word != "info"]
        assert [str(each) for each in found] == []
    _agrees_with_the_second_opinion(prepared)


def _agrees_with_the_second_opinion(prepared) -> None:
    """Whatever `init` would find reachable is asked for, and expected of the same nodes."""
    scenario = prepared.loaded.scenario
    nodes = {each: name for name, node in scenario.nodes.items() for each in node.plays}
    around = Surroundings.of(prepared.registry, prepared.loaded.resources, is_intercepted=False)
    reached = find_targets(around)
    possible = {
        nodes[endpoint.address.lower(), endpoint.port]
        for target in reached.targets
        for destination in target.shares
        for endpoint in destination.endpoints
    }
    expected = {node for request in scenario.traffic.mix for node in request.expect.nodes}
    assert expected <= possible or not reached.targets


def test_a_folder_of_the_name_comes_first_and_an_unknown_name_is_said(tmp_path, monkeypatch):
    assert find_scenario(Path("canary")) == library_folder() / "canary"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary").mkdir()
    assert find_scenario(Path("canary")) == Path("canary")
    assert find_scenario(Path("./nowhere/canary")) == Path("nowhere/canary")
    with pytest.raises(InputError, match="no such folder"):
        load_scenario(find_scenario(Path("nowhere")))


def test_names_represent_folders_wherever_a_command_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench", "explain", "direct", "--url", "http://api.partner.example/"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "answered by api.partner.example:443" in done.stdout


def test_the_wheel_has_the_library(pytestconfig):
    """As ``library_folder`` looks for it in an installed package."""
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["scenarios"] == "bench/_scenarios"
