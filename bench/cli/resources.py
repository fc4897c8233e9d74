"""Commands that read Istio resources: translate, check, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bench.cli.exporting import OF_FINDINGS, exporting
from bench.cli.options import (
    AsJson,
    ConfigSourceName,
    FailOnName,
    Quiet,
    RoleName,
    StackKind,
    by_name,
    each_by_name,
)
from bench.cli.parts import make_console
from bench.errors import BenchError
from bench.report import Exports

if TYPE_CHECKING:
    from bench.draft import StackChoice

_WHERE = "Folder of Istio YAML, with or without an inventory; or a file, or - for standard input."


def translate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_WHERE, callback=by_name)],
    *,
    role: Annotated[RoleName, typer.Option(help="Which proxy of the path.")],
    config_source: Annotated[ConfigSourceName, typer.Option(help="Where endpoints come from.")],
    out: Annotated[Path, typer.Option(help="Folder for the Envoy files.")],
    proxy: Annotated[str | None, typer.Option(help="Proxy of the inventory, if a role has several.")] = None,
    initial_fetch_timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds until Envoy starts without a control plane's answer; 0: never."),
    ] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the Envoy configuration files for a folder of Istio resources."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.commands.translation import write_translation

        written = write_translation(
            folder,
            role=role.value,
            proxy=proxy,
            config_source=config_source.value,
            out=out,
            initial_fetch_timeout_s=initial_fetch_timeout,
        )
        for assumption in written.assumptions:
            console.note(assumption)
        for warning in written.warnings:
            console.note(f"warning: {warning}")
        console.say(written.command)
        console.document(written.document())


@exporting(*OF_FINDINGS)
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            callback=each_by_name,
            metavar="DIR...",
            help="Folders of Istio YAML, a scenario, files, or - for standard input: all are one mesh.",
        ),
    ],
    *,
    fail_on: Annotated[FailOnName, typer.Option(help="Findings of this level end with code 1.")] = (
        FailOnName.ERROR
    ),
    as_json: AsJson = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0 on stdout.")] = False,
    exports: Exports,
) -> None:
    """Report what is wrong with Istio YAML, and what that does to requests, before anything runs."""
    with make_console(as_json=as_json or as_sarif) as console:
        from bench.commands.check import check_sources, exit_code, report_of

        try:
            report = check_sources(paths)
        except BenchError as error:
            if as_sarif:
                # Whoever uploads the document gets one in any case.
                console.document(report_of(error).sarif(version=_version()))
            raise
        if not (as_json or as_sarif):
            console.findings(report.worst_first())
            for note in report.notes:
                console.note(f"note: {note}")
            console.say(report.summary())
        console.document(report.sarif(version=_version()) if as_sarif else report.document())
        exports.write_findings(report.findings, fails_on_warning=fail_on is FailOnName.WARNING)
        raise typer.Exit(exit_code(report, fail_on.value))


def _version() -> str:
    from bench.environment import package_version

    return package_version("egress-bench")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in which the scenario is written.")],
    *,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="YAML",
            help="Folder or file of Istio YAML, or - for standard input; several. Default: what is in DIR.",
        ),
    ] = None,
    stack: Annotated[
        StackKind | None,
        typer.Option(help="Where it is to run. Default: anywhere, unless containers reach more."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a scenario from Istio YAML that runs at once, with every assumption as a comment."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.commands.init import init_scenario

        made = init_scenario(folder, sources or [], cast("StackChoice | None", stack))
        for assumption in made.assumptions:
            console.note(assumption)
        for host, why in made.draft.unreached:
            console.note(f"note: no request to {host}: {why}")
        option = " --stack docker" if made.draft.needs_containers else ""
        requests = len(made.draft.targets)
        console.say(
            f"{made.folder}: {requests} request{'s' if requests != 1 else ''}, {made.draft.nodes} "
            f"node{'s' if made.draft.nodes != 1 else ''}. Next: egress-bench run {made.folder}{option}"
        )
        console.document(made.document())


def diff(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_WHERE, callback=by_name)],
    *,
    config_dump: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FILE",
            help="A proxy, and its /config_dump?include_eds or `istioctl proxy-config all -o json`; several.",
        ),
    ],
    declared_only: Annotated[
        bool, typer.Option("--declared-only", help="Leave out hosts that no resource of the YAML declares.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold what real proxies have against what the YAML means; ends with 1 where they differ."""
    with make_console(as_json=as_json) as console:
        from bench.commands.diff import diff_folder

        report = diff_folder(folder, config_dump, declared_only=declared_only)
        for assumption in report.assumptions:
            console.note(assumption)
        for proxy in report.proxies:
            for note in proxy.notes:
                console.note(f"note: {proxy.proxy}: {note}")
            for line in proxy.lines():
                console.say(f"{proxy.proxy}: {line}")
            rest = f", {proxy.left_out} of other hosts left out" if proxy.left_out else ""
            count = len(proxy.differences)
            console.say(
                f"{proxy.proxy}: {proxy.fields} fields compared, {count or 'no'} "
                f"difference{'' if count == 1 else 's'}{rest}"
            )
        console.document(report.document())
        raise typer.Exit(int(report.differs))


def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_WHERE, callback=by_name)],
    *,
    url: Annotated[str, typer.Option(help="What the client calls.")],
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="'name: value'.")] = None,
    method: Annotated[str, typer.Option(help="HTTP method.")] = "GET",
    proxy: Annotated[str | None, typer.Option("--from", help="Proxy beside the client.")] = None,
    as_json: AsJson = False,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid drawing.")] = False,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="End with 1 unless this comes: answered, closed, a status, ADDRESS:PORT, or a proxy.",
        ),
    ] = None,
) -> None:
    """Show the way of one request: listener, route, cluster, endpoint, and why."""
    with make_console(as_json=as_json) as console:
        from bench.commands.explanation import comes_as_expected, explanation_of
        from bench.explain import document, mermaid, tree

        found = explanation_of(folder, url, headers=header or (), method=method, proxy=proxy)
        trace = found.trace
        for assumption in found.assumptions:
            console.note(assumption)
        if not as_json:
            console.say(mermaid(trace) if as_mermaid else tree(trace, width=console.width))
        console.document({**document(trace), "assumptions": list(found.assumptions)})
        if expect is not None and not comes_as_expected(trace, expect):
            raise typer.Exit(1)
