"""The comparison with recorded verdicts can fail, and says what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conformance import validation

GOOD = """\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a}
spec: {address: 10.0.0.1}
"""


def entry(name: str, document: str, *, accepted: bool, stage: str = "none") -> dict[str, object]:
    return {"name": name, "document": document, "accepted": accepted, "stage": stage, "warnings": []}


def write(folder: Path, *entries: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "WorkloadEntry.yaml").write_text(yaml.safe_dump(list(entries)))


def test_agreement_ends_with_zero_and_more_is_read_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, entry("good", GOOD, accepted=True))
    write(tmp_path / "more", entry("bad", GOOD.replace("10.0.0.1", "a_b"), accepted=False, stage="webhook"))

    assert validation.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:4] == ["all", "2", "2", "2"]


def test_a_verdict_that_differs_is_shown_with_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        entry("taken here", GOOD, accepted=False, stage="webhook"),
        entry("refused here", GOOD.replace("10.0.0.1", "a_b"), accepted=True),
    )

    assert validation.main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "DIFFERS WorkloadEntry, taken here: Istio refuses (webhook), here accepts" in out
    assert "DIFFERS WorkloadEntry, refused here: Istio accepts, here refuses (webhook)" in out
    assert "spec.address" in out


def test_a_stage_that_differs_is_shown_and_does_not_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, entry("bad", GOOD.replace("10.0.0.1", "a_b"), accepted=False, stage="schema"))

    assert validation.main([str(tmp_path)]) == 0
    assert "stage WorkloadEntry, bad: Istio schema, here webhook" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nowhere at all"], ["a", "b"]])
def test_nothing_to_compare_is_not_a_success(arguments: list[str]) -> None:
    assert validation.main(arguments) == 2


def test_an_empty_folder_is_not_a_success(tmp_path: Path) -> None:
    assert validation.main([str(tmp_path)]) == 2
