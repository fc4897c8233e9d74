"""The pages for users: they are linked, their links lead somewhere, and the README stays a first minute."""

import re
from pathlib import Path

import pytest

from bench.scenario import Scenario
from tests.docs.generate import stale
from tests.docs.models import parts_of

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
README_LINES = 150


def links(page: Path) -> list[str]:
    """Relative targets, without their anchors."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    return [target.split("#")[0] for target in targets if not target.startswith(("http", "#"))]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_link_leads_to_a_file(page):
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_each_page_is_linked_and_the_readme_is_read_in_a_minute():
    readme = Path("README.md")
    linked = {page.parent / target for page in PAGES for target in links(page)}

    assert linked >= set(PAGES[1:])
    assert len(readme.read_text().splitlines()) <= README_LINES


def test_what_the_pages_take_from_the_code_is_current():
    assert stale() == [], "run `make docs`"


def test_every_field_of_a_scenario_says_what_it_means():
    parts = parts_of(Scenario)

    assert [part.name for part in parts if not part.meaning] == []
    assert [f"{part.name}.{row.name}" for part in parts for row in part.rows if not row.meaning] == []
