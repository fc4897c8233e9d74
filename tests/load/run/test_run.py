"""A run in Locust: what is promised to the caller, and to the machine it runs on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from bench.analysis.histogram import Histogram
from bench.errors import LoadError
from bench.load import (
    Expectation,
    LoadOutcome,
    LoadPlan,
    Progress,
    RequestKind,
    Stage,
    StageEnded,
    StageStarted,
    Target,
    WorkerLost,
)
from bench.load.engine import schedule
from bench.load.engine.arrivals import salt_of
from bench.load.run import GeneratorError, LoadGenerator, run_load
from bench.load.run.null_target import measure_null_target_baseline
from bench.load.run.starting import free_port
from bench.scenario.traffic import Closed, Connections, Constant, Poisson
from tests.load.locust_processes import locust_processes, wait_until_gone, workers_in
from tests.load.stubs import ROOT, Stub, always, counts, good, request_id_of, texts
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

CALLER = """
import sys, threading
from pathlib import Path
from bench.load import LoadPlan
from bench.load.run.runner import run_load
plan = LoadPlan.model_validate_json(Path(sys.argv[1]).read_text())
started = lambda event: print(type(event).__name__, flush=True)
run_load(plan, Path(sys.argv[2]), on_event=started)
print(sorted(name for name in sys.modules if name.split(".")[0] in ("gevent", "locust")))
"""


def by_header(request: bytes) -> bytes:
    return good(request, node=b"nginx02" if b"want: v2" in request else b"nginx01")


def two_subsets(port: int, *, rate=300, warm_s=0.5, main_s=1.5, schedule=None, **changes) -> LoadPlan:
    def kind(subset, node):
        expect = Expectation(nodes=(node,), body_contains="v1!")
        return RequestKind(name=subset, headers=(("want", subset),), expect=expect)

    return LoadPlan(
        run_id="t",
        target=Target(address="127.0.0.1", port=port, host="test"),
        requests=(kind("v1", "nginx01"), kind("v2", "nginx02")),
        stages=(
            Stage(name="warm", kind="warm_up", duration_s=warm_s, schedule=Constant(arrival_rate=rate)),
            Stage(
                name="main",
                kind="measure",
                duration_s=main_s,
                schedule=schedule or Constant(arrival_rate=rate),
            ),
        ),
        connections=changes.pop("connections", Connections(count=8, read_timeout_s=30)),
        require_id=True,
        **changes,
    )


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadGenerator]:
    """One for all tests to which it does not matter when its processes began and end."""
    with LoadGenerator(tmp_path_factory.mktemp("generator")) as running:
        yield running


@pytest.mark.real_locust
def test_a_run_counts_every_request_once_and_reports_what_happens(tmp_path: Path) -> None:
    seen = []

    def answer(request: bytes) -> bytes:
        seen.append(request_id_of(request).decode())
        return by_header(request)

    events = []
    with Stub(always(answer)) as stub:
        outcome = run_load(
            two_subsets(stub.port), tmp_path, on_event=lambda each: events.append((time.monotonic(), each))
        )

    counts(outcome)
    assert [sum(s.counts.answered for s in stage.subsets) for stage in outcome.stages] == [150, 450]
    assert [stage.intended for stage in outcome.stages] == [150, 450]
    assert sorted(seen) == [f"t/{number:013d}" for number in range(150)] + [
        f"t/{10_000_000_000 + number:013d}" for number in range(450)
    ]
    boundaries = [(at, each) for at, each in events if isinstance(each, StageStarted | StageEnded)]
    assert [each.stage for _, each in boundaries] == ["warm", "warm", "main", "main"]
    assert [StageStarted, StageEnded] * 2 == [type(each) for _, each in boundaries]
    assert all(at >= each.at for at, each in boundaries)
    assert boundaries[2][1].at - boundaries[0][1].at == pytest.approx(0.5)
    last = [each for _, each in events if isinstance(each, Progress)][-1]
    assert (last.due, last.sent, last.answered, last.bad) == (600, 600, 600, 0)
    assert (outcome.generator.requests, outcome.generator.connects) == (450, 8)
    # Of the measured stage alone, by one thread.
    assert 0 < outcome.generator.cpu_seconds < events[-1][0] - boundaries[1][1].at
    assert outcome == LoadOutcome.model_validate_json((tmp_path / "outcome.json").read_text())
    assert not locust_processes(tmp_path)


def test_the_caller_never_imports_gevent_or_locust(tmp_path: Path) -> None:
    with Stub(always(by_header)) as stub:
        plan = tmp_path / "given.json"
        plan.write_text(two_subsets(stub.port, warm_s=0.1, main_s=0.1).model_dump_json())
        done = subprocess.run(
            [sys.executable, "-c", CALLER, str(plan), str(tmp_path / "run")],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )

    assert done.stdout.splitlines()[-1] == "[]"


def test_an_outage_is_seen_by_every_request_that_was_due_during_it(
    tmp_path: Path, generator: LoadGenerator
) -> None:
    """The target stops for 0.5 s of 2.5 s: a fifth is late by up to 0.5 s, so p90 is 0.25 s (no omission)."""
    begun = []

    def answer(request: bytes) -> bytes:
        if b"/0010" in request_id_of(request):
            begun.append(begun[0] if begun else time.monotonic())
            until = begun[0] + 1.5
            if 1.0 < time.monotonic() - begun[0] < 1.5:
                time.sleep(until - time.monotonic())
        return by_header(request)

    with Stub(always(answer)) as stub:
        outcome = generator.run_load(two_subsets(stub.port, rate=400, warm_s=0.2, main_s=2.5), tmp_path)

    main = outcome.stages[1]
    assert sum(subset.counts.answered for subset in main.subsets) == 1000
    tally = Histogram.decode(main.subsets[0].response_time)
    tally.merge(Histogram.decode(main.subsets[1].response_time))
    # Omission would make these small; a busy machine only makes them larger.
    assert tally.percentile(90) > 200_000
    assert tally.percentile(99) > 425_000
    assert main.subsets[0].counts.unsent == 0
    late = [second.response_time_max for second in outcome.seconds if second.stage == "main"]
    assert late[1] > 400_000


def test_a_busy_caller_does_not_hold_the_generator_up(tmp_path: Path, generator: LoadGenerator) -> None:
    """More is reported meanwhile than fits into a pipe; Ctrl-Z on the caller would do the same."""

    def watch(event) -> None:
        if isinstance(event, StageStarted) and event.stage == "main":
            time.sleep(1.5)

    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=400, warm_s=0.2, main_s=1.2)
        outcome = generator.run_load(plan, tmp_path, on_event=watch)

    assert sum(subset.counts.answered for subset in outcome.stages[1].subsets) == 480
    # Held up, the first request would have waited for as long as the caller slept.
    own_lag = Histogram.decode(outcome.stages[1].own_lag or "")
    assert own_lag.percentile(50) < 1_000_000


def test_locust_settings_lying_around_are_not_ours(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "locust.conf").write_text("users = 7\nheadless = false\nrun-time = 1s\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCUST_RUN_TIME", "1s")
    monkeypatch.setenv("LOCUST_USERS", "9")
    with Stub(always(by_header)) as stub:
        outcome = run_load(two_subsets(stub.port, warm_s=0.5, main_s=1), Path("relative"))

    assert outcome.complete
    assert sum(subset.counts.answered for subset in outcome.stages[1].subsets) == 300
    assert outcome.generator.workers == 1


def test_fewer_connections_than_workers_is_one_clear_error(tmp_path: Path) -> None:
    plan = two_subsets(1, workers=3, connections=Connections(count=2))

    with pytest.raises(LoadError, match="2 connections cannot be shared among 3 workers"):
        run_load(plan, tmp_path)


def test_answers_that_come_after_their_stage_count_where_they_were_due(
    tmp_path: Path, generator: LoadGenerator
) -> None:
    def answer(request: bytes) -> bytes:
        if request_id_of(request).startswith(b"t/000"):
            time.sleep(0.3)
        return by_header(request)

    with Stub(always(answer)) as stub:
        settings = Connections(count=60, read_timeout_s=30)
        plan = two_subsets(stub.port, rate=100, warm_s=0.3, main_s=0.4, connections=settings)
        outcome = generator.run_load(plan, tmp_path)

    warm, main = (Histogram.decode(stage.subsets[0].service_time) for stage in outcome.stages)
    assert tuple(sum(s.counts.answered for s in stage.subsets) for stage in outcome.stages) == (30, 40)
    assert warm.percentile(0) > 290_000
    assert main.percentile(0) < warm.percentile(0)


def test_closed_and_open_stages_follow_each_other(tmp_path: Path, generator: LoadGenerator) -> None:
    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=100, warm_s=0.5, main_s=0.5, schedule=Closed(kind="closed"))
        third = Stage(
            name="after",
            kind="measure",
            duration_s=0.5,
            schedule=Poisson(kind="poisson", arrival_rate=200),
        )
        outcome = generator.run_load(plan.model_copy(update={"stages": (*plan.stages, third)}), tmp_path)

    counts(outcome)
    warm, closed, after = outcome.stages
    assert (warm.open_loop, closed.open_loop, after.open_loop) == (True, False, True)
    assert warm.intended == 50
    assert closed.intended > 0
    assert after.intended == schedule.count(third.schedule, 0.5, salt=salt_of(plan, 2))


def test_stop_ends_a_run_early_and_keeps_what_was_measured(tmp_path: Path) -> None:
    stop = threading.Event()

    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered > 100:
            stop.set()

    with Stub(always(by_header)) as stub:
        outcome = run_load(two_subsets(stub.port, main_s=60), tmp_path, on_event=watch, stop=stop)

    counts(outcome)
    assert (outcome.complete, outcome.reason) == (False, "stopped")
    assert 100 < sum(s.counts.answered for stage in outcome.stages for s in stage.subsets) < 1500
    assert not locust_processes(tmp_path)


def test_an_error_of_the_caller_ends_everything_and_keeps_what_was_measured(tmp_path: Path) -> None:
    class Mistake(Exception):  # noqa: N818 - the caller's
        pass

    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered:
            raise Mistake

    with Stub(always(by_header)) as stub, pytest.raises(Mistake):
        run_load(two_subsets(stub.port, main_s=60), tmp_path, on_event=watch)

    kept = LoadOutcome.model_validate_json((tmp_path / "outcome.json").read_text())
    assert not kept.complete
    assert counts(kept) is not None
    assert sum(s.counts.answered for stage in kept.stages for s in stage.subsets) > 0
    assert not locust_processes(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_its_caller(tmp_path: Path, how) -> None:
    folder = tmp_path / "run"
    with Stub(always(by_header)) as stub:
        plan = tmp_path / "given.json"
        plan.write_text(two_subsets(stub.port, main_s=60, workers=1).model_dump_json())
        caller = subprocess.Popen(
            [sys.executable, "-c", CALLER, str(plan), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        try:
            for line in caller.stdout:
                if line.startswith("Progress"):
                    break
            assert len(locust_processes(folder)) == 1
            caller.send_signal(how)
            caller.wait(PATIENCE_S)
        finally:
            caller.kill()
            caller.communicate()

        assert not wait_until_gone(folder)
    if how == signal.SIGINT:
        kept = LoadOutcome.model_validate_json((folder / "outcome.json").read_text())
        assert kept.reason == "interrupted"


def test_a_locust_that_dies_is_reported_with_what_was_measured_until_then(tmp_path: Path) -> None:
    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered:
            for process in locust_processes(tmp_path):
                process.kill()

    with (
        Stub(always(by_header)) as stub,
        pytest.raises(GeneratorError, match=r"locust ended with -9") as caught,
    ):
        run_load(two_subsets(stub.port, main_s=60), tmp_path, on_event=watch)

    assert caught.value.outcome is not None
    assert sum(s.counts.answered for stage in caught.value.outcome.stages for s in stage.subsets) > 0


def test_when_all_workers_die_the_run_ends_with_what_they_had_reported(tmp_path: Path) -> None:
    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered:
            for worker in workers_in(tmp_path):
                worker.kill()

    with (
        Stub(always(by_header)) as stub,
        pytest.raises(GeneratorError, match="worker") as caught,
    ):
        run_load(two_subsets(stub.port, main_s=60, workers=2), tmp_path, on_event=watch)

    assert caught.value.outcome is not None
    assert not caught.value.outcome.complete
    assert sum(s.counts.answered for stage in caught.value.outcome.stages for s in stage.subsets) > 0
    assert len(caught.value.outcome.lost_workers) == 2
    assert not locust_processes(tmp_path)


def test_a_target_that_cannot_be_reached_is_an_error_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"cannot connect to 127\.0\.0\.1:1: connection refused"):
        run_load(two_subsets(1), tmp_path)

    assert not locust_processes(tmp_path)


@pytest.mark.slow
def test_three_workers_share_the_schedule_and_one_of_them_is_killed(tmp_path: Path) -> None:
    """Until then the union of the parts is the whole; from then on what is missing is named and counted."""
    seen = []
    lost = []
    killed = []

    def answer(request: bytes) -> bytes:
        seen.append(request_id_of(request))
        return by_header(request)

    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered > 600 and not killed:
            worker = workers_in(tmp_path)[0]
            killed.append(worker.pid)
            worker.kill()
        if isinstance(event, WorkerLost):
            lost.append(event)

    with Stub(always(answer)) as stub:
        plan = two_subsets(stub.port, rate=300, warm_s=1, main_s=3, workers=3)
        outcome = run_load(plan, tmp_path, on_event=watch)

    warm, main = outcome.stages
    assert (warm.intended, sum(s.counts.answered for s in warm.subsets)) == (300, 300)
    for subset in main.subsets:
        tally = Histogram.decode(subset.response_time)
        assert tally.total == subset.counts.answered
        # What it had sent and not heard of is lost with it.
        assert {"worker lost": subset.counts.due - subset.counts.answered} == texts(subset.counts)
        assert subset.counts.due == subset.counts.sent + subset.counts.unsent
    answered = sum(subset.counts.answered for subset in main.subsets)
    assert 900 == main.intended == sum(subset.counts.due for subset in main.subsets)
    assert 600 <= answered < 900
    assert len(seen) == len(set(seen))
    # Every answer that was reported was really given.
    assert len([request_id for request_id in seen if request_id.startswith(b"t/001")]) >= answered
    assert 1 == len(lost) == len(outcome.lost_workers)
    assert f"pid {killed[0]}: killed by signal 9" in outcome.lost_workers[0]
    assert outcome.generator.workers == 3
    assert not locust_processes(tmp_path)


def test_ctrl_c_at_the_terminal_does_not_reach_the_baselines_target(tmp_path: Path) -> None:
    groups: set[int] = set()

    def look() -> None:
        while not over.wait(0.02):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    if any(word.endswith("/stub.py") for word in child.cmdline()):
                        groups.add(os.getpgid(child.pid))

    over = threading.Event()
    looking = threading.Thread(target=look)
    looking.start()
    try:
        measure_null_target_baseline(two_subsets(1, rate=100), tmp_path, duration_s=0.3)
    finally:
        over.set()
        looking.join()

    assert groups
    assert os.getpgid(0) not in groups


def test_the_baseline_is_the_same_schedule_against_a_target_that_does_nothing(
    tmp_path: Path, generator: LoadGenerator
) -> None:
    plan = two_subsets(1, rate=500)
    # Digests of the nodes' pages, which the stub does not have.
    pages = dict.fromkeys(plan.requests[0].expect.nodes, "0" * 64)
    first = plan.requests[0]
    expect = first.expect.model_copy(update={"body_sha256": pages})
    known = (first.model_copy(update={"expect": expect}), *plan.requests[1:])
    plan = plan.model_copy(update={"requests": known})

    outcome = measure_null_target_baseline(plan, tmp_path, duration_s=0.8, run_load=generator.run_load)

    counts(outcome)
    assert [sum(s.counts.answered for s in stage.subsets) for stage in outcome.stages] == [250, 400]


def test_the_baseline_tells_kinds_apart_that_differ_in_tls_or_port_alone(
    tmp_path: Path, generator: LoadGenerator
) -> None:
    plan = two_subsets(1, rate=500)
    other = Target(address="127.0.0.1", port=2, host="test")
    # The second goes elsewhere and must be answered by another node; in words both are one request.
    second = plan.requests[1].model_copy(update={"headers": plan.requests[0].headers, "target": other})
    plan = plan.model_copy(update={"requests": (plan.requests[0], second)})

    outcome = measure_null_target_baseline(plan, tmp_path, duration_s=0.8, run_load=generator.run_load)

    counts(outcome)
    assert [sum(s.counts.answered for s in stage.subsets) for stage in outcome.stages] == [250, 400]


LOCUSTFILE = """
from pathlib import Path
from locust import HttpUser, constant, task
from bench.load import LoadPlan
from bench.load.locust.user import EgressUser

class Traffic(EgressUser):
    plan = LoadPlan.model_validate_json(Path(__file__).with_name("plan.json").read_text())
    fixed_count = 2

class Browser(HttpUser):
    wait_time = constant(0.2)
    fixed_count = 2

    @task
    def look(self):
        self.client.get("/", headers={"x-bench-id": "browser"})
"""

ALONE = LOCUSTFILE.split("class Browser", maxsplit=1)[0]

SHAPE = (
    ALONE.replace("fixed_count = 2", "shared = False")
    + """
from locust import LoadTestShape

class Growing(LoadTestShape):
    def tick(self):
        second = int(self.get_run_time())
        return (second + 1, 10) if second < 2 else None
"""
)


@contextlib.contextmanager
def _locust(folder: Path, text: str, plan: LoadPlan, *options: str):
    """Locust as a user starts it; interrupted at the end, as by Ctrl-C."""
    (folder / "plan.json").write_text(plan.model_dump_json())
    (folder / "mine.py").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "mine.py", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(path: Path, process: subprocess.Popen, timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not path.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)


@pytest.mark.slow
def test_egress_users_mix_with_ordinary_users_in_ones_own_locustfile(tmp_path: Path) -> None:
    """Locust's own processes, CSV and HTML; our exact counts beside them."""
    written = tmp_path / "Traffic.outcome.json"
    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=100, warm_s=0.5, main_s=1)
        host = f"http://127.0.0.1:{stub.port}"
        port = str(free_port("127.0.0.1"))
        options = ["--headless", "-u", "4", "-r", "4", "--host", host, "--processes", "2", "--csv", "out"]
        options += ["--html", "out.html", "--master-bind-port", port, "--master-port", port]
        with _locust(tmp_path, LOCUSTFILE, plan, *options) as process:
            _wait_for(written, process)
            time.sleep(0.5)

    outcome = LoadOutcome.model_validate_json(written.read_text())
    assert outcome.complete
    assert outcome.generator.workers == 2
    assert [sum(s.counts.answered for s in stage.subsets) for stage in outcome.stages] == [50, 100]
    table = (tmp_path / "out_stats.csv").read_text()
    rows = {line.split(",")[1]: line.split(",") for line in table.splitlines()[1:]}
    assert int(rows["/ [v1]"][2]) + int(rows["/ [v2]"][2]) == 150
    assert int(rows["/"][2]) > 5
    assert "[v1]" in (tmp_path / "out.html").read_text()


@pytest.mark.slow
def test_a_shape_decides_how_many_unshared_users_there_are(tmp_path: Path) -> None:
    written = tmp_path / "Traffic.outcome.json"
    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=50, warm_s=0.1, main_s=60)
        with _locust(tmp_path, SHAPE, plan, "--headless") as process:
            _wait_for(written, process)

    outcome = LoadOutcome.model_validate_json(written.read_text())
    answered = sum(s.counts.answered for stage in outcome.stages for s in stage.subsets)
    # One user for about two seconds, a second one for about one.
    assert outcome.generator.workers == 2
    assert answered > 80
    assert not outcome.complete


def test_the_web_ui_shows_live_numbers(tmp_path: Path) -> None:
    with Stub(always(by_header)) as stub:
        plan = two_subsets(stub.port, rate=100, warm_s=0.2, main_s=30)
        port = free_port("127.0.0.1")
        options = ["--autostart", "-u", "1", "--web-host", "127.0.0.1", "--web-port", str(port)]
        with _locust(tmp_path, ALONE.replace("= 2", "= 1"), plan, *options) as process:
            shown = _watch_web_ui(f"http://127.0.0.1:{port}/stats/requests", process)
            process.kill()

    assert {"/ [v1]", "/ [v2]"} <= {entry["name"] for entry in shown["stats"]}
    assert any(entry["num_requests"] > 0 for entry in shown["stats"])


def _watch_web_ui(url: str, web: subprocess.Popen) -> dict:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and web.poll() is None:
        with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError):
            shown = httpx.get(url, timeout=PATIENCE_S).json()
            if len(shown["stats"]) > 2:
                return shown
        time.sleep(0.1)
    raise AssertionError("the web UI showed nothing")
