"""The options that write a command's outcome for other programs, the same on every command that has one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.help import FOR_OTHERS
from bench.errors import BenchError
from bench.report import Exports

if TYPE_CHECKING:
    from bench.console import Console
    from bench.measure import Finished

_OPTIONS = {
    "junit": "JUnit XML, for CI servers.",
    "summary": "Markdown, appended: for $GITHUB_STEP_SUMMARY.",
    "prometheus": "Metrics for node_exporter's textfile collector (OpenMetrics).",
    "fortio": "Fortio's JSON, for `fortio report`.",
    "csv": "A row for each trial and subset.",
}
OF_FINDINGS = ("junit", "summary")
"""Forms that hold verdicts without any measurement."""


def exporting(*forms: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options ``--junit FILE`` … and hand it what they ask for as ``exports``.

    The files are tried out before the command begins. Where it cannot do its job, they say so.

    Args:
        forms: those that the command can write; none: all.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        given = {
            name: inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    Path | None,
                    typer.Option(f"--{name}", metavar="FILE", help=text, rich_help_panel=FOR_OTHERS),
                ],
            )
            for name, text in _OPTIONS.items()
            if name in (forms or _OPTIONS)
        }

        @wraps(command)
        def run(*arguments: Any, **options: Any) -> None:
            exports = Exports(**{name: options.pop(name) for name in given})
            exports.check()
            try:
                command(*arguments, exports=exports, **options)
            except BenchError as error:
                exports.write_error(error)
                raise

        own = [each for each in signature.parameters.values() if each.name != "exports"]
        run.__signature__ = signature.replace(parameters=[*own, *given.values()])  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in (*own, *given.values())} | {
            "return": None
        }
        return run

    return decorate


def conclude(finished: Finished, console: Console, exports: Exports) -> int:
    """Show how a run ended and write what was asked for; return the exit code."""
    code = console.finish(finished.result, finished.report)
    exports.write(finished.result, finished.folder)
    return code
