"""What the traffic was is in the report; steps and ramps part by part; long tables stay readable."""

import re

import pandas as pd
import pytest

from bench.report import write_report
from bench.report.sections import load as section
from bench.report.sections.verification import verification
from bench.result import MixResult, TrafficResult, VerificationLine, read_result, write_result
from tests.report.synthetic import make_run


def traffic(**changes):
    return TrafficResult(
        **(
            {
                "url": "http://api.example/",
                "schedule": "steps",
                "rates": (100, 200),
                "connections": 16,
                "keep_alive": True,
                "requests_per_connection": None,
                "workers": 1,
                "warm_up_s": 2,
                "measure_s": 4,
                "mix": (MixResult(name="v1", share=1, request="GET http://api.example/", nodes=("n1",)),),
            }
            | changes
        )
    )


def seconds():
    return pd.DataFrame(
        {
            "second": [0, 1, 2, 3],
            "due": [100, 100, 200, 200],
            "answered": [100, 100, 200, 190],
            "bad": [0, 0, 0, 10],
            "response_time_p50": [900.0, 1100.0, 5000.0, None],
            "response_time_max": [2000.0, 3000.0, 9000.0, 8000.0],
        }
    )


@pytest.fixture
def result(tmp_path):
    return read_result(make_run(tmp_path, rate=60, seconds=2))


def table_of(found, first_column):
    return next(part for part in found.parts if getattr(part, "columns", ("",))[0] == first_column)


def test_steps_are_shown_step_by_step(result):
    found = section.load(result.model_copy(update={"traffic": traffic()}), seconds())

    assert table_of(found, "step").rows == (
        ("1", "0 – 2", "100", "200", "200", "0", "1,000", "3,000"),
        ("2", "2 – 4", "200", "400", "390", "10", "5,000", "9,000"),
    )
    assert table_of(found, "step").marks == ("good", "bad")


def test_a_ramp_is_shown_in_equal_parts_with_the_rates_at_their_ends(result):
    ramp = traffic(schedule="ramp", rates=(0, 800), measure_s=4)

    rows = table_of(section.load(result.model_copy(update={"traffic": ramp}), seconds()), "part").rows

    assert len(rows) == section.RAMP_PARTS
    assert (rows[0][1:4], rows[2][1:4]) == (("0 – 0.5", "0 – 100", "100"), ("1 – 1.5", "200 – 300", "100"))
    # No second begins in it: nothing is known, and nothing is made up.
    assert rows[1][3:] == ("0", "0", "0", "–", "–")


@pytest.mark.parametrize(
    ("schedule", "rates", "words"),
    [
        ("constant", (500,), "500 requests/s, evenly spaced"),
        ("poisson", (500,), "500 requests/s, independent arrivals (Poisson)"),
        ("jitter", (500,), "500 requests/s, evenly spaced with jitter"),
        ("ramp", (10, 500), "from 10 to 500 requests/s in a straight line"),
        ("steps", (10, 20), "10, 20 requests/s in equal steps"),
        ("closed", (), "closed loop: each connection sends when its last request is answered"),
    ],
)
def test_every_schedule_has_words(schedule, rates, words):
    assert section.schedule_text(traffic(schedule=schedule, rates=rates)) == words


def test_rate_connections_and_mix_are_on_the_page(tmp_path):
    folder = make_run(tmp_path, rate=60, seconds=2)
    many = MixResult(name="all", share=1, request="GET /", nodes=tuple(f"node{n}" for n in range(50)))
    found = read_result(folder).model_copy(update={"traffic": traffic(mix=(many,))})
    write_result(folder, found)

    page = write_report(folder).read_text()

    assert "100, 200 requests/s in equal steps" in page
    assert "16, kept open" in page
    assert "node5 and 44 more" in page


def test_a_run_without_handshakes_says_how_to_get_them(tmp_path):
    folder = make_run(tmp_path, rate=60, seconds=1, handshake=None)

    assert "run with --handshake" in write_report(folder).read_text()


def test_long_verification_tables_are_folded_by_kind_with_what_went_wrong_in_sight(result):
    lines = tuple(
        VerificationLine(
            stack="static",
            name=f"{kind} {n}",
            sent="",
            expected="",
            got="",
            node=None,
            passed=n != 7,
            kind=kind,
        )
        for kind in ("call", "matrix")
        for n in range(20)
    )

    parts = verification(result.model_copy(update={"verification": lines})).parts

    assert [(len(part.rows), part.folded) for part in parts] == [
        (1, ""),
        (20, "Calls of the scenario: 19 of 20 calls went as they must: static 19 of 20"),
        (1, ""),
        (20, "The request matrix: 19 of 20 calls went as they must: static 19 of 20"),
    ]


def test_every_cell_bears_its_heading_for_screens_without_room_for_columns(tmp_path):
    page = write_report(make_run(tmp_path, rate=60, seconds=1)).read_text()

    assert "content: attr(data-of)" in page
    assert not re.search(r"<td(?![^>]*data-of=)", page)
