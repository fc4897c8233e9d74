"""Commands that read results: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import (
    AsJson,
    Quiet,
)
from bench.cli.parts import make_console


def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Result folders.")],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the report of a result folder, on any machine."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.report.build import write_report

        written = [str(write_report(folder)) for folder in results]
        console.say("\n".join(written))
        console.document({"reports": written})
