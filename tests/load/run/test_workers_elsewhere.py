"""Workers on several machines: here each is an `egress-bench worker` process of its own, on loopback."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from bench.analysis.histogram import LENGTH, Histogram
from bench.errors import LoadError
from bench.load import LoadOutcome, LoadPlan, Progress, RemoteWorkersStatus, WorkerLost
from bench.load.packing import unpack
from bench.load.run import merge
from bench.load.run.null_target import measure_null_target_baseline
from bench.load.run.remote_workers import RemoteWorkers
from bench.load.run.runner import run_load
from bench.load.run.settings import ProcessSettings
from bench.load.run.starting import free_port
from tests.load.locust_processes import locust_processes
from tests.load.run.test_run import by_header, two_subsets
from tests.load.stubs import Stub, always, counts, request_id_of, texts
from tests.support.command import Command
from tests.support.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """Given in advance to both sides, as by somebody who starts the workers first."""
    monkeypatch.setenv("EGRESS_BENCH_TOKEN", "of-this-test")
    return "of-this-test"


@contextmanager
def workers(count: int, port: int, folder: Path) -> Iterator[list[Command]]:
    """This many `egress-bench worker` processes, as they run on other machines, each below *folder*."""
    started = []
    for number in range(count):
        (folder / str(number)).mkdir()
        there = {**os.environ, "TMPDIR": str(folder / str(number))}
        started.append(Command("worker", "--master", "127.0.0.1", "--port", port, env=there))
    try:
        yield started
    finally:
        for each in started:
            each.send_signal(signal.SIGTERM)
            each.communicate(timeout=PATIENCE_S)


def remote_plan(port: int, master: int, **more) -> LoadPlan:
    return two_subsets(port, workers=1, remote_workers=3, master_port=master, **more)


@pytest.mark.slow
def test_three_workers_parts_are_the_whole_and_of_one_killed_nothing_is_forgotten(
    tmp_path: Path, monkeypatch
) -> None:
    """The parts are added up by another implementation of HDR histograms."""
    parts: dict[str, dict[tuple[int, int], Histogram]] = {}
    add = merge.Merger.add

    def keep(self, worker, delta) -> None:
        for each in delta.buckets:
            numbers, tallied = unpack(each.response)
            part = parts.setdefault(worker, {}).setdefault((each.stage, each.kind), Histogram())
            # One by one: a bucket may be there for two seconds.
            for number, count in zip(numbers % LENGTH, tallied, strict=True):
                part.add(np.array([number]), np.array([count]))
        add(self, worker, delta)

    monkeypatch.setattr(merge.Merger, "add", keep)
    port = free_port("127.0.0.1")
    seen: list[bytes] = []
    remote: list[RemoteWorkersStatus] = []
    lost: list[WorkerLost] = []
    killed: list[int] = []

    def answer(request: bytes) -> bytes:
        seen.append(request_id_of(request))
        return by_header(request)

    with Stub(always(answer)) as stub, workers(3, port, tmp_path) as started:

        def watch(event) -> None:
            if isinstance(event, RemoteWorkersStatus):
                remote.append(event)
            if isinstance(event, WorkerLost):
                lost.append(event)
            if isinstance(event, Progress) and event.answered > 250 and not killed:
                (child,) = locust_processes(tmp_path / "1")
                killed.append(child.pid)
                child.kill()

        outcome = run_load(remote_plan(stub.port, port, warm_s=0.5, main_s=3), tmp_path, on_event=watch)
        codes = [each.wait(PATIENCE_S) for each in started]

    counts(outcome)
    warm, main = outcome.stages
    assert (remote[0].present, remote[0].expected, remote[-1].present) == (0, 4, 4)
    assert ([codes[0], codes[2]], codes[1] != 0) == ([0, 0], True)
    assert (outcome.generator.workers, len(parts)) == (4, 4)
    check_union(outcome, list(parts.values()))
    assert sum(subset.counts.answered for subset in warm.subsets) == 150
    # Who lived had its quarter; what the dead one did not report is named and counted.
    done = sorted(
        sum(part.total for (stage, _), part in each.items() if stage == 1) for each in parts.values()
    )
    assert done[1:] == [225, 225, 225]
    assert sum(subset.counts.due for subset in main.subsets) == main.intended == 900
    unsent = sum(subset.counts.unsent for subset in main.subsets)
    # Reported as sent, and dead before the answer could be reported.
    in_flight = sum(subset.counts.failed for subset in main.subsets)
    assert done[0] + unsent + in_flight == 225
    assert unsent > 0
    for subset in main.subsets:
        counted = subset.counts.unsent + subset.counts.failed
        assert texts(subset.counts) == ({"worker lost": counted} if counted else {})
    named = re.search(rf"pid {killed[0]}: vanished in the middle of the run; (\d+) requests", lost[0].detail)
    assert named is not None
    assert 0 < int(named.group(1)) <= unsent
    assert outcome.lost_workers == (lost[0].detail,)
    # What was counted was really answered, once.
    assert len(seen) == len(set(seen)) >= 150 + sum(subset.counts.answered for subset in main.subsets)


def check_union(outcome: LoadOutcome, parts: list[dict[tuple[int, int], Histogram]]) -> None:
    """The whole is the union of the parts, bucket by bucket."""
    for number, stage in enumerate(outcome.stages):
        for kind, subset in enumerate(stage.subsets):
            union = HdrHistogram(1, 3_600_000_000, 3)
            for part in parts:
                if (number, kind) in part:
                    union.decode_and_add(part[number, kind].encode())
            assert union.get_total_count() == subset.counts.answered
            assert buckets(HdrHistogram.decode(subset.response_time)) == buckets(union)


def buckets(histogram: HdrHistogram) -> dict[int, int]:
    return {
        item.value_iterated_to: item.count_at_value_iterated_to for item in histogram.get_recorded_iterator()
    }


def test_workers_that_do_not_come_are_one_clear_error(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")

    with pytest.raises(LoadError) as caught:
        run_load(remote_plan(1, port, remote_workers_timeout_s=2), tmp_path)

    assert f"of 4 workers came to 127.0.0.1:{port} within 2 s; 1 of them are" in str(caught.value)
    assert "egress-bench worker --master HOST --token of-this-test` on each" in str(caught.value)
    assert not locust_processes(tmp_path)


def test_it_is_reported_how_many_came_in_time() -> None:
    remote = RemoteWorkers(ProcessSettings.of(remote_plan(1, 7000, remote_workers_timeout_s=30)), "secret")

    assert remote.arrived(2) == RemoteWorkersStatus(
        present=2, expected=4, host="127.0.0.1", port=7000, token="secret"
    )
    remote.check(29)
    with pytest.raises(LoadError, match=r"^2 of 4 workers came to 127\.0\.0\.1:7000 within 30 s"):
        remote.check(31)
    remote.arrived(4)
    remote.check(31)
    assert remote.patience_s(60) == 90


def test_the_baseline_is_that_of_the_workers_here(tmp_path: Path) -> None:
    """Workers elsewhere cannot reach the stub: theirs is left out, and so is their share of the rate."""
    plan = remote_plan(1, free_port("127.0.0.1"), rate=400)

    outcome = measure_null_target_baseline(plan, tmp_path, duration_s=1)

    assert outcome.generator.workers == 1
    assert outcome.stages[1].intended == 100
