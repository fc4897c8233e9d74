"""CPU and memory of a family of processes agree with what the kernel and the processes themselves say."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.errors import MeasurementError
from bench.stack.local import LocalStack
from bench.telemetry.memory import MemorySampler
from bench.telemetry.usage import cpu_seconds, family_of, memory_bytes, read_usage, usage_of
from tests.stack.egress_path import call, egress_spec
from tests.support.waiting import wait_until

BURN = (
    "import sys, time\n"
    "while time.process_time() < float(sys.argv[1]): pass\n"
    "print(time.process_time(), flush=True)\n"
    "for _ in sys.stdin: print(time.process_time(), flush=True)\n"
)
FAMILY = (
    "import subprocess, sys\n"
    "child = [sys.executable, '-c', sys.argv[1], '0.15']\n"
    "ended = subprocess.run(child, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout\n"
    "living = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
    "print(float(ended) + float(living.stdout.readline()), flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.fixture
def child():
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, float(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_cpu_of_a_process_is_what_it_says_itself_finer_than_a_tick(child):
    process, own = child(BURN, "0.123")

    seen = cpu_seconds(process.pid, "burner")

    times = psutil.Process(process.pid).cpu_times()
    process.stdin.write("again\n")
    process.stdin.flush()
    assert own <= seen <= float(process.stdout.readline())
    assert seen == pytest.approx(times.user + times.system, abs=0.025)


def test_user_and_system_time_both_count():
    root = Path("/")
    before, ticks = cpu_seconds(os.getpid(), "this"), os.times()
    while os.times().system - ticks.system < 0.1:
        for _ in range(50):
            root.stat()
    after = os.times()

    rise = cpu_seconds(os.getpid(), "this") - before

    assert rise == pytest.approx(after.user + after.system - ticks.user - ticks.system, abs=0.03)


def test_children_count_whether_they_live_or_have_ended(child):
    process, children = child(FAMILY, BURN)

    seen = cpu_seconds(process.pid, "family")

    parent = psutil.Process(process.pid)
    known = [parent.cpu_times(), *(each.cpu_times() for each in parent.children())]
    ended = known[0].children_user + known[0].children_system
    assert children >= 0.3
    assert seen >= children - 0.025
    assert seen == pytest.approx(sum(each.user + each.system for each in known) + ended, abs=0.05)


def test_sleeping_costs_nothing(child):
    process, _ = child(BURN, "0")
    sleeper = psutil.Process(process.pid)
    wait_until(lambda: sleeper.status() == psutil.STATUS_SLEEPING)
    before = cpu_seconds(process.pid, "sleeper")
    time.sleep(0.2)

    assert cpu_seconds(process.pid, "sleeper") == before


def test_an_ended_process_is_an_error_not_a_zero(child):
    process, _ = child(BURN, "0")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(MeasurementError, match=r"egress .* has ended"):
        usage_of(process.pid, "egress")
    process.wait()
    with pytest.raises(MeasurementError, match=r"egress .* has ended"):
        cpu_seconds(process.pid, "egress")
    assert read_usage({"elsewhere": None}) == {"elsewhere": None}


def test_memory_is_at_most_resident_and_at_least_unshared(child):
    process, _ = child("x = bytearray(50_000_000); print(1, flush=True); import sys; sys.stdin.read()")
    known = psutil.Process(process.pid)

    seen = memory_bytes(known)

    assert 50_000_000 < seen <= known.memory_info().rss
    # Shared pages are divided among those that share them at the moment.
    assert usage_of(process.pid, "child").memory_bytes == pytest.approx(seen, abs=2_000_000)


def test_a_process_that_has_ended_has_no_memory(child):
    process, _ = child(BURN, "0")
    known = psutil.Process(process.pid)
    process.kill()
    process.wait()

    assert memory_bytes(known) == 0


def test_the_peak_stays_when_the_memory_is_gone(child):
    before = MemorySampler()
    before.look()
    process, _ = child(
        "x = bytearray(80_000_000); print(1, flush=True); import sys; sys.stdin.readline(); del x\n"
        "print(2, flush=True); sys.stdin.read()"
    )

    with MemorySampler({"child": process.pid, "elsewhere": None}, interval_s=0.02) as sampler:
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        time.sleep(0.1)

    assert sampler.samples > 2
    assert sampler.peaks.keys() == {"child"}
    assert sampler.peaks["child"] > 80_000_000 > memory_bytes(psutil.Process(process.pid))
    assert sampler.peak_bytes - before.peak_bytes > 75_000_000


def test_a_part_that_dies_does_not_end_the_sampling(child):
    process, _ = child(BURN, "0")
    with MemorySampler({"child": process.pid}, interval_s=0.01) as sampler:
        process.kill()
        process.wait()
        seen = sampler.samples
        time.sleep(0.1)

    assert sampler.samples > seen + 1
    assert sampler.peaks["child"] > 0
    sampler.stop()


@pytest.mark.envoy
@pytest.mark.nginx
def test_every_part_of_a_real_stack_is_charged_for_its_own_work(material):
    with LocalStack(egress_spec(material.live)) as stack:
        pids = {part.name: part.pid for part in stack.components()}
        before = read_usage(pids)
        with MemorySampler(pids) as sampler:
            for _ in range(100):
                call(stack, "v1")
        after = read_usage(pids)

    used = {name: after[name].cpu_seconds - before[name].cpu_seconds for name in pids}
    assert all(used[name] > 0.001 for name in ("nginx01", "egress", "sidecar"))
    assert used["nginx02"] < used["nginx01"] / 5
    assert after["nginx01"].processes == 2
    assert sampler.peaks.keys() == pids.keys()
    assert sampler.peak_bytes > sum(sampler.peaks.values())


def test_the_family_of_a_part_is_found_without_a_look_at_every_process(monkeypatch):
    """A reading of four parts read all of /proc five times: more than the rest of it together."""
    first = subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE)
    try:
        first.stdout.readline()
        expected = [first.pid, *(child.pid for child in psutil.Process(first.pid).children(recursive=True))]
        monkeypatch.setattr(psutil, "pids", lambda: pytest.fail("looked at every process"))
        monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: pytest.fail("likewise"))

        found = [process.pid for process in family_of(first.pid, "sh")]
    finally:
        for pid in reversed(expected):
            os.kill(pid, 9)
        first.communicate()

    assert found == expected
    assert len(found) == 2
