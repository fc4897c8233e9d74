"""What Locust itself shows and writes of our load: the same counts as ours, while it runs and afterwards."""

from __future__ import annotations

import contextlib
import csv
import re
import socket
from pathlib import Path

import httpx
import pytest

from bench.errors import InputError
from bench.load import LoadOutcome, Progress
from bench.load.run.locust_outputs import NO_LOCUST_OUTPUTS, Address, LocustOutputs
from bench.load.run.runner import run_load
from bench.load.run.starting import free_port
from tests.load.locust_processes import locust_processes
from tests.load.run.test_run import by_header, two_subsets
from tests.load.stubs import Stub, always, counts
from tests.support.waiting import PATIENCE_S


def totals(outcome: LoadOutcome) -> dict[str, int]:
    """Requests of each subset over all stages: Locust does not know of a warm-up."""
    found: dict[str, int] = {}
    for stage in outcome.stages:
        for subset in stage.subsets:
            found[subset.name] = found.get(subset.name, 0) + subset.counts.due
    return found


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


def with_one_bad(request: bytes) -> bytes:
    """Every answer to ``v2`` in the measured stage's first ten comes from the wrong node."""
    answer = by_header(request)
    return answer.replace(b"nginx02", b"nginx01") if b"t/001000000000" in request else answer


@pytest.mark.slow
def test_csv_html_and_web_ui_report_our_counts(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    web = Address("127.0.0.1", free_port("127.0.0.1"))
    shown: list[tuple[int, int]] = []
    """Requests that the web UI showed, and that we had counted just before."""

    def watch(event) -> None:
        if isinstance(event, Progress):
            with contextlib.suppress(httpx.HTTPError):
                reported = httpx.get(f"http://{web}/stats/requests", timeout=PATIENCE_S).json()["stats"]
                shown.append((reported[-1]["num_requests"], event.answered + event.bad))

    outputs = LocustOutputs(csv=out / "csv", html=out / "page.html", web=web)
    with Stub(always(with_one_bad)) as stub:
        plan = two_subsets(stub.port, warm_s=0.5, main_s=4)
        outcome = run_load(plan, tmp_path / "load", on_event=watch, locust_outputs=outputs)

    counts(outcome)
    ours = totals(outcome)
    assert sum(ours.values()) == 150 + 1200
    table = rows(out / "csv_stats.csv")
    assert {name: int(table[f"/ [{name}]"]["Request Count"]) for name in ours} == ours
    assert int(table["Aggregated"]["Request Count"]) == 1350
    misrouted = outcome.stages[1].subsets[1].counts.misrouted
    assert int(table["Aggregated"]["Failure Count"]) == misrouted > 0
    failures = rows(out / "csv_failures.csv")["/ [v2]"]
    assert (int(failures["Occurrences"]), failures["Error"]) == (misrouted, "answered by nginx01")
    assert (out / "csv_stats_history.csv").read_text().count("\n") >= 4
    page = (out / "page.html").read_text()
    assert re.search(r'"name": ?"Aggregated"[^}]*"num_requests": ?1350', page.replace("\\", ""))
    # Live: it grew while the load ran; Locust keeps an answer for two seconds.
    assert len({requests for requests, _ in shown}) >= 2
    assert 0 < max(requests for requests, _ in shown[:-2]) < 1350
    # With one worker, too, another process serves the page: it must not hold up the engine.
    assert {path.name for path in (tmp_path / "load").glob("*.log")} == {"master.log", "worker-1.log"}
    assert not locust_processes(tmp_path)


def test_without_a_web_ui_one_process_writes_the_same_files(tmp_path: Path) -> None:
    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, warm_s=0.2, main_s=0.5)
        outcome = run_load(
            plan, tmp_path, locust_outputs=LocustOutputs(csv=tmp_path / "it", html=tmp_path / "it.html")
        )

    table = rows(tmp_path / "it_stats.csv")
    assert int(table["Aggregated"]["Request Count"]) == sum(totals(outcome).values()) == 210
    assert "[v2]" in (tmp_path / "it.html").read_text()
    assert (tmp_path / "locust.log").exists()


def test_stop_in_the_web_ui_ends_the_load_and_keeps_what_was_measured(tmp_path: Path) -> None:
    web = Address("127.0.0.1", free_port("127.0.0.1"))
    pressed: list[bool] = []

    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered > 100 and not pressed:
            pressed.append(True)
            # The page may be gone before it has answered.
            with contextlib.suppress(httpx.HTTPError):
                httpx.post(f"http://{web}/stop", timeout=PATIENCE_S)

    with Stub(always(by_header)) as stub:
        outcome = run_load(
            two_subsets(stub.port, main_s=60), tmp_path, on_event=watch, locust_outputs=LocustOutputs(web=web)
        )

    counts(outcome)
    assert (outcome.complete, outcome.reason) == (False, "stopped in Locust's web UI")
    assert 100 < sum(s.counts.answered for stage in outcome.stages for s in stage.subsets) < 3000
    assert not locust_processes(tmp_path)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9000", Address("127.0.0.1", 9000)),
        (":9000", Address("127.0.0.1", 9000)),
        ("0.0.0.0", Address("0.0.0.0", 8089)),
        ("box.example:9000", Address("box.example", 9000)),
    ],
)
def test_an_address_may_leave_out_what_is_usual(text: str, address: Address) -> None:
    assert Address.parse(text, port=8089, option="--web-bind") == address


@pytest.mark.parametrize("text", ["", "a:b", "1.2.3.4:0", "1.2.3.4:70000", "::1", "http://a:1", "a:-1"])
def test_what_is_not_an_address_is_reported(text: str) -> None:
    with pytest.raises(InputError, match=r"--web-bind .* is not HOST:PORT"):
        Address.parse(text, port=8089, option="--web-bind")


def test_what_cannot_be_had_is_reported_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(InputError, match=rf"--web-bind {address}: .*in use"):
            LocustOutputs(web=address).check()
    with pytest.raises(InputError, match=r"cannot listen there"):
        LocustOutputs(web=Address("192.0.2.1", 8089)).check()
    with pytest.raises(InputError, match=r"--locust-csv .* cannot be written"):
        LocustOutputs(csv=tmp_path / "file" / "below" / "it").check()
    with pytest.raises(InputError, match=r"--locust-html .* cannot be written \(is a folder"):
        LocustOutputs(html=tmp_path).check()


def test_each_of_several_trials_has_files_of_its_own(tmp_path: Path) -> None:
    outputs = LocustOutputs(csv=tmp_path / "a", html=tmp_path / "b.html").for_trial("block-1-static")

    assert outputs == LocustOutputs(
        csv=tmp_path / "a-block-1-static", html=tmp_path / "b-block-1-static.html", web=None
    )
    assert not NO_LOCUST_OUTPUTS
    assert not NO_LOCUST_OUTPUTS.for_trial("x")
