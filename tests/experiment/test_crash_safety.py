"""Whatever is killed in the middle of a run, and when the disk is full: nothing stays, nothing is lost."""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from bench.result import read_result
from tests.experiment.test_run import only_folder, wait_for_trials
from tests.load.locust_processes import locust_processes
from tests.support.command import Command, run_command
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.nginx,
    pytest.mark.whole_path,
    # A machine with ten times too much to do starts a run in minutes.
    pytest.mark.timeout(900),
]

PATIENCE_S = 300.0
STARTED = []


@pytest.fixture(autouse=True)
def nothing_is_left_by_a_test_that_fails():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            family = family_of(process)
            for one in (*family, process):
                one.kill()
            process.communicate()


@pytest.fixture
def endless(short):
    """A scenario whose run does not end by itself, and that kills may interrupt anywhere."""
    scenario = short / "scenario.yaml"
    text = scenario.read_text().replace("blocks: 1", "blocks: 50").replace("measure_s: 1.5", "measure_s: 0.6")
    scenario.write_text(text)
    return short


def start(folder, tmp_path):
    process = Command(
        *("run", folder, "--config-source", "static", "--no-handshake", "--out", tmp_path / "out"),
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    STARTED.append(process)
    return process


def family_of(process):
    """All processes of a command; its Locust is no child of it."""
    return [
        *psutil.Process(process.pid).children(recursive=True),
        *locust_processes(Path(process.environment["TMPDIR"])),
    ]


def assert_gone(family):
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def is_part(process, *words):
    try:
        line = " ".join([process.name(), *process.cmdline()])
    except psutil.Error:
        return False
    return all(word in line for word in words)


def is_stopped(process):
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def test_a_main_process_that_is_killed_leaves_its_trials_and_nothing_else(endless, tmp_path):
    process = start(endless, tmp_path)
    wait_for_trials(process, tmp_path / "out", count=1)
    family = family_of(process)

    process.kill()
    process.wait(PATIENCE_S)

    assert_gone(family)
    result = read_result(only_folder(tmp_path / "out"))
    assert result.state == "aborted"
    assert "without giving a reason" in result.reason
    assert result.trials
    assert all(trial.ledger.is_balanced for trial in result.trials)
    wait_until(lambda: not list(tmp_path.glob("egress-bench-*")))


@pytest.fixture
def long(short):
    """A scenario whose first trial takes so long that whatever is killed is killed in its middle."""
    scenario = short / "scenario.yaml"
    text = scenario.read_text()
    scenario.write_text(text.replace("measure_s: 1.5", "measure_s: 40"))
    return short


def wait_for_load(process, tmp_path):
    """Return when nodes have logged requests of the first trial."""

    def is_under_way():
        assert process.poll() is None, process.communicate()[0]
        logs = tmp_path.glob("egress-bench-*/**/access.log")
        # Calls of the verification carry no id, and the baseline never comes this far.
        return sum(log.read_bytes().count(b".0/") for log in logs) > 50

    wait_until(is_under_way, timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    ("words", "number", "says"),
    [
        (("--config-path", "/egress/"), signal.SIGKILL, "stack static: egress"),
        (("--config-path", "/egress/"), signal.SIGSTOP, "stack static: egress"),
        (("locust",), signal.SIGKILL, "Locust ended in the middle of the run"),
    ],
    ids=["the gateway is killed", "the gateway hangs", "the only Locust process is killed"],
)
def test_whatever_dies_under_load_the_trial_is_kept_as_far_as_it_came(long, tmp_path, words, number, says):
    """With its answers, why it ended, and a report; which logic does so is tested without processes."""
    scenario = long / "scenario.yaml"
    if number == signal.SIGSTOP:
        # It is noticed at the end of the measured stage: nothing else asks a gateway while it is under load.
        scenario.write_text(scenario.read_text().replace("measure_s: 40", "measure_s: 5"))
    process = start(long, tmp_path)
    wait_for_load(process, tmp_path)
    family = family_of(process)
    for victim in [one for one in family if is_part(one, *words)]:
        victim.send_signal(number)

    output, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert_gone(family)
    folder = only_folder(tmp_path / "out")
    result = read_result(folder)
    (trial,) = result.trials
    assert says in trial.aborted, trial.aborted
    assert says in result.reason
    assert sum(stage.total.answered for stage in trial.stages) > 0
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_faults_killed_while_a_node_hangs_leave_nothing(short, tmp_path, number):
    """A stopped process hears no signal but the last one."""
    process = Command(
        *("faults", short, "--clean", "0", "--only", "node-frozen", "--out", tmp_path / "out"),
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    STARTED.append(process)

    def is_frozen():
        assert process.poll() is None, process.communicate()
        return any(is_stopped(one) for one in family_of(process))

    wait_until(is_frozen, timeout_s=PATIENCE_S)
    family = family_of(process)

    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL), output
    assert "Traceback" not in output
    assert_gone(family)
    assert read_result(only_folder(tmp_path / "out")).state == "aborted"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount")
def test_a_full_disk_ends_the_run_in_words_and_keeps_what_was_written(endless, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode:
        pytest.skip("cannot mount here")
    try:
        process = Command(
            *("run", endless, "--config-source", "static", "--no-handshake", "--out", disk / "out"),
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        STARTED.append(process)
        wait_for_trials(process, disk / "out", count=1)
        family = family_of(process)
        with (disk / "ballast").open("wb") as ballast:
            try:
                while True:
                    ballast.write(b"x" * 65_536)
                    ballast.flush()
            except OSError:
                pass
        output, _ = process.communicate(timeout=PATIENCE_S)

        assert process.returncode == 2, output
        assert "Traceback" not in output
        assert_gone(family)
        result = read_result(only_folder(disk / "out"))
        assert result.state == "aborted"
        assert result.trials
        assert json.loads((only_folder(disk / "out") / "result.json").read_text())["run_id"] == result.run_id
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_status_and_down_find_and_clear_what_a_run_without_its_guard_left(endless, tmp_path):
    """The guard is killed with its run: only then is anything left to find."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = start(endless, tmp_path)
    wait_for_trials(process, tmp_path / "out", count=1)
    # It would replace a guard that has gone.
    process.send_signal(signal.SIGSTOP)
    family = family_of(process)
    for one in family:
        if is_part(one, "guard"):
            one.kill()
    process.kill()
    process.wait(PATIENCE_S)

    def reported(name):
        done = run_command(name, "--json", env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert reported("status")
    assert reported("down")
    assert reported("status") == []
    assert_gone(family)
