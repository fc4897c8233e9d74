"""Envoy's own word on the translation: what it refuses is a finding at the line that asked for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from bench.check.envoy_validation import refusal_of
from bench.check.finding import Finding
from bench.commands import check as checking
from bench.commands.check import CheckReport, check_sources, exit_code
from bench.errors import StackError

pytestmark = pytest.mark.envoy

GOLDEN = Path(__file__).parent.parent / "golden" / "translate"
CASES = Path(__file__).parent.parent / "explain" / "cases"
INVENTORY = """
proxies:
  client: {role: sidecar, namespace: default, ip: 10.1.0.5, interception: none}
  egress: {role: gateway, namespace: edge, labels: {istio: egress}, ip: 10.1.0.9, interception: none}
"""
HEAD = "apiVersion: networking.istio.io/v1\n"
BASE = f"""{HEAD}kind: ServiceEntry
metadata: {{name: api}}
spec:
  hosts: [api.test, other.test]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 192.0.2.1}}]
---
"""
RULE = f"""{HEAD}kind: VirtualService
metadata: {{name: api}}
spec:
  hosts: [api.test]
  http:
  - match: [{{uri: {{prefix: /fine}}}}]
    route: [{{destination: {{host: api.test}}}}]
  - headers: {{request: {{set: {{x-a: "%NOPE%"}}}}}} # refused
    route: [{{destination: {{host: api.test}}}}]
"""
POLICY = f"""{HEAD}kind: DestinationRule
metadata: {{name: api}}
spec:
  host: api.test
  trafficPolicy: # refused
    loadBalancer: {{consistentHash: {{httpHeaderName: x, ringHash: {{minimumRingSize: 9000000}}}}}}
"""
SERVER = f"""{HEAD}kind: Gateway
metadata: {{name: door, namespace: edge}}
spec:
  selector: {{istio: egress}}
  servers:
  - port: {{number: 444, name: fine, protocol: HTTPS}}
    hosts: [other.test]
    tls: {{mode: SIMPLE, serverCertificate: /no/such/file, privateKey: /none/either}}
  - port: {{number: 443, name: https, protocol: HTTPS}} # refused
    hosts: [api.test]
    tls:
      {{mode: MUTUAL, serverCertificate: /a, privateKey: /b, caCertificates: /c, verifyCertificateHash: [zz]}}
"""


def refusals(folder: Path, text: str) -> list[Finding]:
    """Check *text* in a new folder; give what is said in Envoy's name."""
    (folder / "in.yaml").write_text(text)
    (folder / "inventory.yaml").write_text(INVENTORY)
    return [each for each in check_sources([folder]).findings if each.code == "EB0108"]


@pytest.mark.parametrize(
    ("text", "resource", "reason", "count"),
    [
        (RULE, "VirtualService default/api", "client: Not supported field in StreamInfo: NOPE.", 1),
        (POLICY, "DestinationRule default/api", "MinimumRingSize of RingHashLbConfig: value must be", 2),
        (SERVER, "Gateway edge/door", "VerifyCertificateHash[0] of CertificateValidationContext: value", 1),
    ],
)
def test_what_envoy_refuses_is_an_error_at_the_line_that_asked_for_it(
    tmp_path: Path, text: str, resource: str, reason: str, count: int
) -> None:
    found = refusals(tmp_path, BASE + text)

    assert len(found) == count, found
    assert found[0].resource == resource
    assert reason in found[0].reason
    line = (tmp_path / "in.yaml").read_text().splitlines()[found[0].position.line - 1]
    assert line.endswith("# refused")
    assert exit_code(CheckReport(tuple(found))) == 1


def test_the_culprit_is_found_among_hundreds_with_few_envoys(tmp_path: Path, monkeypatch) -> None:
    more = "".join(
        BASE.replace("name: api", f"name: h{n}").replace("api.test, other.test", f"h{n}.test")
        for n in range(300)
    )
    started = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *given, **more: started.append(given) or run(*given, **more)
    )
    found = refusals(tmp_path, BASE + more + RULE)

    assert [each.resource for each in found] == ["VirtualService default/api"]
    # Two proxies, and halving after halving of some hundreds of parts.
    assert len(started) < 40


@pytest.mark.parametrize("folder", [*GOLDEN.iterdir(), *CASES.iterdir()], ids=lambda folder: folder.name)
def test_envoy_refuses_nothing_that_runs_although_no_certificate_exists(folder: Path) -> None:
    """Real Envoys run with the translation of each of these cases elsewhere in these tests."""
    report = check_sources([folder])

    assert [each for each in report.findings if each.code == "EB0108"] == []
    assert not [note for note in report.notes if "Envoy" in note]


def test_without_envoy_the_rest_is_checked_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise StackError("there is no envoy.", remedy="Install it.")

    monkeypatch.setattr(checking, "untried_envoy", lambda: None)
    monkeypatch.setattr(checking, "find_envoy", none)
    (tmp_path / "in.yaml").write_text(BASE + RULE)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    report = check_sources([tmp_path])

    assert report.notes == ("Envoy did not validate the translation: there is no envoy. Install it.",)
    assert exit_code(report) == 0


@pytest.mark.parametrize(
    ("program", "note"),
    [("echo boom >&2; exit 134", "it ended with code 134: boom"), ("exit 1", "it wrote nothing")],
)
def test_an_envoy_that_ends_without_a_verdict_accuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, note: str
) -> None:
    envoy = tmp_path / "envoy"
    envoy.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\n{program}\n")
    envoy.chmod(0o755)
    monkeypatch.setattr(checking, "untried_envoy", lambda: envoy)
    monkeypatch.setattr(checking, "find_envoy", lambda: type("Found", (), {"path": envoy}))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "in.yaml").write_text(BASE)
    (folder / "inventory.yaml").write_text(INVENTORY)
    report = check_sources([folder])

    assert report.findings == ()
    assert len(report.notes) == len(yaml.safe_load(INVENTORY)["proxies"])
    assert all(note in each for each in report.notes)
    assert len((tmp_path / "asked").read_text().split()) == len(report.notes), "each is asked for once"


def test_an_envoy_that_does_not_run_here_leaves_the_verdict_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "envoy"
    broken.write_bytes(b"of another machine")
    broken.chmod(0o755)
    monkeypatch.setattr(checking, "untried_envoy", lambda: broken)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "in.yaml").write_text(BASE + RULE)
    (folder / "inventory.yaml").write_text(INVENTORY)
    report = check_sources([folder])

    assert report.notes == ()
    assert {each.code for each in report.findings} >= {"EB0108"}


def test_a_long_constraint_is_reported_by_field_and_rule() -> None:
    said = (
        "static_resources { ... }\n: Proto constraint validation failed (BootstrapValidationError.Static: "
        "embedded message failed validation | caused by RingValidationError.Size: value must be small)"
    )

    assert refusal_of(said).text == "Size of Ring: value must be small."
    assert refusal_of("Duplicate entry of domain a\n").text == "Duplicate entry of domain a."
    assert len(refusal_of("x" * 5000).text) <= 401
