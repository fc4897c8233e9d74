"""A generator that is started once carries out one plan after the other, each as if it were alone."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from bench.errors import LoadError
from bench.load import LoadOutcome, Progress, WorkerLost
from bench.load.run import (
    GeneratorError,
    LoadGenerator,
    LocustOutputs,
    measure_null_target_baseline,
    plan_run,
)
from tests.load.locust_processes import locust_processes, wait_until_gone
from tests.load.run.test_run import by_header, two_subsets
from tests.load.stubs import Stub, always, counts
from tests.support import forked_locust
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def pids(folder: Path) -> set[int]:
    """Those that this process started, without what they in turn start for a moment."""
    parents = {os.getpid(), forked_locust.server().pid}
    return {process.pid for process in locust_processes(folder) if process.ppid() in parents}


def answered(outcome: LoadOutcome) -> list[int]:
    counts(outcome)
    return [sum(subset.counts.answered for subset in stage.subsets) for stage in outcome.stages]


@pytest.mark.parametrize("workers", [1, 2])
def test_plans_share_the_processes_and_nothing_else(tmp_path: Path, workers: int) -> None:
    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        outcomes, seen = [], []
        for number, rate in enumerate((200, 400, 200)):
            plan = two_subsets(stub.port, rate=rate, warm_s=0.2, main_s=0.5, workers=workers)
            folder = tmp_path / f"trial-{number}"
            outcomes.append(generator.run_load(plan, folder))
            assert LoadOutcome.model_validate_json((folder / "outcome.json").read_text()) == outcomes[-1]
            seen.append(pids(tmp_path))

    assert seen[0] == seen[1] == seen[2] != set()
    assert [answered(outcome) for outcome in outcomes] == [[40, 100], [80, 200], [40, 100]]
    assert all(outcome.complete and outcome.generator.connects == 8 for outcome in outcomes)
    assert not wait_until_gone(tmp_path)


def test_the_baseline_needs_no_processes_of_its_own(tmp_path: Path) -> None:
    plan = two_subsets(1, rate=200)
    with LoadGenerator(tmp_path / "generator") as generator:
        generator.prepare(plan)
        before = pids(tmp_path)
        outcome = measure_null_target_baseline(
            plan, tmp_path / "baseline", duration_s=0.5, run_load=generator.run_load
        )
        assert pids(tmp_path) == before

    assert answered(outcome) == [100, 100]


def test_a_stopped_plan_leaves_the_processes_for_the_next(tmp_path: Path) -> None:
    stop = threading.Event()

    def watch(event) -> None:
        if isinstance(event, Progress):
            stop.set()

    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        outcome = generator.run_load(
            two_subsets(stub.port, main_s=60), tmp_path / "1", on_event=watch, stop=stop
        )
        before = pids(tmp_path)
        again = generator.run_load(two_subsets(stub.port, main_s=0.5), tmp_path / "2")
        assert pids(tmp_path) == before

    assert (outcome.complete, outcome.reason) == (False, "stopped")
    assert again.complete
    assert answered(again) == [150, 150]


def test_after_a_target_that_is_not_there_the_next_plan_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        with pytest.raises(LoadError, match="connection refused"):
            generator.run_load(two_subsets(port), tmp_path / "1")
        outcome = generator.run_load(two_subsets(stub.port, main_s=0.5), tmp_path / "2")

    assert answered(outcome) == [150, 150]
    assert not wait_until_gone(tmp_path)


def test_after_a_lost_worker_the_next_plan_has_all_of_them(tmp_path: Path) -> None:
    lost = []

    def watch(event) -> None:
        if isinstance(event, WorkerLost):
            lost.append(event)
        if isinstance(event, Progress) and event.answered and not lost:
            victim = max(pids(tmp_path))
            os.kill(victim, signal.SIGKILL)

    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        first = generator.run_load(
            two_subsets(stub.port, main_s=3, workers=2), tmp_path / "1", on_event=watch
        )
        second = generator.run_load(two_subsets(stub.port, main_s=0.5, workers=2), tmp_path / "2")

    assert len(first.lost_workers) == 1
    assert answered(second) == [150, 150]
    assert second.generator.workers == 2


def test_processes_that_ended_in_between_are_started_again(tmp_path: Path) -> None:
    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        generator.run_load(two_subsets(stub.port, main_s=0.3), tmp_path / "1")
        (before,) = pids(tmp_path)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: not generator._running[0].are_alive)
        outcome = generator.run_load(two_subsets(stub.port, main_s=0.5), tmp_path / "2")

    assert answered(outcome) == [150, 150]


def test_locusts_own_outputs_are_of_one_plan_each(tmp_path: Path) -> None:
    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        outputs = LocustOutputs(html=tmp_path / "page.html")
        plan = two_subsets(stub.port, warm_s=0.2, main_s=0.3)
        outcome = generator.run_load(plan, tmp_path / "1", locust_outputs=outputs)

    assert answered(outcome) == [60, 90]
    assert (tmp_path / "page.html").exists()


def test_a_locust_that_hangs_ends_the_run_with_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_run, "SILENCE_S", 2.0)

    def watch(event) -> None:
        if isinstance(event, Progress) and event.answered:
            for pid in pids(tmp_path):
                os.kill(pid, signal.SIGSTOP)

    with Stub(always(by_header)) as stub, LoadGenerator(tmp_path / "generator") as generator:
        with pytest.raises(GeneratorError, match="does not respond") as raised:
            generator.run_load(two_subsets(stub.port, main_s=60), tmp_path / "1", on_event=watch)
        outcome = generator.run_load(two_subsets(stub.port, main_s=0.5), tmp_path / "2")

    assert raised.value.outcome is not None
    assert sum(answered(raised.value.outcome)) > 0
    assert answered(outcome) == [150, 150]
    assert not wait_until_gone(tmp_path)
