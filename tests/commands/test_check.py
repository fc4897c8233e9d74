"""``check`` and ``explain`` on folders: every form of output, exit codes, bad input, and a thousand hosts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from bench.check import Finding, Level, RuleCase
from bench.commands.check import CheckReport, check_sources, exit_code
from bench.commands.envoy_validation import Validation
from bench.commands.explanation import explain_folder
from bench.errors import InputError, Position
from bench.istio.problem import InvalidResourcesError
from bench.message import say
from tests.support.effort import growth

CASES = Path(__file__).parent.parent / "explain" / "cases"
BROKEN = CASES / "a-service-takes-the-place-of-the-service-entry"
SCENARIO = Path(__file__).parent.parent.parent / "scenarios" / "egress-mtls"


def check_folder(folder: Path) -> CheckReport:
    """Check one folder."""
    return check_sources([folder])


def finding(level: Level) -> Finding:
    """Give a finding of that level."""
    message = say(RuleCase.INPUT, what="It is.", remedy="Do.")
    return Finding(level, "EB0001", Position("a.yaml", 1), "Service a/b", message)


def test_a_broken_folder_is_reported_worst_first_with_file_and_line() -> None:
    report = check_folder(BROKEN)

    reported = report.worst_first()
    assert [each.level.word for each in reported] == ["error", "error", "warning"]
    assert {each.code for each in reported} == {"EB0101", "IST0101", "EB0001"}
    assert all(str(each.position).startswith(f"{BROKEN}/input.yaml:") for each in reported)
    assert report.summary() == "2 errors, 1 warning"
    assert exit_code(report) == 1


BYSTANDER = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "zz"},
    "spec": {"hosts": ["zz.test"], "http": [{"redirect": {"authority": "elsewhere.test"}}]},
}


@pytest.mark.parametrize("turned", [False, True])
def test_all_in_one_line_of_json_is_found_at_the_same_resources_as_in_lines_of_their_own(
    tmp_path: Path, turned: bool
) -> None:
    """There every resource begins in line 1."""
    items = [each for each in yaml.safe_load_all((BROKEN / "input.yaml").read_text()) if each]
    items = [*(items[::-1] if turned else items), BYSTANDER]
    whole = {"apiVersion": "v1", "kind": "List", "items": items}
    for name, text in (("lines.yaml", yaml.safe_dump_all(items)), ("compact.json", json.dumps(whole))):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(text)
        (tmp_path / name / "inventory.yaml").write_text((BROKEN / "inventory.yaml").read_text())

    expected, found = (
        sorted((each.level, each.code, each.resource) for each in check_folder(tmp_path / name).findings)
        for name in ("lines.yaml", "compact.json")
    )

    assert found == expected
    assert len({resource for _, _, resource in found}) > 1


def test_the_scenario_of_this_suite_has_no_finding_above_a_note() -> None:
    for folder in (SCENARIO, SCENARIO / "istio"):
        report = check_folder(folder)
        assert [(each.level.word, each.code) for each in report.findings] == [("info", "EB0001")]
        assert exit_code(report, "warning") == 0


@pytest.mark.parametrize(
    ("levels", "fail_on", "code"),
    [
        ([], "error", 0),
        ([Level.INFO, Level.WARNING], "error", 0),
        ([Level.INFO, Level.WARNING], "warning", 1),
        ([Level.INFO], "warning", 0),
        ([Level.INFO, Level.ERROR], "error", 1),
    ],
)
def test_the_exit_code_follows_the_worst_finding(levels: list[Level], fail_on: str, code: int) -> None:
    assert exit_code(CheckReport(tuple(map(finding, levels))), fail_on) == code  # type: ignore[arg-type]


def test_json_counts_and_lists() -> None:
    reported = json.loads(json.dumps(check_folder(BROKEN).document()))

    assert reported["summary"] == {"error": 2, "warning": 1, "info": 0}
    for each in reported["findings"]:
        assert set(each) == {"level", "code", "file", "line", "resource", "reason", "remedy"}
        assert each["line"] > 0


def test_sarif_has_the_form_that_code_hosts_read() -> None:
    """Version, driver, rules by index, levels, and places with a URI and a line (SARIF 2.1.0, §3)."""
    log = json.loads(json.dumps(check_folder(BROKEN).sarif(version="1.2.3")))

    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("egress-bench check", "1.2.3")
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"].startswith("file:///")
        assert physical["region"]["startLine"] >= 1


def test_a_relative_folder_gives_relative_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN.parent)
    run = check_folder(Path(BROKEN.name)).sarif(version="1")["runs"][0]

    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]}
    assert places == {f"{BROKEN.name}/input.yaml"}


def test_without_an_inventory_proxies_are_assumed_and_that_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text((BROKEN / "input.yaml").read_text())

    report = check_folder(tmp_path)

    assert {each.code for each in report.findings} == {"EB0001", "EB0101", "IST0101"}
    assert all(note.startswith("assumed: ") for note in report.notes)


def test_a_resource_that_a_cluster_refuses_is_a_finding_and_ends_explain(tmp_path: Path) -> None:
    text = (BROKEN / "input.yaml").read_text().replace("subset: v1}", "subset: v1, colour: red}")
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "inventory.yaml").write_text((BROKEN / "inventory.yaml").read_text())

    report = check_folder(tmp_path)

    refused = next(each for each in report.findings if each.code == "IST0106")
    assert refused.level is Level.ERROR
    assert "colour" in refused.reason
    assert report.notes
    with pytest.raises(InvalidResourcesError):
        explain_folder(tmp_path, "http://a.test/")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no Istio resource"),
        ({"a.txt": "x"}, "no Istio resource"),
        (
            {
                "inventory.yaml": "proxies: {}",
                "a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}",
            },
            "no Istio",
        ),
    ],
)
def test_a_folder_with_nothing_to_read_is_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(InputError, match=words):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.yaml": "kind: ["}, "error EB0012 not valid YAML"),
        ({"a.yaml": "- 1"}, "a.yaml:1: error EB0012 a resource is an object"),
        (
            {"inventory.yaml": "proxies: {a: {role: pilot, ip: 10.0.0.1}}"},
            "inventory.yaml:1: error EB0012 proxies.a.role",
        ),
        ({"inventory.yaml": "proxies: ["}, "inventory.yaml:2: error EB0012 not valid YAML"),
        ({"inventory.yaml": "semantics: current"}, "proxies is required"),
        ({"inventory.yaml": "- 1"}, "not a single YAML object"),
        ({"scenario.yaml": "name: x\nname: y"}, "scenario.yaml:2: error EB0012 the key"),
        ({"istio/b.yaml": b"\xff\xfe\x00"}, "not UTF-8"),
    ],
)
def test_files_that_cannot_be_read_are_findings_with_code_2_and_stop_explain(
    tmp_path: Path, files: dict[str, str | bytes], words: str
) -> None:
    (tmp_path / "istio").mkdir()
    (tmp_path / "istio" / "a.yaml").write_text((BROKEN / "input.yaml").read_text())
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    report = check_folder(tmp_path)

    assert words in str(report.findings[0])
    assert {each.code for each in report.findings} == {"EB0012"}
    assert exit_code(report) == 2
    assert report.sarif(version="1")["runs"][0]["results"]
    with pytest.raises(InputError, match=r"\.yaml:\d"):
        explain_folder(tmp_path, "http://a.test/")


@pytest.mark.parametrize("text", ["a: [1\nb: }", "apiVersion: v1\nkind: [1\nb: }"])
def test_a_file_of_broken_yaml_alone_is_reported_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "all.yaml").write_text(text)
    report = check_sources([tmp_path / "all.yaml"])

    (found,) = report.findings
    assert (found.code, found.position.file) == ("EB0012", str(tmp_path / "all.yaml"))
    assert "not valid YAML" in found.reason
    assert exit_code(report) == 2


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        check_folder(tmp_path / "gone")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: 1")
    (tmp_path / "a.yaml").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        check_folder(tmp_path)


def test_the_way_through_the_scenario_of_this_suite_ends_at_its_node() -> None:
    trace = explain_folder(SCENARIO, "http://nginx.external.svc.cluster.local/", headers=["want: v2"])

    (ending,) = trace.endings()
    assert ending.proxies == ("sleep", "egress")
    assert [each.address for each in ending.outcome.endpoints] == ["192.168.0.64:443"]


@pytest.mark.parametrize("command", ["check", "explain"])
def test_twice_the_hosts_take_twice_the_work(tmp_path: Path, monkeypatch, command: str) -> None:
    """Each host has a rule, and a policy that originates TLS; Envoy's own share is left out."""
    monkeypatch.setattr("bench.commands.check.validate", lambda *_: Validation((), ()))

    reports: list[CheckReport] = []

    def folder(hosts: int):
        root = tmp_path / f"{hosts}"
        root.mkdir(exist_ok=True)
        (root / "a.yaml").write_text("---\n".join(_host(number) for number in range(hosts)))
        (root / "inventory.yaml").write_text(
            "proxies:\n  client: {role: sidecar, ip: 10.1.0.5}\n"
            "  egress: {role: gateway, ip: 10.1.0.9, labels: {istio: egress}}\n"
        )
        if command == "check":
            return lambda: reports.append(check_folder(root))
        return lambda: explain_folder(root, "http://h5.test/")

    assert growth(folder, size=60 if command == "check" else 20) < 2.1
    assert all((report.findings, report.notes) == ((), ()) for report in reports)


def _host(number: int) -> str:
    return f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: h{number}}}
spec:
  hosts: [h{number}.test]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 192.0.2.1, labels: {{v: v1}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: h{number}}}
spec:
  hosts: [h{number}.test]
  http: [{{route: [{{destination: {{host: h{number}.test, subset: v1, port: {{number: 80}}}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: h{number}}}
spec:
  host: h{number}.test
  subsets: [{{name: v1, labels: {{v: v1}}}}]
  trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: /ca.crt}}}}
"""
