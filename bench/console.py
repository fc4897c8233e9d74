"""The one place that prints: progress, tables, errors.

Progress, warnings and errors go to stderr, results to stdout; with ``--json`` stdout carries one JSON
document and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from bench.channels import channel
from bench.errors import BenchError
from bench.plain_text import escaped, shown
from bench.progression import Progression, bar_text, plain_stage

# What formats results imports pydantic: `egress-bench --help` has 0.3 s and needs none of it.
if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress
    from rich.text import Text

    from bench.check import Finding
    from bench.result import Result, RunWarning, VerificationLine

_BAR = 20
"""Columns of the bar."""
_LEFT = 22
"""Columns for what remains: ``about 99 min 59 s left``."""
_NOTHING_PROVEN = 3
"""Exit code of a run that neither passed nor failed."""
_LEVEL_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
_LOG_WIDTH = 100
"""Columns of drawings where there is no terminal to measure."""


class Output(Protocol):
    """What a command reports while it works and when it is done."""

    def plan(self, total_s: float) -> None:
        """Announce how long everything will take, in seconds: what remains is counted from this."""

    def stage(self, text: str, planned_s: float = 0.0) -> None:
        """Say what is happening from now on, and for how many of the planned seconds."""

    def note(self, text: str) -> None:
        """Report a fact that does not change what is happening."""

    def verification(self, calls: Sequence[VerificationLine]) -> None:
        """Show the table of calls before the load."""

    def warning(self, warning: RunWarning) -> None:
        """Report a warning as soon as it is known; it is in the result, too."""

    def finish(self, result: Result, report: Path | None) -> int:
        """Show the summary and where the report is; return the exit code."""

    def error(self, error: BenchError) -> None:
        """Say in one paragraph why the command could not do its job."""

    def say(self, text: str) -> None:
        """Print the text that a command was asked for."""

    def document(self, value: Any) -> None:
        """Print *value* as the one JSON document of ``--json``; without the option: nothing."""


def fit(text: str, width: int) -> str:
    """Cut *text* to what is left of a line of *width* columns beside the bar."""
    room = max(width - _BAR - _LEFT - 5, 10)
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


class Console:
    """Output to a terminal, to a log, or as JSON.

    Args:
        quiet: only the final lines, and errors.
        as_json: one JSON document on stdout, everything else on stderr.
        stdout: where results go; None: the process's own.
        stderr: where progress, warnings and errors go; None: the process's own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        as_json: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quiet = quiet
        self._as_json = as_json
        self._stdout = stdout or sys.stdout
        self._err = channel(stderr or sys.stderr)
        self._out = self._err if as_json else channel(self._stdout)
        self._progression = Progression(clock)
        self._bar: Progress | None = None
        self._has_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar off the screen. Safe to call twice."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def plan(self, total_s: float) -> None:
        """Announce the planned seconds; on a terminal the bar appears."""
        self._progression.plan(total_s)
        terminal = self._err.terminal
        if self._bar is None and not self._quiet and terminal is not None:
            self._bar = _bar(terminal, self._progression)
            self._bar.start()

    def stage(self, text: str, planned_s: float = 0.0) -> None:
        """Say what is happening from now on."""
        self._progression.stage(planned_s)
        if self._quiet:
            return
        if self._bar is not None:
            for task in self._bar.task_ids:
                self._bar.update(task, description=fit(shown(text), self._bar.console.width))
        else:
            self._err.line(plain_stage(self._progression, text, planned_s))

    def note(self, text: str) -> None:
        """Report a fact, above the bar."""
        if not self._quiet:
            self._err.line(text)

    def verification(self, calls: Sequence[VerificationLine]) -> None:
        """Show the table of calls before the load, above the bar."""
        from bench.report.terminal import verification_lines  # noqa: PLC0415 - see above

        if self._quiet:
            return
        wrong = False
        for line in verification_lines(calls):
            # A wrong call's details are indented below it.
            wrong = "✗ " in line or (wrong and line.startswith("  "))
            self._err.line(line, "red" if wrong else "")

    def warning(self, warning: RunWarning) -> None:
        """Report a warning, above the bar."""
        if not self._quiet:
            self._err.line(f"warning: {warning.message} {warning.advice}", "yellow")

    def finish(self, result: Result, report: Path | None) -> int:
        """Show the summary, or only verdict and report with ``quiet``; return the exit code."""
        from bench.analysis.verdict import judge  # noqa: PLC0415 - see above
        from bench.report.terminal import summary_lines, verdict_lines  # noqa: PLC0415 - see above

        self.close()
        verdict = judge(result)
        place = _near(report) if report is not None else None
        if self._quiet:
            lines = [*verdict_lines(result), *([f"report  {place}"] if place else [])]
        else:
            lines = summary_lines(result, place)
        style = {0: "bold green", _NOTHING_PROVEN: "bold yellow"}.get(verdict.exit_code, "bold red")
        if not self._quiet:
            self._out.line("")
        self._out.line(lines[0], style, styled=len(verdict.state))
        self._lines(lines[1:])
        self.document(
            {
                "verdict": {
                    "state": verdict.state,
                    "sentence": verdict.sentence,
                    "exit_code": verdict.exit_code,
                },
                "report": str(report) if report is not None else None,
                "result": result.model_dump(mode="json"),
            }
        )
        return verdict.exit_code

    def error(self, error: BenchError) -> None:
        """Say in one paragraph why the command could not do its job."""
        self.close()
        self._err.line(f"error: {error}", "bold red", styled=len("error:"))
        self.document(
            {
                "error": {
                    "what": error.what,
                    "where": str(error.where) if error.where is not None else None,
                    "remedy": error.remedy,
                }
            }
        )

    def say(self, text: str) -> None:
        """Print the text that a command was asked for; with ``--json`` it goes to stderr."""
        self._out.line(text)

    @property
    def width(self) -> int:
        """Columns for what :meth:`say` prints."""
        return self._out.terminal.width if self._out.terminal is not None else _LOG_WIDTH

    def findings(self, findings: Sequence[Finding]) -> None:
        """Print a paragraph for each finding on a terminal, else a line that can be searched."""
        from bench.report.findings import finding_line, finding_paragraph  # noqa: PLC0415 - see above

        for finding in findings:
            if self._out.terminal is None:
                self._out.line(finding_line(finding))
                continue
            first, *rest = finding_paragraph(finding, width=self.width)
            word = finding.level.word
            self._out.line(first, _LEVEL_STYLES.get(word, ""), styled=len(word))
            self._lines([*rest, ""])

    def document(self, value: Any) -> None:
        """Print the one JSON document of ``--json``; a second one would spoil the first and is left out."""
        if self._as_json and not self._has_answered:
            self._has_answered = True
            self._stdout.write(escaped(json.dumps(value, indent=1, ensure_ascii=False)) + "\n")
            self._stdout.flush()

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._out.line(line)


def _near(path: Path) -> Path:
    """A path as short as it can be typed here."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except (ValueError, FileNotFoundError):
        # It lies elsewhere, or the current folder is gone.
        return path


def _bar(console: RichConsole, progression: Progression) -> Progress:
    from rich.progress import (  # noqa: PLC0415 - only a terminal has a bar
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
    )
    from rich.text import Text  # noqa: PLC0415 - as above

    class Left(ProgressColumn):
        """What remains, by the clock: the bar moves although nothing reports within a stage."""

        def render(self, task: Task) -> Text:
            task.completed = progression.done_s
            task.total = max(progression.total_s, 0.001)
            return Text(f"{bar_text(progression):<{_LEFT}}", style="dim", no_wrap=True)

    bar = Progress(
        SpinnerColumn(),
        BarColumn(bar_width=_BAR),
        Left(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        refresh_per_second=4,
    )
    bar.add_task("starting", total=1.0)
    return bar
