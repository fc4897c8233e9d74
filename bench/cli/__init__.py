"""The command line: a door, not a room. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import sys

import typer

from bench.cli import reading, resources, running, sizing, stacks
from bench.cli.parts import make_console
from bench.errors import BenchError

# rich's help pages cost a quarter of a second; `--help` has 0.3 s in all.
app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)

images_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Images of `--stack docker`.")
app.add_typer(images_app, name="images")

for command in (
    running.run,
    resources.translate,
    resources.check,
    resources.explain,
    running.drive,
    running.faults,
    sizing.capacity,
    sizing.plan,
    running.worker,
    stacks.up,
    stacks.status,
    stacks.down,
    stacks.logs,
    reading.report,
    stacks.doctor,
):
    app.command()(command)
images_app.command("build")(stacks.build_images)
images_app.command("pin")(stacks.pin_images)


def main() -> None:
    """Run one command; see the errors for exit code 2."""
    from bench.stack.interrupts import terminations_raise

    try:
        # `kill` ends a run as Ctrl-C does: everything is stopped, what was measured is kept.
        with terminations_raise():
            app()
    except BenchError as error:
        make_console(as_json="--json" in sys.argv).error(error)
        raise SystemExit(error.exit_code) from None
