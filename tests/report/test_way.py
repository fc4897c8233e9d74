"""The drawing of the way: every shape, from the result alone; what is unknown is said to be."""

import re
from pathlib import Path

import pytest

from bench.report.build import build_document
from bench.report.document import Table
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.sections.way import way as way_section
from bench.report.way import message, tall_picture, way_figures, wide_picture
from bench.result import (
    CapacityResult,
    CapacityWindow,
    ComponentCost,
    FaultsResult,
    HopTimes,
    LedgerResult,
    ReplicaShare,
    TlsLab,
    UpdateResult,
    Way,
    WayLink,
    WayPart,
    read_result,
)
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
A_SEARCH = CapacityResult(
    limit="p99 within 50 ms", config_source="static", lowest=50, highest=400, width=0.01
)
TIMES = HopTimes(samples=50, within_us=1000, sidecar_us=100, between_us=200, gateway_us=300, beyond_us=400)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return read_result(make_run(tmp_path_factory.mktemp("run"), rate=50, seconds=1))


def with_way(result, *, way=WAY, times=TIMES, at_nodes=None, at_gateways=None):
    counted = at_nodes if at_nodes is not None else {"nginx01": 30, "nginx02": 20}
    account = LedgerResult(
        level="counters", books=(), requests=50, at_nodes=counted, at_gateways=at_gateways or {}
    )
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


def with_replica(way):
    replica = WayPart(name="egress-2", role="gateway", address="10.0.0.10", replica_of="egress")
    twice = [
        link.model_copy(update={end: "egress-2"})
        for link in way.links
        for end in ("source", "target")
        if getattr(link, end) == "egress"
    ]
    parts = (*way.parts[:3], replica, *way.parts[3:])
    return way.model_copy(update={"parts": parts, "links": (*way.links, *twice)})


def test_each_of_several_gateways_has_its_count(plain):
    counted = with_way(plain, way=with_replica(WAY), at_gateways={"egress": 26, "egress-2": 24})

    figures = way_figures(counted)

    for picture in (wide_picture(figures), tall_picture(figures)):
        # Four steady trials.
        assert {"104 requests", "96 requests"} <= set(texts(picture))
    assert "egress had 104, egress-2 had 96" in message(figures)
    rows = next(part for part in way_section(figures).parts if isinstance(part, Table)).rows
    assert [row[4] for row in rows] == ["", "", "104", "96", "120", "80"]


def test_a_count_that_one_trial_does_not_know_is_left_out(plain):
    figures = way_figures(with_way(plain, way=with_replica(WAY), at_gateways={"egress": 26}))

    assert [box.requests for box in figures.layers[2]] == [104, None]
    assert "egress-2 had" not in message(figures)


def without_trials(result, **found):
    return result.model_copy(update={"trials": (), "totals": (), "way": WAY, **found})


@pytest.mark.parametrize(
    "found",
    [
        {"faults": FaultsResult(clean_runs=1)},
        {"update": UpdateResult(arrival_rate=200)},
        {"tls_lab": TlsLab(is_full=False)},
        {"capacity": A_SEARCH},
    ],
    ids=lambda found: next(iter(found)),
)
def test_every_kind_of_report_draws_the_way(plain, found):
    document = build_document_without_samples(without_trials(plain, **found))

    drawn = texts(document.drawing.wide)
    assert {"sleep", "egress", "nginx01", "10.0.0.9, port 80", "shows CN=they", "in mutual TLS"} <= set(drawn)
    # What such a run does not count is no gap in it.
    assert not [text for text in drawn if "–" in text or "unknown" in text or "not fully" in text]
    assert "way" in [section.anchor for section in document.sections]


def test_of_a_search_the_cost_up_to_its_bound_and_the_share_of_each_gateway_are_drawn(plain):
    def window(rate, cpu_us):
        parts = (("sleep", "sidecar"), ("egress", "egress"), ("nginx01", "node"), ("nginx02", "node"))
        costs = tuple(
            ComponentCost(
                component=name, role=role, cpu_seconds=cpu_us / 1e4, cpu_us_per_request=cpu_us, memory_bytes=1
            )
            for name, role in parts
        )
        return CapacityWindow(rate=rate, duration_s=1, sent=100, costs=costs, generator_share=0.1)

    shares = (
        ReplicaShare(component="egress", requests=510, share=0.51, low=0.5, high=0.52),
        ReplicaShare(component="egress-2", requests=490, share=0.49, low=0.48, high=0.5),
    )
    found = A_SEARCH.model_copy(
        update={"lower": 100, "windows": (window(100, 40), window(200, 90)), "replicas": shares}
    )

    figures = way_figures(without_trials(plain, capacity=found, way=with_replica(WAY)))

    drawn = texts(wide_picture(figures))
    assert "510 requests" in drawn
    assert "490 requests" in drawn
    assert "CPU 40 µs per request" in drawn


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
