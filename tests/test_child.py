"""What every child process of the suite promises, whoever starts it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from bench.child import Child
from tests.support.waiting import wait_until


def start(tmp_path: Path, code: str, **more) -> Child:
    return Child(
        "it",
        [sys.executable, "-c", code],
        log=tmp_path / "it.log",
        folder=tmp_path,
        environment=dict(os.environ),
        **more,
    )


def test_it_leads_a_session_of_its_own(tmp_path: Path) -> None:
    child = start(tmp_path, "import time; time.sleep(60)")
    try:
        assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
        assert child.exit_code() is None
        assert child.how_it_ended() == "still runs"
        assert not child.wait(0.01)
    finally:
        child.end()
    assert "SIGKILL" in child.how_it_ended()


def test_its_output_and_its_end_are_reported(tmp_path: Path) -> None:
    child = start(tmp_path, "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)")
    assert child.wait(60)

    assert sorted(child.last_output().split()) == ["one", "two"]
    assert child.exit_code() == 3
    assert child.how_it_ended() == "exited with code 3"
    assert child.last_output(1) in ("one", "two")


def test_what_it_leaves_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys;"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']).pid)"
    )
    child = start(tmp_path, code)
    assert child.wait(60)

    orphan = int(child.last_output())
    wait_until(
        lambda: not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
    )


def test_a_stopped_one_still_obeys(tmp_path: Path) -> None:
    child = start(tmp_path, "import time; time.sleep(99)")
    os.kill(child.pid, signal.SIGSTOP)
    child.terminate()

    assert child.wait(60)
    assert child.exit_code() == -signal.SIGTERM


def test_its_standard_streams_can_be_pipes(tmp_path: Path) -> None:
    theirs, ours = os.pipe()
    back, answer = os.pipe()
    child = start(tmp_path, "print(input() + '!')", stdin=theirs, stdout=answer)
    os.close(theirs)
    os.close(answer)
    os.write(ours, b"hello\n")
    os.close(ours)

    assert child.wait(60)
    assert os.read(back, 100) == b"hello!\n"
    os.close(back)
    assert child.last_output() == ""


def test_a_program_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child("it", ["/no/such"], log=tmp_path / "log", folder=tmp_path, environment={})


def test_no_ended_process_is_signalled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(tmp_path, "pass")
    assert child.wait(60)
    sent: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: sent.append(number))

    child.terminate()
    child.kill()
    child.end()

    assert sent == []
