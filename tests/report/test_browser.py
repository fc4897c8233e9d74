"""The page in a real browser: on a phone, a tablet and a screen, in light and dark, and on paper."""

import json
import subprocess
import sys

import pytest

from bench.report import write_report
from tests.report.browser import LOOKS, WIDTHS, find_browser
from tests.report.synthetic import make_run

pytestmark = [
    pytest.mark.skipif(find_browser() is None, reason="there is no Chromium on this machine"),
    pytest.mark.slow,
]

MOST_BYTES = 2_000_000
PATIENCE_S = 600


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    page = write_report(make_run(tmp_path_factory.mktemp("browser")))
    assert page.stat().st_size <= MOST_BYTES
    command = [sys.executable, "-m", "tests.report.browser", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_axe_has_nothing_to_say_at_any_width_and_in_either_scheme(seen):
    assert [(look["width"], look["scheme"]) for look in seen["looks"]] == LOOKS
    assert [look["violations"] for look in seen["looks"]] == [[]] * len(seen["looks"])


def test_the_page_never_scrolls_sideways(seen):
    assert {look["width"]: look["wider_by"] for look in seen["looks"]} == dict.fromkeys(WIDTHS, 0)


def test_the_page_loads_nothing(seen):
    assert [look["loaded"] for look in seen["looks"]] == [[]] * len(seen["looks"])


def test_the_page_prints_on_several_sheets(seen):
    assert 1 < seen["pdf_pages"] < 30


def test_a_chart_tells_its_values_and_a_series_can_be_switched_off(seen):
    touched = seen["touched"]

    assert touched["errors"] == []
    assert "response time" in touched["said"]
    assert any(unit in touched["said"] for unit in ("µs", "ms"))
    assert (touched["pressed"], touched["hidden"], touched["zooms"]) == ("false", "none", True)
