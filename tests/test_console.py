"""What people and programs read while a command works, and after it."""

import io
import json
import re
import subprocess
import sys

import pytest

from bench.channels import channel
from bench.console import Console, Output
from bench.errors import InputError, Position
from bench.report.terminal import summary_lines, verification_lines
from bench.result import LimitCheck, RunWarning, read_result
from tests.report.synthetic import VERIFICATION, make_run
from tests.support.clock import Clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"), rate=100, seconds=4)
    return folder, read_result(folder)


@pytest.fixture
def streams():
    return io.StringIO(), io.StringIO()


def a_console(streams, **options):
    out, err = streams
    return Console(stdout=out, stderr=err, **options)


def test_the_summary_fits_one_screen_and_names_the_report(run, streams):
    folder, result = run

    code = a_console(streams).finish(result, folder / "report.html")

    lines = streams[0].getvalue().splitlines()
    assert code == 0
    assert lines.pop(0) == ""
    assert len(lines) <= 23
    assert [line for line in lines[:-1] if len(line) > 80] == []
    assert lines[0].startswith("PASSED")
    assert lines[-1].split()[-1] == str(folder / "report.html")
    assert "response time" in streams[0].getvalue()
    assert streams[1].getvalue() == ""


def test_the_summary_still_fits_with_many_subsets_parts_and_warnings(run):
    folder, result = run
    many = tuple(
        result.totals[0].model_copy(update={"name": f"subset-with-a-long-name-{n}", "answered": 200 - n % 7})
        for n in range(20)
    )
    crowded = result.model_copy(
        update={
            "totals": (*many, result.totals[-1]),
            "limits": tuple(
                LimitCheck(name=f"limit_{n}", limit="≤ 0", measured="12", passed=False) for n in range(9)
            ),
            "warnings": (RunWarning(code="x", message="Odd. " * 40, advice=""),) * 3,
        }
    )

    lines = summary_lines(crowded, folder / "report.html")

    assert len(lines) <= 23
    assert [line for line in lines[:-1] if len(line) > 80] == []
    assert "… and 18 more in the report" in lines
    assert "subset-with-a…" in "".join(lines)


def test_the_summary_of_a_run_that_got_nowhere_is_short(run, streams):
    _, result = run
    nothing = result.model_copy(
        update={
            "state": "aborted",
            "reason": "nginx is missing",
            "trials": (),
            "totals": (),
            "comparisons": (),
            "handshake": None,
            "generator": None,
        }
    )

    code = a_console(streams).finish(nothing, None)

    assert code == 2
    assert streams[0].getvalue().strip() == "ABORTED  The run was aborted: nginx is missing"


def test_quiet_prints_verdict_and_report_only(run, streams):
    folder, result = run
    console = a_console(streams, quiet=True)
    console.plan(10)
    console.stage("starting")
    console.note("a note")
    console.verification(result.verification)
    console.warning(RunWarning(code="x", message="m", advice="a"))

    console.finish(result, folder / "report.html")

    assert streams[1].getvalue() == ""
    assert len(streams[0].getvalue().strip().splitlines()) <= 4
    assert "report.html" in streams[0].getvalue()


def test_json_leaves_one_document_on_stdout_and_the_rest_on_stderr(run, streams):
    folder, result = run
    console = a_console(streams, as_json=True)
    console.stage("starting")
    console.verification(result.verification)
    console.say("some text")

    console.finish(result, folder / "report.html")

    document = json.loads(streams[0].getvalue())
    assert document["verdict"] == {
        "state": "passed",
        "sentence": document["verdict"]["sentence"],
        "exit_code": 0,
    }
    assert document["result"]["totals"][-1]["due"] == result.totals[-1].due
    assert document["report"] == str(folder / "report.html")
    assert "PASSED" in streams[1].getvalue()
    assert "some text" in streams[1].getvalue()


def test_an_error_is_one_paragraph_on_stderr_as_it_was_written(streams):
    error = InputError(
        "host [bold]x[/] is unknown" + " and that is a long story" * 10,
        where=Position("vs.yaml", 14),
        remedy="Add it.",
    )

    a_console(streams).error(error)

    assert streams[1].getvalue() == f"error: {error}\n"
    assert streams[0].getvalue() == ""


def test_an_error_under_json_is_a_document_too(streams):
    a_console(streams, as_json=True).error(InputError("no", where="a.yaml:3", remedy="Do."))

    assert json.loads(streams[0].getvalue()) == {
        "error": {"what": "no", "where": "a.yaml:3", "remedy": "Do."}
    }


def test_an_error_after_the_result_does_not_spoil_the_document(run, streams):
    console = a_console(streams, as_json=True)
    console.finish(run[1], None)

    console.error(InputError("late"))

    assert json.loads(streams[0].getvalue())["verdict"]["state"] == "passed"
    assert "error: late" in streams[1].getvalue()


def test_without_a_terminal_each_stage_is_a_plain_line(streams):
    clock = Clock()
    console = a_console(streams, clock=clock)
    console.plan(100)
    console.stage("start the stacks", 3)
    clock.now += 3

    console.stage("block 1, 1st: static", 75)

    assert streams[1].getvalue().splitlines() == [
        "    0 s  start the stacks (3 s)",
        "    3 s  block 1, 1st: static (1 min 15 s)",
    ]


def test_on_a_terminal_a_bar_says_what_happens_and_what_remains(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    clock, err = Clock(), Terminal()
    with Console(stdout=io.StringIO(), stderr=err, clock=clock) as console:
        console.plan(100)
        console.stage("block 1, 1st: static", 40)
        clock.now += 10
        console._bar.refresh()
        console.note("a fact")

    shown = err.getvalue()
    assert "block 1, 1st: static" in shown
    assert "about 1 min 30 s left" in shown
    assert "a fact" in shown
    assert shown.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in shown


def test_a_long_stage_stays_on_one_line_of_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    err = Terminal()
    with Console(stdout=io.StringIO(), stderr=err) as console:
        console.plan(5_999)
        console.stage("a stage that has much to say about itself and takes several lines to do so", 40)
        console._bar.refresh()

    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err.getvalue())
    shown = [line for line in re.split(r"[\r\n]+", plain) if "a stage" in line]
    assert shown
    assert all("…" in line and "about 99 min 59 s left" in line and len(line) <= 80 for line in shown)


def test_the_cursor_comes_back_after_an_exception(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    err = Terminal()

    def interrupted():
        with Console(stdout=io.StringIO(), stderr=err) as console:
            console.plan(5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert err.getvalue().count("\x1b[?25l") == err.getvalue().count("\x1b[?25h") == 1


def test_the_verification_table_shows_a_wrong_call_in_full(streams):
    wrong = VERIFICATION[0].model_copy(update={"passed": False, "got": "200 v2!\nand more of the page"})

    lines = verification_lines((wrong, *VERIFICATION[1:]))
    a_console(streams).verification((wrong, *VERIFICATION[1:]))

    assert lines[0].split() == ["call", "expected", "static", "eds"]
    assert lines[1].endswith("✗ 200     ✓ 200")
    assert "static: sent GET / want: v1; expected 200 v1!; got 200 v2! and more of the page" in lines[2]
    assert "\n".join(lines).count("✓") == len(VERIFICATION) - 1
    assert len(lines) == 1 + len(VERIFICATION) // 2 + 1
    assert all(len(line) <= 80 for line in lines[:2] + lines[3:])
    assert streams[1].getvalue().splitlines() == lines


@pytest.mark.parametrize("stacks", [("",), ("static",), ("static", "eds", "docker", "a-long-name")])
def test_the_verification_table_takes_any_number_of_stacks(stacks):
    calls = [
        line.model_copy(update={"stack": stack})
        for stack in stacks
        for line in VERIFICATION[: len(VERIFICATION) // 2]
    ]

    lines = verification_lines(calls)

    assert len(lines) == 1 + len(VERIFICATION) // 2
    assert all(len(line) <= 80 and line.count("✓") == len(stacks) for line in lines[1:])
    assert len(lines[0]) <= 80


def test_of_many_calls_one_screen_is_shown_with_every_wrong_one():
    calls = [
        VERIFICATION[0].model_copy(
            update={"name": f"call {number}", "stack": "static", "passed": number != 90}
        )
        for number in range(100)
    ]

    lines = verification_lines(calls)

    assert len(lines) == 1 + 20 + 2 + 1
    assert any(line.startswith("call 90 ") for line in lines)
    assert lines[-1].startswith("… and 79 more calls, all answered as they must be")


def test_doubtful_handshakes_show_no_cost_on_the_screen(run):
    _, result = run
    full, resumed = result.handshake.modes
    doubtful = result.model_copy(
        update={
            "handshake": result.handshake.model_copy(
                update={"modes": (full.model_copy(update={"counts_agree": False}), resumed)}
            )
        }
    )

    (right,) = [line for line in summary_lines(result, None) if line.startswith("new connection")]
    (line,) = [line for line in summary_lines(doubtful, None) if line.startswith("new connection")]

    assert [line.partition("1,0")[0].strip() for line in summary_lines(doubtful, None) if "TLS," in line] == [
        "TLS, full ?",
        "TLS, resumed",
    ]
    assert right == "new connection CPU gateway/nodes: full 4.35 ms/4.18 ms, resumed 525 µs/504 µs"
    assert line == "new connection CPU gateway/nodes: full doubtful, resumed 525 µs/504 µs"


def test_the_console_keeps_every_promise_of_an_output():
    promised = {name for name in vars(Output) if not name.startswith("_")}
    assert promised <= set(dir(Console))


LINES = (
    "plain",
    "",
    "tab\tin\tit",
    "two\nlines\tand a tab",
    "  indented  ",
    "Grüße — “so”",
    "bell\x07 \x1b[31mred",
    "x" * 300,
)


@pytest.mark.parametrize("style", ["", "bold red"])
def test_a_log_reads_what_a_terminal_without_colour_shows(monkeypatch, style):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    log, terminal = io.StringIO(), Terminal()

    for file in (log, terminal):
        for line in LINES:
            channel(file).line(line, style, styled=2)

    assert log.getvalue() == terminal.getvalue()
    assert "\x1b" not in log.getvalue()


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_log_is_coloured_where_its_reader_asks_for_it(monkeypatch, name):
    for other in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    log = io.StringIO()

    channel(log).line("error: no", "bold red", styled=6)

    assert log.getvalue() == "\x1b[1;31merror:\x1b[0m no\n"


def test_what_prints_to_a_log_never_imports_rich():
    code = "import sys, bench.console as c; c.Console().say('x'); sys.exit('rich' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={})

    assert (done.returncode, done.stdout) == (0, "x\n")
