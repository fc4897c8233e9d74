"""What `run` warns of before its load is a finding of `check`: the same place and words, by one rule."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.check import Level
from bench.commands.check import check_sources
from bench.errors import InputError
from bench.preparation import prepare
from bench.scenario.load import load_scenario
from tests.support.command import run_main

SHIPPED = Path("scenarios/egress-mtls")
ANY_SHAPE = Path("tests/measure/any_shape")
CODES = {
    "expectation-contradicted": "EB0017",
    "idle-node": "EB0018",
    "no-stand-in": "EB0019",
    "shares-of-connections": "EB0020",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ANY_SHAPE, tmp_path / "scenario"))


def change(folder: Path, *edits: tuple[str, str]) -> None:
    path = folder / "scenario.yaml"
    text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "scenario.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))


def findings(folder: Path) -> list[tuple[str, str, str]]:
    return [
        (each.code, str(each.position), each.reason)
        for each in check_sources([folder]).findings
        if each.code in CODES.values()
    ]


def warnings(folder: Path) -> list[tuple[str, str, str]]:
    """What `run` says."""
    prepared = prepare(load_scenario(folder))
    return [
        (CODES[each.code], str(each.where), each.what)
        for each in (*prepared.foreseen, *prepared.missing_stand_ins)
    ]


@pytest.mark.parametrize(
    ("edits", "code", "at", "level"),
    [
        pytest.param(
            [("http://web.example/", "http://nobody.example/")], "EB0017", "web:", Level.ERROR, id="no route"
        ),
        pytest.param(
            [('"http://web.example/"', '"http://web.example/", headers: {host: nobody.example}')],
            "EB0017",
            "web:",
            Level.ERROR,
            id="no route for the host header",
        ),
        pytest.param(
            [("https://api.pay.example/", "https://nobody.example/")],
            "EB0017",
            "pay:",
            Level.ERROR,
            id="no connection",
        ),
        pytest.param(
            [("clients: [sleep], expect: {nodes: [web1]}", "clients: [sleep], expect: {nodes: [rpc1]}")],
            "EB0017",
            "web:",
            Level.ERROR,
            id="another node than is expected",
        ),
        pytest.param(
            [("  rpc1:", '  idle: {plays: "10.9.9.9:80"}\n  rpc1:')],
            "EB0018",
            "idle",
            Level.WARNING,
            id="idle node",
        ),
        pytest.param(
            [
                ("  rpc1:", '  pay2: {plays: "10.9.9.9:443"}\n  rpc1:'),
                ('expect: {nodes: [pay1], body_contains: "pay1!"}', "expect: {shares: {pay1: 50, pay2: 50}}"),
            ],
            "EB0020",
            "pay:",
            Level.WARNING,
            id="shares of connections",
        ),
    ],
)
def test_what_run_foresees_is_found_at_its_line(folder, edits, code, at, level):
    assert findings(folder) == warnings(folder) == []

    change(folder, *edits)

    assert sorted(findings(folder)) == sorted(warnings(folder))
    found = [each for each in check_sources([folder]).findings if each.code == code]
    assert {each.level for each in found} == {level}
    assert all(each.remedy for each in found)
    assert {each.position.file for each in found} == {str(folder / "scenario.yaml")}
    assert line_of(folder, at) in {each.position.line for each in found}


def test_an_endpoint_that_no_node_plays_is_found_at_the_line_of_its_resource(tmp_path):
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "scenario"))
    change(
        folder,
        ('  nginx02: {plays: "192.168.0.64:443", page: v2}\n', ""),
        ("expect: {nodes: [nginx02],", "expect: {"),
    )

    (found,) = [each for each in check_sources([folder]).findings if each.code == "EB0019"]

    assert findings(folder) == warnings(folder)
    assert found.level is Level.WARNING
    assert found.position.file == str(folder / "istio" / "service-entry.yaml")
    assert found.resource.startswith("ServiceEntry ")
    assert found.reason.startswith("no node plays 192.168.0.64:443")


def test_a_request_that_is_called_a_subset_is_found_at_its_line_too(tmp_path):
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "scenario"))
    change(folder, ("expect: {nodes: [nginx02]", "expect: {nodes: [nginx01]"))

    (found,) = [each for each in check_sources([folder]).findings if each.code == "EB0017"]

    assert found.position.line == line_of(folder, "v2:")
    assert findings(folder) == warnings(folder)


def test_a_node_that_is_not_there_is_refused_at_the_line_of_the_subset_that_names_it(tmp_path):
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "scenario"))
    change(folder, ("expect: {nodes: [nginx02]", "expect: {nodes: [nobody]"))

    with pytest.raises(InputError, match="names node 'nobody'") as refused:
        load_scenario(folder)

    assert f"scenario.yaml:{line_of(folder, 'expect: {nodes: [nobody]')}" in str(refused.value)


@pytest.mark.parametrize("shipped", sorted(Path("scenarios").iterdir()), ids=lambda folder: folder.name)
def test_shipped_scenarios_are_as_they_expect(shipped):
    assert findings(shipped) == []


def test_a_request_that_cannot_get_its_answer_fails_the_command(folder, monkeypatch, capsys):
    change(folder, ("http://web.example/", "http://nobody.example/"))

    code, out, _ = run_main(monkeypatch, capsys, "check", folder, "--json")

    assert code == 1
    assert "EB0017" in {each["code"] for each in json.loads(out)["findings"]}


def test_an_address_that_no_container_can_dial_is_refused_by_both(folder):
    """Connections that are redirected know IPv4 only."""
    change(folder, ("traffic:\n", "traffic:\n  addresses: {api.pay.example: 2001:db8::7}\n"))
    text = (folder / "scenario.yaml").read_text()
    (folder / "scenario.yaml").write_text(text.replace("interception: none", "interception: redirect"))

    with pytest.raises(InputError, match="an address of IPv6") as refused:
        prepare(load_scenario(folder))

    reasons = {
        (each.position, each.reason)
        for each in check_sources([folder]).findings
        if each.code == "EB0016" and each.level is Level.ERROR
    }
    assert (refused.value.where, refused.value.what) in reasons
