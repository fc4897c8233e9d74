"""A result folder is proven writable before anything is measured, and never overwritten."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.report.folder import prepare_folder

NOW = datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)


def test_the_name_holds_utc_time_scenario_and_run(tmp_path):
    local = NOW.astimezone(timezone(timedelta(hours=9)))

    folder = prepare_folder(tmp_path / "reports", "Egress mTLS/2", "ab12", local)

    assert folder == tmp_path / "reports" / "20261124T050607Z-egress-mtls-2-ab12"
    assert sorted(path.name for path in folder.iterdir()) == ["config", "logs", "samples"]


def test_an_existing_folder_is_refused(tmp_path):
    prepare_folder(tmp_path, "s", "1", NOW)

    with pytest.raises(InputError, match="never overwritten"):
        prepare_folder(tmp_path, "s", "1", NOW)


def test_a_file_in_the_way_is_an_input_error(tmp_path):
    (tmp_path / "reports").write_text("")

    with pytest.raises(InputError, match="--out"):
        prepare_folder(tmp_path / "reports", "s", "1", NOW)


def test_a_place_that_nothing_can_write_is_an_input_error():
    with pytest.raises(InputError, match="cannot be written here"):
        prepare_folder(Path("/proc/egress-bench-test"), "s", "1", NOW)
