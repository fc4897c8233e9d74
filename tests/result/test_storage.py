"""A result is on disk as a whole or not at all, and a foreign file is refused with advice."""

import json
import os

import pytest

from bench.errors import InputError
from bench.result import Fingerprint, Result, read_result, write_result

RESULT = Result(
    run_id="r1",
    scenario="test",
    description="",
    semantics="current",
    started_at="2026-01-02T03:04:05+00:00",
    finished_at=None,
    command="egress-bench run",
    state="aborted",
    reason="interrupted",
    fingerprint=Fingerprint(machine={}, versions={}, scenario_hash="", config_hashes={}, stack="local"),
)


def test_what_was_written_is_read_back(tmp_path):
    write_result(tmp_path, RESULT)
    write_result(tmp_path, RESULT.model_copy(update={"reason": "later"}))

    assert read_result(tmp_path).reason == "later"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_failed_write_leaves_the_earlier_result_alone(tmp_path, monkeypatch):
    write_result(tmp_path, RESULT)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_result(tmp_path, RESULT.model_copy(update={"reason": "lost"}))

    assert read_result(tmp_path) == RESULT
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_folder_that_is_gone_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="--out"):
        write_result(tmp_path / "gone", RESULT)


def a_total(**fields):
    counts = dict.fromkeys(("due", "sent", "answered", "unsent", "failed", "misrouted"), 0)
    times = {clock: {"samples": 0} for clock in ("response_time", "service_time", "lag")}
    return {"name": "all", **counts, **times, **fields}


def changed(**fields):
    return json.dumps(json.loads(RESULT.model_dump_json()) | fields)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", r"result\.json:1: this is not JSON"),
        ('{\n"schema_version": 1,\n', r"result\.json:3: this is not JSON"),
        ("[]", "names no schema_version"),
        ('{"schema_version": true}', "names no schema_version"),
        ('{"name": "other"}', "names no schema_version"),
        (
            changed(totals=[a_total(reasons={"odd:x": 1})]),
            "totals.0.reasons is not what .* there is no reason named odd",
        ),
        (changed(schema_version=99), "schema version 99.*Install a newer egress-bench"),
        (changed(schema_version=0), "schema version 0.*Name a folder"),
        (changed(state="great"), "state is not what schema version 2 says"),
        (changed(colour="red"), "colour is not what"),
        ('{"schema_version": 1}', "run_id is not what schema version 1 says"),
    ],
)
def test_a_file_that_is_not_a_result_is_refused_in_one_paragraph(tmp_path, text, what):
    (tmp_path / "result.json").write_text(text)

    with pytest.raises(InputError, match=what) as caught:
        read_result(tmp_path)

    assert str(caught.value).startswith(str(tmp_path / "result.json"))
    assert "\n" not in str(caught.value)


def test_a_missing_result_says_what_to_name_instead(tmp_path):
    with pytest.raises(InputError, match=r"there is no result.*egress-bench run"):
        read_result(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "result.json").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InputError, match="cannot be read"):
        read_result(tmp_path)
