"""The drawing of the way: every shape, from the result alone; what is unknown is said to be."""

import re
from pathlib import Path

import pytest

from bench.report.build import build_document
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.way import message, tall_picture, way_figures, wide_picture
from bench.result import HopTimes, LedgerResult, Way, WayLink, WayPart, read_result
from tests.report.synthetic import make_run

WAY = Way(
    parts=(
        WayPart(name="sleep", role="client"),
        WayPart(name="sleep", role="sidecar", address="10.0.0.5"),
        WayPart(name="egress", role="gateway", address="10.0.0.9"),
        WayPart(name="nginx01", role="node", address="192.168.0.63:443"),
        WayPart(name="nginx02", role="node", address="192.168.0.64:443"),
    ),
    links=(
        WayLink(
            source="sleep",
            source_role="client",
            target="sleep",
            target_role="sidecar",
            port=80,
            carries="http",
            tls="none",
        ),
        WayLink(
            source="sleep",
            source_role="sidecar",
            target="egress",
            target_role="gateway",
            port=80,
            carries="http",
            tls="none",
        ),
        *(
            WayLink(
                source="egress",
                source_role="gateway",
                target=node,
                target_role="node",
                port=443,
                carries="http",
                tls="mutual",
                shown_by_source="CN=we,O=x",
                shown_by_target="CN=they,O=x",
            )
            for node in ("nginx01", "nginx02")
        ),
    ),
)
TIMES = HopTimes(samples=50, within_us=1000, sidecar_us=100, between_us=200, gateway_us=300, beyond_us=400)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return read_result(make_run(tmp_path_factory.mktemp("run"), rate=50, seconds=1))


def with_way(result, *, way=WAY, times=TIMES, at_nodes=None):
    counted = at_nodes if at_nodes is not None else {"nginx01": 30, "nginx02": 20}
    account = LedgerResult(level="counters", books=(), requests=50, at_nodes=counted)
    trials = tuple(
        each.model_copy(update={"hop_times": times, "ledger": account})
        if each.experiment == "steady"
        else each
        for each in result.trials
    )
    return result.model_copy(update={"way": way, "trials": trials})


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)", svg)


def test_names_ports_counts_certificates_cpu_and_time_are_drawn(plain):
    figures = way_figures(with_way(plain))

    for picture in (wide_picture(figures), tall_picture(figures)):
        drawn = texts(picture)
        assert {"sleep", "egress", "nginx01", "nginx02", "10.0.0.9, port 80", "192.168.0.63:443"} <= set(
            drawn
        )
        # Four steady trials.
        assert {"120 requests", "80 requests", "shows CN=we", "shows CN=they"} <= set(drawn)
        assert any(text.startswith("in the gateway 300 µs (30%)") for text in drawn)
        assert any(re.fullmatch(r"CPU [\d.]+ µs per request", text) for text in drawn)
        assert "Time: 1 ms, mean of 200 requests" in drawn


def test_the_text_of_the_picture_is_its_message(plain):
    figures = way_figures(with_way(plain))

    said = message(figures)

    assert "nginx01 had 120, nginx02 had 80" in said
    assert "by HTTP in mutual TLS" in said
    assert "in the gateway 300 µs" in said
    assert f"<title>{said}</title>" in wide_picture(figures)
    assert said in render_markdown_plain(with_way(plain))


def render_markdown_plain(result):
    document = build_document_without_samples(result)
    return render_markdown(document).replace("\\", "")


def build_document_without_samples(result):
    return build_document(Path("/nowhere"), result)


def test_what_is_unknown_is_never_zero(plain):
    unknown = with_way(plain, times=None, at_nodes={"nginx01": 30})
    costless = tuple(each.model_copy(update={"costs": ()}) for each in unknown.trials)

    figures = way_figures(unknown.model_copy(update={"trials": costless}))

    drawn = texts(wide_picture(figures))
    assert "– requests" in drawn
    assert "CPU – per request" in drawn
    assert any("Time by part: unknown" in text for text in drawn)
    assert any("not fully measured" in text for text in drawn)
    assert not [text for text in drawn if re.search(r"\b0 (µs|requests)", text)]


def test_a_result_of_before_is_drawn_from_its_parts(plain):
    figures = way_figures(plain)

    assert [[box.part.name for box in layer] for layer in figures.layers] == [
        ["sidecar"],
        ["sidecar"],
        ["egress"],
        ["nginx01", "nginx02"],
    ]
    # Who is connected to whom is not known: every part of a layer with every part of the next one.
    assert wide_picture(figures).count("<path") == 2 * 4


def test_few_sampled_requests_make_no_figure(plain):
    few = TIMES.model_copy(update={"samples": 4})

    assert way_figures(with_way(plain, times=few)).times is None


def test_many_nodes_are_counted_and_not_all_drawn(plain):
    nodes = tuple(WayPart(name=f"n{number}", role="node") for number in range(40))
    many = WAY.model_copy(update={"parts": (*WAY.parts[:3], *nodes)})

    drawn = texts(wide_picture(way_figures(with_way(plain, way=many))))

    assert "and 35 more" in drawn
    assert "n39" not in drawn


def test_markup_in_names_stays_text(plain):
    parts = (*WAY.parts[:3], WayPart(name="<script>alert(1)</script>", role="node"))
    marked = with_way(plain, way=WAY.model_copy(update={"parts": parts}))

    page = render_html(build_document_without_samples(marked))

    assert "<script>alert" not in page
