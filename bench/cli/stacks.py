"""Commands about the stacks of this machine: up, status, down, logs, images, doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bench.cli.options import (
    DEFAULT_SCENARIO,
    AsJson,
    ConfigSourceName,
    Quiet,
    ScenarioFolder,
    Stack,
    StackKind,
)
from bench.cli.parts import make_backend, make_console


def up(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    config_source: Annotated[
        ConfigSourceName, typer.Option(help="Where endpoints come from.")
    ] = ConfigSourceName.EDS,
    quiet: Quiet = False,
) -> None:
    """Start the stack for work by hand; it runs until Ctrl-C or `egress-bench down`."""
    with make_console(quiet=quiet) as console:
        from bench.commands.up import run_until_ended
        from bench.scenario.load import load_scenario

        loaded = load_scenario(scenario)
        run_until_ended(loaded, config_source.value, make_backend(stack, loaded, console).make_stack, console)


def status(*, as_json: AsJson = False) -> None:
    """Show which stacks run on this machine, and what killed runs left behind."""
    with make_console(as_json=as_json) as console:
        from bench.commands.status import describe_runs

        found = describe_runs()
        console.say(found.text)
        console.document(found.document)


def down(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Name, folder or process id of a run; default: all of them."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """End your stacks on this machine and clear what killed runs left behind; names each."""
    with make_console(as_json=as_json) as console:
        from bench.commands.down import end_runs

        ended = end_runs(runs or ())
        console.say(ended.text)
        console.document(ended.document)


def logs(
    part: Annotated[
        str | None, typer.Argument(metavar="PART", help="Proxy or node; default: all of them.")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until Ctrl-C.")] = False,
) -> None:
    """Print the output of the components of running stacks."""
    with make_console() as console:
        from bench.commands.logs import lines_of

        for line in lines_of(part, follow=follow):
            console.say(line)


def build_images(*, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Build the images of `--stack docker` from what is installed here; needs no registry."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.commands.images import build_all

        built = build_all(console.note)
        console.say("\n".join(f"{image.role:<10} {image.reference}  {image.id}" for image in built))
        console.document([{"role": i.role, "reference": i.reference, "id": i.id} for i in built])


def pin_images(
    *,
    mirror: Annotated[
        str | None, typer.Option(help="HOST[:PORT][/PATH] of a registry that has the official images.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a registry for the digests of the official images, and use these from now on."""
    with make_console(as_json=as_json) as console:
        from bench.commands.images import pin_all
        from bench.stack.images import lock_path

        pinned = pin_all(mirror)
        console.say("\n".join(f"{image.role:<10} {image.reference}" for image in pinned))
        console.note(f"written to {lock_path()}")
        console.document([{"role": image.role, "reference": image.reference} for image in pinned])


def doctor(*, as_json: AsJson = False) -> None:
    """Show what this machine has, lacks and limits."""
    with make_console(as_json=as_json) as console:
        from bench.commands.doctor import examine

        findings = examine()
        for finding in findings:
            advice = f"  {finding.advice}" if finding.advice else ""
            console.say(f"{finding.verdict:<8} {finding.name:<18} {finding.value}{advice}")
        console.document([asdict(finding) for finding in findings])
        raise typer.Exit(int(any(finding.verdict == "missing" for finding in findings)))
