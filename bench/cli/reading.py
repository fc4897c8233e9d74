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
from bench.errors import InputError


def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Result folders; several are compared.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a comparison; default: a new one beside the first result.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the report of a result folder, on any machine; with several, write their comparison."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        if len(results) > 1:
            from bench.report import write_comparison

            comparison = str(write_comparison(results, out))
            console.say(comparison)
            console.document({"comparison": comparison})
            return
        if out is not None:
            raise InputError("--out is for a comparison.", remedy="A report lies in its result folder.")
        from bench.report import write_report

        written = [str(write_report(results[0]))]
        console.say("\n".join(written))
        console.document({"reports": written})
