"""What ``check`` prints: paragraphs that fit a terminal, and lines that a log or an editor can search."""

from __future__ import annotations

import io
import json

import pytest

from bench.check import Finding, Level, RuleCase
from bench.console import Console
from bench.errors import Position
from bench.message import say
from bench.report.findings import finding_paragraph

FOUND = Finding(
    Level.ERROR,
    "EB0101",
    Position("shop/istio/virtual-service.yaml", 11),
    "VirtualService default/shop",
    say(
        RuleCase.INPUT,
        what="at egress, requests to shop.partners.svc.cluster.local:80 with want = v1 are sent to the "
        "cluster outbound|443|v1|shop.partners.svc.cluster.local, which does not exist: 503 NC.",
        remedy="Give the ServiceEntry a host of its own.",
    ),
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(out, **options):
    Console(stdout=out, stderr=io.StringIO(), **options).findings([FOUND])
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_paragraph_fits_the_terminal_and_hangs_below_its_heading(width):
    heading, place, *rest = finding_paragraph(FOUND, width=width)

    assert heading == "error EB0101 VirtualService default/shop"
    assert place == "  shop/istio/virtual-service.yaml:11"
    assert all(line.startswith("  ") for line in rest)
    assert max(map(len, rest)) <= min(width, 100)
    assert " ".join(" ".join(rest).split()) == f"{FOUND.reason} → {FOUND.remedy}"


def test_a_name_that_is_longer_than_the_terminal_stays_whole():
    lines = finding_paragraph(FOUND, width=40)

    assert any("outbound|443|v1|shop.partners.svc.cluster.local," in line for line in lines)


def test_a_terminal_gets_paragraphs_with_the_level_in_colour(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = printed(Terminal())

    assert text.startswith("\x1b[1;31merror\x1b[0m EB0101")
    assert text.count("\x1b[1;31m") == 1
    assert text.endswith("\n\n")


def test_a_terminal_without_colour_gets_none(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[1;31m" not in printed(Terminal())
    assert "[31m" not in printed(Terminal())


def test_a_log_gets_one_line_that_begins_with_file_and_line():
    text = printed(io.StringIO())

    assert text == f"{FOUND}\n"
    assert text.startswith("shop/istio/virtual-service.yaml:11: error EB0101 ")


def test_json_keeps_stdout_to_itself():
    out, err = io.StringIO(), io.StringIO()
    console = Console(stdout=out, stderr=err, as_json=True)
    console.findings([FOUND])
    console.document({"findings": 1})

    assert json.loads(out.getvalue()) == {"findings": 1}
    assert err.getvalue() == f"{FOUND}\n"


def test_drawings_are_as_wide_as_the_terminal_and_100_columns_in_a_log(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "72")

    assert Console(stdout=Terminal(), stderr=io.StringIO()).width == 72
    assert Console(stdout=io.StringIO(), stderr=io.StringIO()).width == 100
