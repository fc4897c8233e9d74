"""The comparison with recorded answers: both forms of cases, deliberate differences apart, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.analyze import main

SUBSET = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1, labels: {v: "1"}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec:
  host: api.test
  subsets: [{name: one, labels: {v: "1"}}, {name: two, labels: {v: "2"}}]
"""
REPORTED = """
- code: IST0173
  level: Error
  resource: DestinationRule api.shop
  message: The Subset %s defined in the DestinationRule does not select any pods.
"""


def case(folder: Path, name: str, expected: str, *, has_inventory: bool = False) -> None:
    """Write one case of either form."""
    root = folder / name
    root.mkdir(parents=True)
    (root / "input.yaml").write_text(SUBSET)
    if has_inventory:
        (root / "inventory.yaml").write_text("proxies: {a: {role: sidecar, ip: 10.0.0.1}}")
        root = root / "expected"
        root.mkdir()
        (root / "analyze.yaml").write_text(expected)
    else:
        (root / "expected.yaml").write_text(expected)


@pytest.mark.parametrize("has_inventory", [False, True])
def test_a_false_alarm_is_set_apart_and_a_real_one_must_be_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, has_inventory: bool
) -> None:
    case(tmp_path, "both", REPORTED % "one" + REPORTED % "two", has_inventory=has_inventory)

    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "1 deliberate difference(s)" in out
    assert "istioctl looks at Pods only" in out


@pytest.mark.parametrize(
    "expected",
    [
        "[]",
        REPORTED % "two" + "- {code: IST0101, level: Error, resource: VirtualService x.shop, message: m}",
        REPORTED % "two" + REPORTED % "two",
    ],
    ids=["reported here only", "reported there only", "reported there once more"],
)
def test_what_nothing_explains_fails(tmp_path: Path, expected: str) -> None:
    case(tmp_path, "one", expected)

    assert main([str(tmp_path)]) == 1


def test_a_folder_without_cases_is_not_a_success(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "gone")]) == 2
    assert main([]) == 2
