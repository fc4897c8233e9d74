"""The command line: a door, not a room. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import comparing, handshakes, reading, resources, running, sizing, stacks
from bench.cli.help import Command, Group
from bench.cli.parts import make_console
from bench.errors import BenchError, DefectError, InputError, StackError

# rich's help pages cost a quarter of a second; `--help` has 0.3 s in all.
app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

images_app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Images of `--stack docker`."
)
app.add_typer(images_app, name="images", rich_help_panel="A stack for work by hand")

_COMMANDS = {
    "From Istio YAML alone": (
        resources.check,
        resources.explain,
        resources.translate,
        resources.diff,
        resources.init,
        reading.scenarios,
    ),
    "Load and measure": (
        running.run,
        comparing.compare,
        sizing.capacity,
        handshakes.handshake,
        running.update,
        running.faults,
        running.drive,
        running.worker,
    ),
    "Read results": (reading.report, reading.history, sizing.plan, reading.schema),
    "A stack for work by hand": (stacks.up, stacks.status, stacks.logs, stacks.down, stacks.doctor),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(cls=Command, rich_help_panel=panel)(command)
images_app.command("build", cls=Command)(stacks.build_images)
images_app.command("pin", cls=Command)(stacks.pin_images)


_NEW_OBJECTS = 100_000
"""How many more objects than before make Python look for unreachable circles; its own choice is 700."""

INTERRUPTED = 130
"""Exit code of what was ended from outside."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"egress-bench {version('egress-bench')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Istio's egress path on real Envoy, from your own YAML: checked, explained, driven and measured."""


def program() -> None:
    """Run one command as all that this process does."""
    from bench.cli.streams import end_at_once

    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    if isinstance(code, int):
        end_at_once(code)
    raise SystemExit(code)


def main() -> None:
    """Run one command; see the errors for exit code 2."""
    from bench.cli.streams import give_up_output, is_reader_gone, open_closed, use_plain_signs
    from bench.stack.interrupts import terminations_raise

    # Modules, models and what was read live to the end: the search was a tenth of the CPU of a short command.
    gc.set_threshold(_NEW_OBJECTS)
    open_closed()
    use_plain_signs()
    try:
        # `kill` ends a run as Ctrl-C does: everything is stopped, what was measured is kept.
        with terminations_raise():
            app()
        sys.stdout.flush()
    except BenchError as error:
        make_console(as_json="--json" in sys.argv).error(error)
        raise SystemExit(error.exit_code) from None
    except SystemExit as ended:
        # click itself ends with 1 where a pipe was closed.
        if isinstance(ended.__context__, OSError) and is_reader_gone(ended.__context__):
            give_up_output()
            raise SystemExit(INTERRUPTED) from None
        raise
    except OSError as error:
        if is_reader_gone(error):
            give_up_output()
            raise SystemExit(INTERRUPTED) from None
        failure = _of_the_system(error)
        make_console(as_json="--json" in sys.argv).error(failure)
        raise SystemExit(failure.exit_code) from error
    except Exception as error:  # noqa: BLE001 - the last net
        # Python would end with 1, which says that the path did wrong.
        import traceback

        traceback.print_exc()
        defect = DefectError(error)
        make_console(as_json="--json" in sys.argv).error(defect)
        raise SystemExit(defect.exit_code) from None


def _of_the_system(error: OSError) -> BenchError:
    """Put into words what the system refused: the last net, for what no command has foreseen."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return InputError("the current folder is gone.", remedy="Change to a folder that exists.")
    return StackError(
        f"the system says: {error.strerror or error}.",
        where=str(error.filename) if error.filename is not None else None,
        remedy="Check whether the file or folder is what it should be, and whether the disk is full.",
    )
