"""Options of the whole test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let recorded files be written anew, for review."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the recorded translations anew instead of comparing",
    )
