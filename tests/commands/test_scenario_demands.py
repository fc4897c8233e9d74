"""`check` refuses what `run` would refuse of a scenario, and knows the certificates of its nodes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.check import Level
from bench.commands.check import check_sources
from bench.commands.explanation import comes_as_expected, explain_folder
from bench.errors import InputError
from bench.explain.trace import Cause
from bench.preparation import prepare
from bench.scenario.load import load_scenario
from tests.support.command import run_main

SHIPPED = Path("scenarios/egress-mtls")
URL = "http://nginx.external.svc.cluster.local/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "scenario"))


def change(folder: Path, old: str, new: str, file: str = "scenario.yaml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def test_a_port_without_listener_and_a_file_that_nothing_makes_are_refused_by_both(folder: Path) -> None:
    change(folder, "url: http://nginx.external.svc.cluster.local/", f"url: {URL.removesuffix('/')}:81/")
    change(
        folder,
        "/etc/istio/egressgateway-certs/tls.crt",
        "/etc/istio/certs/other.crt",
        "istio/destination-rule.yaml",
    )

    found = [each for each in check_sources([folder]).findings if each.code == "EB0016"]

    assert {each.level for each in found} == {Level.ERROR}
    assert any("the client calls port 81" in each.reason for each in found)
    assert any(
        "/etc/istio/certs/other.crt, which neither exists nor is made" in each.reason for each in found
    )
    assert all(each.position.file.endswith("scenario.yaml") and each.position.line > 1 for each in found)
    with pytest.raises(InputError, match="the client calls port 81"):
        prepare(load_scenario(folder))


def test_a_name_that_no_certificate_bears_is_an_error_and_503(folder: Path) -> None:
    """The nodes' certificates are made by the suite, which therefore knows their names."""
    rule = folder / "istio" / "destination-rule.yaml"
    text = rule.read_text()
    mode = next(line for line in text.splitlines() if "mode: MUTUAL" in line)
    indent = mode[: len(mode) - len(mode.lstrip())]
    rule.write_text(text.replace(mode, f"{mode}\n{indent}subjectAltNames: [nobody.example]"))

    found = [each for each in check_sources([folder]).findings if each.code == "EB0118"]
    trace = explain_folder(folder, URL, headers=["want: v1"])

    at_gateway = [each for each in found if "at egress" in each.reason]
    assert {each.level for each in at_gateway} == {Level.ERROR}
    assert "egress demands nobody.example" in at_gateway[0].reason
    (ending,) = trace.endings()
    assert (ending.outcome.status, ending.outcome.flags, ending.outcome.cause) == (
        503,
        "UF",
        Cause.WRONG_NAME,
    )


@pytest.mark.parametrize(
    ("header", "expected", "fits"),
    [
        ("want: v1", "answered", True),
        ("want: v1", "192.168.0.63:443", True),
        ("want: v1", "192.168.0.64:443", False),
        ("want: v1", "503", False),
        ("want: v9", "404", True),
        ("want: v9", "egress", True),
        ("want: v9", "answered", False),
        ("want: v9", "closed", False),
    ],
)
def test_an_expectation_is_held_against_every_ending(header: str, expected: str, *, fits: bool) -> None:
    assert comes_as_expected(explain_folder(SHIPPED, URL, headers=[header]), expected) is fits


def test_explain_ends_with_1_only_on_demand_and_prints_json_alone(monkeypatch, capsys) -> None:
    asked = ["explain", SHIPPED, "--url", URL, "-H", "want: v9", "--json"]
    codes = []
    for more in ([], ["--expect", "answered"]):
        code, out, errors = run_main(monkeypatch, capsys, *asked, *more)
        codes.append(code)
        assert json.loads(out)["endings"][0]["cause"] == "no-route"
        assert errors == ""
    assert codes == [0, 1]
