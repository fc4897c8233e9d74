"""Commands that read results, and say what they hold: report, history, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.exporting import exporting
from bench.cli.options import AsJson, DifferenceName, Quiet, SchemaKind
from bench.cli.parts import make_console
from bench.errors import InputError
from bench.report import Exports

_REPORTS = Path("reports")


def scenarios(*, as_json: AsJson = False) -> None:
    """List the shipped scenarios; every command takes their names instead of folders."""
    with make_console(as_json=as_json) as console:
        from bench.scenario.library import library

        entries = list(library())
        width = max((len(each.name) for each in entries), default=0)
        for each in entries:
            console.say(f"{each.name:{width}}  {each.description}")
        console.document(
            {
                "scenarios": [
                    {"name": each.name, "description": each.description, "folder": str(each.folder)}
                    for each in entries
                ]
            }
        )


@exporting()
def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Result folders; several are compared.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a comparison; default: a new one beside the first result.")
    ] = None,
    despite: Annotated[
        list[DifferenceName] | None,
        typer.Option(help="What is to be compared, and may differ between the results."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    exports: Exports,
) -> None:
    """Rebuild the report of a result folder, on any machine; with several, write their comparison.

    Results that differ in anything but what --despite names are not compared.
    """
    with make_console(quiet=quiet, as_json=as_json) as console:
        if len(results) > 1:
            from bench.analysis.comparable import Difference
            from bench.report import write_comparison

            if exports:
                raise InputError(
                    "these formats hold one result.",
                    remedy="Name one result folder, or leave the option out.",
                )
            page = write_comparison(results, out, [Difference(each.value) for each in despite or ()])
            console.say(str(page))
            console.document({"comparison": str(page)})
            _show(page, wanted=open_page)
            return
        if out is not None:
            raise InputError("--out is for a comparison.", remedy="A report stays in its result folder.")
        if despite:
            raise InputError("--despite is for a comparison.", remedy="Name a second result folder.")
        from bench.report import write_report
        from bench.result import read_result

        page = write_report(results[0])
        console.say(str(page))
        console.document({"reports": [str(page)]})
        if exports:
            exports.write(read_result(results[0]), results[0])
        _show(page, wanted=open_page)


def _show(page: Path, *, wanted: bool) -> None:
    """Open *page* where there is a browser; where there is none, its path has been printed."""
    if wanted:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def history(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of result folders.")] = Path(
        "reports"
    ),
    *,
    out: Annotated[Path | None, typer.Option(help="Folder for the page; default: DIR itself.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Show the figures of many runs over time, and where their level changes."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.report import change_lines, write_history

        written = write_history(folder, out)
        changes = change_lines(written.history)
        for why in written.unreadable:
            console.note(f"skipped: {why}")
        console.say("\n".join([*(changes or ["no figure changes its level"]), str(written.page)]))
        console.document(
            {
                "history": str(written.page),
                "runs": sum(len(group.results) for group in written.history.groups),
                "changes": [
                    {
                        "scenario": group.results[0].scenario,
                        "figure": series.name,
                        "unit": series.unit,
                        "from_run": group.results[series.runs[change.at]].run_id,
                        "before": change.before,
                        "after": change.after,
                        "p": change.p,
                    }
                    for group in written.history.groups
                    for series in group.series
                    for change in series.changes
                ],
            }
        )
        _show(written.page, wanted=open_page)


def schema(
    kind: Annotated[SchemaKind, typer.Argument(metavar="result|scenario", help="Which file.")],
) -> None:
    """Print the JSON Schema of result.json or scenario.yaml, for programs and editors."""
    from bench.commands.schema import schema_of

    with make_console() as console:
        console.say(schema_of(kind.value).rstrip("\n"))
