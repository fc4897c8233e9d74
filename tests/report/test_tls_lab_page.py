"""The lab's page has every figure of the result, and nothing where nothing was measured."""

import pytest

from bench.report.build import build_document
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.terminal import summary_lines
from tests.report.synthetic_lab import STORM, cell, lab, lab_result, oracle


@pytest.fixture
def document(tmp_path):
    return build_document(tmp_path, lab_result(lab()))


def test_each_part_has_its_section(document):
    assert [section.anchor for section in document.sections][:7] == [
        "tls-matrix",
        "tls-clocks",
        "tls-sessions",
        "tls-pools",
        "tls-storms",
        "tls-refusals",
        "tls-mesh",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "rsa-4096",
        "5,000 ± 100",
        "4,200",
        "X25519",
        "9,500 … 9,900",
        "99 %",
        "gateway-restart",
        "not offer",
        "alert-handshake-failure (42)",
        "BoringSSL",
        "ISTIO_MUTUAL",
    ],
)
def test_every_figure_is_in_the_text_form(document, text):
    assert text in render_markdown(document).replace("\N{NO-BREAK SPACE}", " ")


def test_bars_and_law_are_drawn(document):
    page = render_html(document)

    assert "CPU of one new connection: rsa-4096 1.3 full: gateway 5 ms, nodes 4.7 ms." in page
    assert "The law of handshakes" in page


def test_a_cell_below_its_oracle_is_reported_as_an_error(tmp_path):
    below = lab(cells=(cell(oracle=(oracle(below=True),)),))

    text = render_markdown(build_document(tmp_path, lab_result(below)))

    assert "The measurement is in error" in text


def test_a_part_that_was_left_out_has_no_section(tmp_path):
    bare = lab(cells=(), reuse=(), reuse_events=(), pools=(), storms=(), refusals=())

    anchors = [section.anchor for section in build_document(tmp_path, lab_result(bare)).sections]

    assert [anchor for anchor in anchors if anchor.startswith("tls-")] == ["tls-mesh"]


def test_a_cell_without_figures_shows_none(tmp_path):
    broken = cell(
        fault="the node died",
        handshake_us=None,
        connection_us=None,
        gateway_cpu_us=None,
        node_cpu_us=None,
        clocks=(),
        clocks_agree=None,
        oracle=(),
    )

    document = build_document(tmp_path, lab_result(lab(cells=(broken,))))

    assert "the node died" in render_markdown(document)


def test_the_lab_fits_one_screen():
    lines = summary_lines(lab_result(lab(cells=(cell(),) * 32)), None)

    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines)
    assert any("rsa-4096 1.3 full" in line and "5,000 ±100" in line for line in lines)
    assert any("24 more cells" in line for line in lines)
    assert any("p99 back after 0.8 s, queue 61" in line for line in lines)


def test_a_storm_that_outlasts_its_run_says_so():
    lines = summary_lines(lab_result(lab(storms=(STORM.model_copy(update={"recovered_s": None}),))), None)

    assert any("gateway-restart: p99 not back within the run, queue" in line for line in lines)
