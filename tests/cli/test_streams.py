"""What becomes of output that cannot be written, and of what every command has."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "bench"]
EXPLAIN = [
    *COMMAND,
    *("explain", str(ROOT / "scenarios" / "egress-mtls"), "-H", "want: v1"),
    *("--url", "http://nginx.external.svc.cluster.local/"),
]


def ended(command, **more):
    environment = {**os.environ, **more.pop("env", {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **more)


def test_an_encoding_without_our_signs_gets_others():
    done = ended(EXPLAIN, env={"PYTHONIOENCODING": "ascii"})

    assert (done.returncode, done.stderr) == (0, "")
    assert "`- sleep (sidecar)" in done.stdout


def test_output_that_nothing_reads_ends_as_interrupted_without_a_word():
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(EXPLAIN, stdout=write, stderr=subprocess.PIPE, text=True, check=False)

    os.close(write)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_was_closed_before_is_no_reason_to_fail(closed):
    done = ended(["sh", "-c", f'"$@" {closed}', "sh", *EXPLAIN])

    assert done.returncode == 0
    assert done.stderr == ""
    assert ("sleep (sidecar)" in done.stdout) is (closed == "2>&-")


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_ends_at_once_has_written_all_and_run_what_was_to_run_at_its_end(code, tmp_path):
    program = (
        "import atexit, pathlib, sys, typer; import bench.cli\n"
        f"atexit.register(pathlib.Path({str(tmp_path / 'left')!r}).write_text, 'x')\n"
        "def end():\n"
        " sys.stdout.write('a' * 100_000)\n"
        f" raise typer.Exit({code})\n"
        "bench.cli.app.command('end')(end)\n"
        "sys.argv = ['egress-bench', 'end']; bench.cli.program()"
    )

    done = ended([sys.executable, "-c", program])

    assert (done.returncode, len(done.stdout), done.stderr) == (code, 100_000, "")
    assert (tmp_path / "left").exists()


def test_a_process_whose_thread_is_still_at_work_waits_for_it():
    program = (
        "import sys, threading, time; import bench.cli\n"
        "def end():\n"
        " threading.Thread(target=lambda: (time.sleep(0.3), print('done'))).start()\n"
        "bench.cli.app.command('end')(end)\n"
        "sys.argv = ['egress-bench', 'end']; bench.cli.program()"
    )

    done = ended([sys.executable, "-c", program])

    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_closed_terminal_ends_as_interrupted():
    ours, theirs = pty.openpty()
    # A session of its own whose terminal goes away: the system sends SIGHUP, and writing fails.
    code = (
        "import fcntl, sys, termios, time; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "import bench.cli;"
        "bench.cli.app.command('wait')(lambda: (print('up', flush=True), time.sleep(120)));"
        "sys.argv = ['egress-bench', 'wait']; bench.cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=ROOT,
    ) as process:  # fmt: skip
        os.close(theirs)
        assert os.read(ours, 100).strip() == b"up"
        os.close(ours)

    assert process.returncode == 130


@pytest.mark.parametrize(
    "arguments", [["check", "."], ["translate", ".", "--role", "egress", "--out", "out"]]
)
def test_a_current_folder_that_is_gone_is_an_error_and_no_traceback(tmp_path, arguments):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys; os.rmdir(os.getcwd());"
        f"sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['egress-bench', *{arguments!r}];"
        "import bench.cli; bench.cli.main()"
    )

    done = ended([sys.executable, "-c", code], cwd=gone)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_version_is_reported():
    assert ended([*COMMAND, "--version"]).stdout.startswith("egress-bench ")


def test_every_command_has_short_help():
    names = [command.name or command.callback.__name__ for command in app.registered_commands]

    for name in [*names, "images"]:
        shown = CliRunner().invoke(app, [name.replace("_", "-"), "-h"])
        assert (shown.exit_code, "Usage" in shown.output) == (0, True), name
