"""A report shows what the result says, opens offline, and can be made from any result."""

import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from bench.analysis.latency import merge, summarise, summarise_values
from bench.errors import InputError, MeasurementError
from bench.report.build import build_document, write_report
from bench.report.document import Document, Note, Section
from bench.report.html import render_html
from bench.report.samples import read_blobs
from bench.result import (
    Comparison,
    FailureExample,
    Latency,
    LimitCheck,
    RunWarning,
    SubsetResult,
    VerificationLine,
    read_result,
    write_result,
)
from tests.report.synthetic import make_run

VOID = {"meta", "link", "br", "use", "path", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting, collects what a browser would load, ids, links and visible text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.ids, self.anchors, self.loads, self.words = [], [], [], [], []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in named:
            self.ids.append(named["id"])
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "data", "action", "srcset"}:
                (self.anchors if value.startswith("#") else self.loads).append(value)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"), rate=200, seconds=6)
    write_report(folder)
    return folder


@pytest.fixture
def folder(run, tmp_path):
    """A copy that a test may change: also what happens when a result is taken to another machine."""
    return shutil.copytree(run, tmp_path / "elsewhere")


def page_after(folder, **changes):
    write_result(folder, read_result(folder).model_copy(update=changes))
    return Page(write_report(folder).read_text())


def test_the_page_is_one_file_that_loads_nothing(run):
    source = (run / "report.html").read_text()

    page = Page(source)

    assert page.loads == ["data:,"]
    # One script of our own, which loads nothing either.
    assert source.count("<script") == source.count("<script>") == 1
    assert not re.search(r"https?:|//[a-z]|@import|import\(|fetch|XMLHttp|url\((?!#)", source)
    assert len(source) < 2_000_000
    # Two of them are one drawing: for screens and for phones.
    assert source.count("<svg") == 6


def test_every_link_on_the_page_leads_somewhere_and_ids_are_unique(run):
    page = Page((run / "report.html").read_text())

    assert {anchor[1:] for anchor in page.anchors} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    referenced = set(re.findall(r"url\(#([^)]+)\)", (run / "report.html").read_text()))
    assert referenced <= set(page.ids)


def test_charts_take_their_colours_from_the_page_so_that_dark_mode_reaches_them(run):
    source = (run / "report.html").read_text()

    charts = "".join(re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL))

    assert set(re.findall(r"#[0-9a-fA-F]{6}\b", charts)) <= {"#000000"}
    assert "var(--series-1)" in charts
    used = set(re.findall(r"var\((--[\w-]+)\)", charts))
    assert all(source.count(f"{name}:") >= 2 for name in used)


def test_full_and_resumed_handshakes_are_distinguished_wherever_they_are_reported(run):
    document = build_document(run, read_result(run))

    answer = next(answer for answer in document.answers if answer.question == "TLS handshake")
    assert re.search(r"A full handshake takes 8\.\d+ ms .* costs 4\.35 ms of CPU in the gateway", answer.text)
    assert re.search(
        r"A resumed handshake takes 1\.0\d ms .* costs 525 µs of CPU in the gateway", answer.text
    )
    assert [figure.label for figure in document.figures[3:]] == [
        "full handshake p50",
        "resumed handshake p50",
        "CPU, full handshake",
        "CPU, resumed handshake",
    ]
    assert document.figures[5].value == "4.35 ms"
    assert document.figures[6].value == "525 µs"


def test_each_verification_call_is_one_row_with_its_stacks_side_by_side(folder):
    result = read_result(folder)
    lines = [*result.verification]
    wrong = lines.index(next(line for line in lines if (line.stack, line.name) == ("eds", "no header")))
    lines[wrong] = lines[wrong].model_copy(update={"got": "503 from a proxy", "passed": False})
    lines.append(lines[0].model_copy(update={"stack": "third"}))

    page_after(folder, verification=tuple(lines))

    table = (folder / "report.md").read_text().split("## Verification")[1].split("##")[0]
    rows = [row for row in table.splitlines() if row.startswith("|")]
    assert rows[0] == "| call | sent | expected | static | eds | third |"
    assert len(rows) == 2 + len(lines) // 2
    assert "| want: v1 | GET / want: v1 | 200 v1! | ✓ 200 v1! (nginx01) | ✓ 200 v1! (nginx01) |" in rows[2]
    assert rows[2].endswith("| ✓ 200 v1! (nginx01) |")
    assert rows[4] == "| no header | GET / | 404 | ✓ 404 | ✗ 503 from a proxy | – |"


def test_the_byline_names_envoys_version_and_the_fingerprint_its_build(folder):
    fingerprint = read_result(folder).fingerprint
    envoy = "1.40.0 (commit 9e5580933739, Clean, RELEASE, BoringSSL)"
    page = page_after(
        folder,
        fingerprint=fingerprint.model_copy(update={"versions": {"envoy": envoy, "nginx": "1.22.1"}}),
    )

    assert "Envoy 1.40.0 nginx 1.22.1" in page.text
    assert f"envoy {envoy}" in page.text


def test_handshakes_that_waited_are_marked_where_their_time_is(folder):
    result = read_result(folder)
    full, resumed = result.handshake.modes
    slow = full.model_copy(update={"handshake_time": summarise_values([121_000] * 1_050)})

    page = page_after(folder, handshake=result.handshake.model_copy(update={"modes": (slow, resumed)}))

    assert "full handshake p50 121 ms 1,050 samples, doubtful" in page.text
    assert page.text.count("they waited for a processor") == 2
    assert "gateway, doubtful" not in page.text


def test_the_cost_of_a_part_is_never_a_mean_of_unlike_handshake_trials(folder):
    result = read_result(folder)
    trial = result.trials[-1]
    costs = {"kept connections": 300.0, "full handshakes": 5_000.0}
    trials = tuple(
        trial.model_copy(
            update={
                "name": name,
                "costs": (trial.costs[1].model_copy(update={"cpu_us_per_request": cost}),),
            }
        )
        for name, cost in costs.items()
    )

    page = page_after(folder, trials=(result.trials[0], *trials))

    section = page.text.split("CPU is the user and system time")[1]
    assert "part role steady, static kept connections full handshakes peak memory" in section
    assert re.search(r"egress egress \d+ 300 5,000", section)


def test_what_the_generator_adds_by_itself_is_beside_its_lag(folder):
    generator = read_result(folder).generator
    floor = summarise_values([120] * 1_000)

    page = page_after(
        folder,
        generator=generator.model_copy(
            update={"null_target_baseline": floor, "involuntary_context_switches": 17}
        ),
    )

    assert "null-target baseline 1,000 120 120 120 – 120" in page.text
    assert "involuntary context switches 17" in page.text


def test_sections_stand_in_reading_order(run):
    document = build_document(run, read_result(run))

    assert [section.anchor for section in document.sections] == [
        "way",
        "verification",
        "load",
        "correctness",
        "ledger",
        "latency",
        "handshake",
        "static-eds",
        "components",
        "generator",
        "machine",
        "limits",
        "warnings",
        "fingerprint",
        "reading",
    ]
    assert [answer.question for answer in document.answers] == [
        "Correctness",
        "Latency",
        "TLS handshake",
        "Capacity",
        "Static or EDS",
    ]


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_both_forms_carry_the_numbers_of_the_result(run, name):
    source = (run / name).read_text()
    text = Page(source).text if name.endswith("html") else source
    result = read_result(run)
    whole = result.totals[-1]

    for value in (whole.due, whole.response_time.p50, whole.response_time.p99, whole.service_time.maximum):
        assert f"{value:,}" in text
    assert f"{whole.response_time.samples:,} samples" in text
    assert "Not measured in this run" in text
    assert "2 blocks, a verdict needs 8 or more" in text
    assert "SYNTHETIC TEST DATA" in text


def test_the_stored_samples_are_those_of_the_result(run):
    """The curves are drawn from samples/, the tables from result.json: they must be the same thing."""
    result = read_result(run)

    for subset in result.totals[:-1]:
        blobs = [
            blob
            for trial in result.trials
            if trial.experiment == "steady"
            for blob in read_blobs(run, trial, subset.name, "response_time")
        ]
        assert summarise(merge(blobs)) == subset.response_time


def test_an_aborted_run_without_a_single_trial_still_has_a_report(folder):
    shutil.rmtree(folder / "samples")
    page = page_after(
        folder,
        state="aborted",
        reason="egress exited with 1 before it was ready",
        finished_at=None,
        verification=(),
        trials=(),
        totals=(),
        comparisons=(),
        handshake=None,
        generator=None,
        limits=(),
        warnings=(),
        stack_ready_s={},
        peak_memory_bytes=None,
        duration_s=None,
    )

    assert "Aborted The run was aborted: egress exited with 1" in page.text
    assert "<svg" not in (folder / "report.html").read_text()
    assert page.text.count("Not measured in this run.") >= 4


def test_unknown_values_are_dashes_and_never_zero(folder):
    result = read_result(folder)
    nothing = Latency(samples=0)
    assert result.handshake is not None
    full = result.handshake.modes[0]
    trial = result.trials[0]
    unknown = tuple(
        cost.model_copy(update={"cpu_us_per_request": None, "memory_bytes": None}) for cost in trial.costs
    )
    page = page_after(
        folder,
        trials=(trial.model_copy(update={"costs": unknown, "arrival_rate": None}),),
        handshake=result.handshake.model_copy(
            update={
                "gateway_cpu_us_per_request_kept": None,
                "modes": (
                    full.model_copy(
                        update={
                            "connect_time": nothing,
                            "handshake_time": nothing,
                            "gateway_cpu_us_per_request": None,
                            "gateway_cpu_us_per_connection": None,
                        }
                    ),
                ),
            }
        ),
    )

    assert re.search(r"full handshake 0 – – – – –", page.text)
    assert re.search(r"full gateway – – –", page.text)
    assert re.search(r"resumed handshake p50 – not measured", page.text)
    assert re.search(r"sidecar sidecar – –", page.text)
    assert "closed loop" in page.text


def test_what_went_wrong_is_on_the_page(folder):
    result = read_result(folder)
    whole = result.totals[-1].model_copy(
        update={
            "answered": 4_797,
            "failed": 2,
            "misrouted": 1,
            "reasons": {"status:503": 2, "wrong-node:n2": 1},
        }
    )
    page = page_after(
        folder,
        totals=(whole,),
        limits=(LimitCheck(name="failed", limit="≤ 0", measured="2", passed=False),),
        warnings=(RunWarning(code="x", message="Something odd.", advice="Look at it."),),
        handshake=result.handshake.model_copy(
            update={
                "modes": (
                    result.handshake.modes[0].model_copy(
                        update={"counts_agree": False, "sessions_reused": 7}
                    ),
                    result.handshake.modes[1],
                )
            }
        ),
    )

    assert "Wrong answers 1 request was misrouted; failed is 2, limit ≤ 0." in page.text
    assert "status 503 2" in page.text
    assert "seen" in page.text
    assert "Something odd. Look at it." in page.text
    assert "7 of them resumed. The accounts do not agree" in page.text
    assert "Do not take its figures for those of full handshakes." in page.text
    assert "those of resumed handshakes" not in page.text


def test_text_from_outside_stays_text(folder):
    hostile = "<img src=x onerror=alert(1)> | `x` & \"'"
    line = VerificationLine(
        name=hostile, sent=hostile, expected=hostile, got=hostile, node=hostile, passed=False
    )
    source_before = (folder / "report.html").read_text().count("<img")
    page = page_after(
        folder,
        scenario=hostile,
        description=hostile,
        verification=(line,),
        comparisons=(Comparison(metric=hostile, unit="µs", scope="load", static=(1.0,), eds=(2.0,)),),
    )

    assert source_before == (folder / "report.html").read_text().count("<img") == 0
    assert "<img src=x onerror=alert(1)>" in page.text
    table = (folder / "report.md").read_text().split("## Verification")[1].split("##")[0]
    rows = [row for row in table.splitlines() if row.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    assert "<img" not in table.replace("\\<img", "")


def test_a_single_subset_or_many_need_no_special_care(folder):
    result = read_result(folder)
    names = [f"s{number}" for number in range(7)]
    some: SubsetResult = result.totals[0]

    page_after(folder, totals=(some,))
    page = page_after(
        folder, totals=(*(some.model_copy(update={"name": name}) for name in names), result.totals[-1])
    )

    assert all(name in page.text for name in names)


def test_an_unfinished_block_is_not_an_obstacle(folder):
    page = page_after(
        folder,
        comparisons=(Comparison(metric="m", unit="µs", scope="load", static=(1.0, 2.0, 0.0), eds=(2.0,)),),
    )

    assert "1 block, a verdict needs 6 or more" in page.text


def test_damaged_samples_are_named(folder):
    (folder / "samples" / "timeseries.csv").write_text("nonsense\n1\n")
    with pytest.raises(InputError, match=r"timeseries\.csv.*cannot be read"):
        write_report(folder)
    (folder / "samples" / "timeseries.csv").unlink()

    log = next((folder / "samples").rglob("v1.hlog"))
    log.write_text(re.sub(r"HIST\w{20}", "HISTxxxx", log.read_text()))
    with pytest.raises(MeasurementError, match="cannot be read"):
        write_report(folder)


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no result"):
        write_report(tmp_path)


def test_building_a_report_writes_nothing_else(folder):
    before = {path for path in folder.rglob("*") if path.name not in {"report.html", "report.md"}}

    write_report(folder)

    after = {path for path in folder.rglob("*") if path.name not in {"report.html", "report.md"}}
    assert before == after


def test_the_first_request_of_each_kind_of_failure_is_shown_whole(folder):
    example = FailureExample(
        trial="block 1, 1st: static",
        subset="v1",
        reason="wrong-node:nginx02",
        request="GET / HTTP/1.1\r\nwant: v1\r\n\r\n",
        response="HTTP/1.1 200 OK\r\nx-node: nginx02\r\n\r\n<h1>v2!</h1>\r\n```",
    )
    silent = example.model_copy(update={"reason": "timeout", "response": ""})
    page = page_after(folder, examples=(example, silent, *(silent,) * 20))

    assert "Example of “answered by nginx02” (v1; block 1, 1st: static)" in page.text
    assert "want: v1 HTTP/1.1 200 OK x-node: nginx02 <h1>v2!</h1>" in page.text
    assert "(nothing came back)" in page.text
    assert "14 more examples are in result.json" in page.text
    assert "\n    <h1>v2!</h1>\n" in (folder / "report.md").read_text()


def test_what_stands_between_backticks_is_code_and_markup_stays_text():
    note = Note("Run `egress-bench <run>` for 5 ms & more.")
    verdict = SimpleNamespace(state="passed", sentence="", mark="good", css="good")

    page = render_html(Document("T", "", (), verdict, (), (), (Section("s", "S", (note,)),)))

    assert "Run <code>egress-bench &lt;run&gt;</code> for 5\N{NO-BREAK SPACE}ms &amp; more." in page
