"""Nothing outlives a run: whatever is killed, whenever."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from bench.errors import BenchError, StackError
from bench.stack.binaries import find_envoy, find_nginx
from bench.stack.interrupts import TerminatedError, terminations_raise
from bench.stack.local import LocalStack
from bench.stack.runs import clear, end_run, find_runs, supervised_folder
from bench.stack.runs.folder import PREFIX, PROCESSES, ProcessMark, RunFolder
from bench.stack.runs.stale import PROGRAMS
from tests.stack.egress_path import call, egress_spec
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]

OWNER = """
import sys, time
from pathlib import Path
from bench.stack.local import LocalStack
from tests.stack.egress_path import egress_spec
print("starting", flush=True)
with LocalStack(egress_spec(Path(sys.argv[1]))) as stack:
    print("ready", *[part.pid for part in stack.components()], stack._guard.pid, flush=True)
    time.sleep(60)
"""


def parts_below(parent):
    """What runs in a folder below this one."""
    return [
        process.info["name"]
        for process in psutil.process_iter(["name", "cwd", "status"])
        if str(parent) in (process.info["cwd"] or "") and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def stale_runs(parent):
    return [run for run in find_runs(parent) if not run.is_owner_running]


def run_folders(parent):
    """Not everything there: Python's own probe for a folder to write to may be killed half-way too."""
    return list(parent.glob(f"{PREFIX}*"))


def is_gone(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


@contextlib.contextmanager
def owner(material, tmp_path):
    """Another Python process that starts a stack below *tmp_path* and keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(material.live)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout.readline() == "starting\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until_ready(process):
    word, *pids = process.stdout.readline().split()
    assert word == "ready"
    *parts, guard = map(int, pids)
    workers = [child.pid for pid in parts for child in psutil.Process(pid).children()]
    return parts, workers, guard


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_killed_suite_leaves_no_process_and_no_key(material, tmp_path, number):
    with owner(material, tmp_path) as process:
        parts, workers, guard = wait_until_ready(process)
        assert len(workers) == 2
        assert run_folders(tmp_path)

        process.send_signal(number)
        process.wait(PATIENCE_S)

        wait_until(lambda: all(is_gone(pid) for pid in [*parts, *workers, guard]))
        wait_until(lambda: not run_folders(tmp_path))


@pytest.mark.parametrize("seed", range(3))
def test_a_suite_killed_at_any_moment_of_the_start_leaves_nothing(material, tmp_path, seed):
    dice = random.Random(seed)
    with owner(material, tmp_path) as process:
        time.sleep(dice.uniform(0, 0.3))
        process.send_signal(dice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.wait(PATIENCE_S)

        wait_until(lambda: not run_folders(tmp_path))
        wait_until(lambda: not parts_below(tmp_path))


@pytest.mark.parametrize("seed", range(3))
def test_a_part_killed_at_any_moment_ends_in_an_error_or_is_noticed_and_leaves_nothing(
    material, tmp_path, seed
):
    # Found before the hunt: asking a program for its version starts it too.
    binaries = {"envoy_binary": find_envoy(), "nginx_binary": find_nginx()}
    dice = random.Random(100 + seed)
    killed = []

    def assassin():
        time.sleep(dice.uniform(0, 0.25))
        while not killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                parts = [child for child in psutil.Process().children() if child.name() in PROGRAMS]
                for victim in dice.sample(parts, k=min(1, len(parts))):
                    victim.kill()
                    killed.append(victim)

    stack = LocalStack(egress_spec(material.live), parent=tmp_path, **binaries)
    thread = threading.Thread(target=assassin)
    thread.start()

    def stand():
        with stack:
            thread.join()
            wait_until(lambda: any(part.exit_code() is not None for part in stack._processes.values()))
            stack.check_alive()

    with pytest.raises(BenchError) as caught:
        stand()

    assert len(killed) == 1
    assert "SIGKILL" in str(caught.value)
    assert not run_folders(tmp_path)
    wait_until(lambda: not parts_below(tmp_path))


def test_a_second_interrupt_while_stopping_still_kills_everything(material, tmp_path, monkeypatch):
    stack = LocalStack(egress_spec(material.live), parent=tmp_path)
    stack.start()
    processes = list(stack._processes.values())
    original = type(processes[0]).wait
    interrupts = iter([KeyboardInterrupt])

    def wait(self, timeout_s):
        for interrupt in interrupts:
            raise interrupt
        return original(self, timeout_s)

    monkeypatch.setattr(type(processes[0]), "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        stack.stop()

    assert all(is_gone(process.pid) for process in processes)
    wait_until(lambda: not run_folders(tmp_path))


def test_leftovers_of_a_suite_killed_together_with_its_guard_are_found_and_cleared(material, tmp_path):
    with owner(material, tmp_path) as process:
        parts, workers, guard = wait_until_ready(process)
        # Stopped, it cannot replace its guard before it is killed itself.
        process.send_signal(signal.SIGSTOP)
        os.kill(guard, signal.SIGKILL)
        (living,) = find_runs(tmp_path)
        assert living.is_owner_running
        with pytest.raises(StackError, match=rf"still running in process {process.pid}"):
            clear(living)
        process.kill()
        process.wait()
        # The masters die as well: their workers are found by the session that they stay in.
        for pid in parts[:2]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(is_gone(pid) for pid in parts[:2]))

        (left,) = stale_runs(tmp_path)

        assert left.name == "walkthrough"
        assert set(left.processes) == {*parts[2:], *workers}
        clear(left)
        assert all(is_gone(pid) for pid in [*parts, *workers])
        assert find_runs(tmp_path) == []
        clear(left)


def test_a_guard_that_is_killed_is_replaced_and_its_successor_clears_up(material, tmp_path):
    with owner(material, tmp_path) as process:
        parts, workers, guard = wait_until_ready(process)
        children = {child.pid for child in psutil.Process(process.pid).children()}
        os.kill(guard, signal.SIGKILL)
        wait_until(lambda: {c.pid for c in psutil.Process(process.pid).children()} - children)

        process.kill()
        process.wait(PATIENCE_S)

        wait_until(lambda: all(is_gone(pid) for pid in [*parts, *workers]))
        wait_until(lambda: not run_folders(tmp_path))


def test_a_living_run_can_be_ended_from_outside(material, tmp_path):
    with owner(material, tmp_path) as process:
        parts, workers, _ = wait_until_ready(process)
        (run,) = find_runs(tmp_path)
        assert set(run.processes) == {*parts, *workers}

        end_run(run)

        wait_until(lambda: all(is_gone(pid) for pid in [*parts, *workers]))
        assert find_runs(tmp_path) == []


KEEPER = """
import subprocess, sys, time
from bench.stack.runs import ProcessMark, RunFolder, supervised_folder
with supervised_folder("keys") as folder:
    (folder / "server.key").write_text("secret")
    worker = subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True)
    RunFolder(folder).record_process(ProcessMark.of(worker.pid, "worker"))
    print(worker.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_keys_that_stacks_share_go_with_the_suite(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPER],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        worker = psutil.Process(int(process.stdout.readline()))
        wait_until(worker.children)
        family = [worker.pid, *(child.pid for child in worker.children())]
        (run,) = find_runs(tmp_path)
        assert (run.name, run.components, set(run.processes)) == ("keys", (), set(family))
        assert (run.folder.stat().st_mode & 0o777) == 0o700

        process.send_signal(number)

    wait_until(lambda: not run_folders(tmp_path))
    if number != signal.SIGINT:
        # Ctrl-C passes through Python, whose own blocks end what they started.
        assert all(is_gone(pid) for pid in family)
    else:
        # Unless the signal reached it, too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)


def test_a_shared_folder_goes_with_its_block_also_by_an_error(tmp_path):
    with supervised_folder("keys", tmp_path) as folder:
        assert folder.is_dir()
    with pytest.raises(ZeroDivisionError), supervised_folder("keys", tmp_path):
        raise ZeroDivisionError

    assert run_folders(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_termination_passes_every_finally_and_then_means_what_it_meant_before(number):
    before = signal.getsignal(number)
    passed = []

    def work():
        try:
            signal.raise_signal(number)
            time.sleep(5)
        finally:
            passed.append(True)

    with pytest.raises(TerminatedError, match=number.name) as caught, terminations_raise():
        work()

    assert passed
    assert caught.value.number == number
    assert signal.getsignal(number) == before


def test_a_stranger_with_a_reused_process_id_is_left_alone(tmp_path):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        folder = RunFolder.create("old", tmp_path)
        then = psutil.Process(stranger.pid).create_time() - 3600
        (folder.path / "owner.json").write_text(
            json.dumps({"pid": stranger.pid, "started": then, "name": "old"})
        )
        folder.record_process(ProcessMark(stranger.pid, then, "egress"))
        with (folder.path / PROCESSES).open("a") as file:
            file.write('{"pid": 1, "star')

        (left,) = stale_runs(tmp_path)
        clear(left)

        assert left.processes == ()
        assert stranger.poll() is None
        assert not folder.path.exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_run_of_another_container_is_none_of_ours(tmp_path):
    folder = RunFolder.create("theirs", tmp_path)
    mark = json.loads((folder.path / "owner.json").read_text())
    assert [run.name for run in find_runs(tmp_path)] == ["theirs"]

    (folder.path / "owner.json").write_text(json.dumps(mark | {"namespace": "pid:[1]", "pid": 999_999}))

    assert find_runs(tmp_path) == []


def ended_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_folder_without_a_readable_owner_is_stale_unless_the_process_of_its_name_lives(tmp_path):
    """Between making the folder and writing the mark, a run that starts is not a stale one."""
    torn = RunFolder(tmp_path / f"egress-bench-{ended_pid()}-00000000")
    torn.make("torn")
    starting = RunFolder.create("starting", tmp_path)
    for folder in (torn, starting):
        (folder.path / "owner.json").write_text("{")

    (left,) = stale_runs(tmp_path)

    assert left.name == torn.path.name
    clear(left)
    (living,) = find_runs(tmp_path)
    with pytest.raises(StackError, match=f"still running in process {os.getpid()}"):
        clear(living)
    assert starting.path.exists()


def test_files_of_a_command_that_runs_are_no_run(tmp_path):
    """What `check` needs lies under a similar name."""
    (tmp_path / "egress-bench-check-abc123").mkdir()
    (tmp_path / "egress-bench-12").mkdir()

    assert find_runs(tmp_path) == []


def test_a_stack_outlives_the_thread_that_started_it(material, tmp_path):
    stack = LocalStack(egress_spec(material.live), parent=tmp_path)
    thread = threading.Thread(target=stack.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.1)
        stack.check_alive()
        assert call(stack, "v1")[0] == 200
    finally:
        stack.stop()
