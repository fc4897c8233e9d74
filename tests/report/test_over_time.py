"""Charts over time: what happened stands at its moment, what parts used beside it; values can be read."""

import html
import json
import re

import pandas as pd
import pytest

from bench.measure import TrialPlan, part_rows
from bench.report.build import build_document
from bench.report.timeline import over_time, parts_over_time
from bench.result import RunEvent, read_result
from bench.scenario import Constant
from bench.telemetry import PartSample
from tests.report.synthetic import make_run


def seconds(trial, count, bad=0):
    return pd.DataFrame(
        {
            "trial": trial,
            "label": trial,
            "second": range(count),
            "answered": 200,
            "bad": bad,
            "response_time_p50": [900 + number for number in range(count)],
            "response_time_max": 9_000,
        }
    )


def event(trial, at_s, kind, label):
    return RunEvent(trial=trial, at_s=at_s, kind=kind, label=label)


EVENTS = (
    event("static", 1.5, "config-update", "weights changed"),
    event("eds", 3.0, "certificate-rotation", "certificate rotated"),
    event("eds", 4.0, "abort", "nginx01 has died"),
    event("another load", 1.0, "fault", "not of these loads"),
)


def points(svg):
    (found,) = re.findall(r'data-points="([^"]*)"', svg)
    return {each["name"]: each for each in json.loads(html.unescape(found))}


def test_every_event_is_marked_with_its_words_and_in_the_text_of_the_picture():
    svg = over_time(pd.concat([seconds("static", 5), seconds("eds", 5)]), EVENTS)

    title = re.search(r"<title>(.*?)</title>", svg)[1]
    for each in EVENTS[:3]:
        assert f" {each.label}</text>" in svg
        assert each.label in title
    assert {"configuration changed", "certificate rotated", "load ended early"} <= set(
        re.findall(r">([^<]*)</text>", svg)
    )
    assert ">fault injected</text>" not in svg


def test_values_lie_where_they_are_drawn_and_are_said_with_their_units():
    found = points(over_time(seconds("static", 4)))

    assert set(found) == {"median of the second", "slowest of the second", "answered"}
    xs = [point[0] for point in found["median of the second"]["points"]]
    assert xs == sorted(xs)
    assert found["median of the second"]["points"][0][3] == "900 µs"
    assert {point[3] for point in found["answered"]["points"]} == {"200"}
    medians = found["median of the second"]["points"][0][1]
    slowest = found["slowest of the second"]["points"][0][1]
    # Further up is less in the picture's coordinates.
    assert slowest < medians


def test_a_line_is_switched_by_its_name():
    svg = over_time(seconds("static", 4))

    assert set(re.findall(r'data-series="([^"]*)"', svg)) == set(points(svg))


def test_what_parts_used_between_two_looks():
    plan = TrialPlan("block 1 static", "steady", "static", Constant(arrival_rate=1), 1)
    looks = (
        PartSample(10.0, "egress", 1.0, 1 << 20),
        PartSample(11.0, "egress", 1.5, 2 << 20),
        PartSample(13.0, "egress", None, 3 << 20),
        PartSample(14.0, "egress", 0.1, 3 << 20),
        PartSample(15.0, "egress", 0.05, 3 << 20),
    )

    rows = part_rows(plan, looks, 10.5)

    # Less than before is no negative use: a process has ended.
    assert [(row.at_s, row.cpus) for row in rows] == [(0.5, 0.5), (2.5, None), (3.5, None), (4.5, None)]
    assert rows[0].memory_bytes == 2 << 20


def test_each_part_has_its_line_for_cpu_and_memory():
    rows = pd.DataFrame(
        {
            "trial": "static",
            "at_s": [0.5, 0.5, 1.5, 1.5],
            "part": ["egress", "sleep"] * 2,
            "cpus": [0.5, 0.25, 0.6, None],
            "memory_bytes": [30 << 20, 20 << 20] * 2,
        }
    )

    svg = parts_over_time(rows)

    assert "egress at most 0.60 CPUs, 30 MiB; sleep at most 0.25 CPUs, 20 MiB" in svg
    assert [point[3] for point in points(svg)["sleep, CPU"]["points"]] == ["0.25 CPUs"]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"), rate=50, seconds=2)
    return build_document(folder, read_result(folder))


def test_every_picture_says_its_message_in_figures(document):
    charts = [part.svg for section in document.sections for part in section.parts if hasattr(part, "svg")]

    assert len(charts) == 4
    for svg in charts:
        title = re.search(r"<title>(.*?)</title>", svg)[1]
        assert len(re.findall(r"\d", title)) > 3, title
