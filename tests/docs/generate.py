"""Write what the documentation takes from the code: ``make docs``.

    docs/scenario-fields.md        every field of scenario.yaml
    docs/options.md                every option of every command
    docs/egress-bench.1            the same as a man page
    docs/result.schema.json        what `egress-bench schema result` prints
    docs/scenario.schema.json      what `egress-bench schema scenario` prints

What is not current fails the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from bench import cli
from bench.cli.help import words_of
from bench.commands.schema import schema_of
from bench.scenario import Scenario
from tests.docs.man_page import man_page
from tests.docs.models import parts_of

MAN_PAGE = Path("docs/egress-bench.1")
MARK = "<!-- Written by `make docs`. -->"


def scenario_reference() -> str:
    """Every field of scenario.yaml, model by model."""
    lines: list[str] = []
    for part in parts_of(Scenario):
        lines += ["", f"## {part.name}", "", part.meaning, ""]
        lines += ["| field | form | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{row.name}` | {_cell(row.form)} | {_cell(row.default)} | {_cell(row.meaning)} |"
            for row in part.rows
        ]
    return "\n".join(lines) + "\n"


def option_reference() -> str:
    """Every option of every command."""
    lines: list[str] = []
    for name, command in _commands(get_command(cli.app), ""):
        context = command.make_context(name, [], resilient_parsing=True)
        options = [each for each in command.params if each.param_type_name == "option"]
        records = [each.get_help_record(context) for each in options]
        lines += ["", f"## egress-bench {name}", "", (command.help or "").split("\n\n")[0]]
        lines += ["", "| option | |", "|---|---|"]
        shown = [words_of(record) for record in records if record is not None]
        lines += [f"| `{_cell(words)}` | {_cell(text)} |" for words, text in shown]
    return "\n".join(lines) + "\n"


def _commands(command: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Commands of groups, too; typer brings its own copy of click, so that types do not report."""
    children = getattr(command, "commands", None)
    if children is None:
        yield prefix, command
    else:
        for name, each in children.items():
            yield from _commands(each, f"{prefix} {name}".strip())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[Path, str]:
    """What each written file must hold."""
    return {
        Path("docs/scenario-fields.md"): f"# Fields of scenario.yaml\n\n{MARK}\n{scenario_reference()}",
        Path("docs/options.md"): f"# Options\n\n{MARK}\n{option_reference()}",
        MAN_PAGE: man_page(),
        **{Path(f"docs/{kind}.schema.json"): schema_of(kind) for kind in ("result", "scenario")},
    }


def stale() -> list[Path]:
    """Files that are not as the code is now."""
    return [path for path, text in pages().items() if not path.exists() or path.read_text() != text]


def main() -> None:
    """Write what is stale."""
    current = pages()
    for path in stale():
        path.write_text(current[path])


if __name__ == "__main__":
    main()
