"""Help in groups, as plain text: rich's pages would take most of the 0.3 s that ``--help`` has."""

from __future__ import annotations

import re
from typing import Any

import typer.core

OPTIONS = "Options"
TARGET = "Target"
PATH = "Path"
LOAD = "Load"
SEARCH = "Search"
PODS = "Pods"
OUTPUT = "Output"
FOR_OTHERS = "Files for other programs"
LOCUST = "Locust"
_PANELS = ("Arguments", TARGET, PATH, LOAD, SEARCH, PODS, OPTIONS, LOCUST, OUTPUT, FOR_OTHERS)
_MOST_CHARACTERS = 100
"""Of a line: longer ones are hard to read."""
_WHOLE = 1000
"""Characters of a command's summary: all of them, wrapped."""
_LIST = re.compile(r"<list\[(.*?)\]>")
_TYPES = {"<float>": "NUMBER", "<int>": "NUMBER", "<str>": "TEXT", "<path>": "PATH"}


def words_of(record: tuple[str, str]) -> tuple[str, str]:
    """An entry of the help with what an option takes in words of the shell, not in those of Python."""
    name, text = record
    if not name.startswith("-"):
        # An argument has a name that says what it is.
        return name.partition(" <")[0], text
    name = _LIST.sub(r"<\1>", name).replace(" range>", ">")
    for kind, word in _TYPES.items():
        name = name.replace(kind, word)
    return name, text


class Command(typer.core.TyperCommand):
    """A command whose options stand in groups, those that many commands have last."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Let help use the terminal's width, up to what is easily read."""
        return super().make_context(
            info_name, args, parent, **{"max_content_width": _MOST_CHARACTERS, **extra}
        )

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = param.param_type_name == "argument"
                panel = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or OPTIONS
                groups.setdefault(panel, []).append(words_of(record))
        for panel in _PANELS:
            if panel in groups:
                with formatter.section(panel):
                    formatter.write_dl(groups[panel])


class Group(typer.core.TyperGroup):
    """Commands under what they are for."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """As :meth:`Command.make_context`."""
        return super().make_context(
            info_name, args, parent, **{"max_content_width": _MOST_CHARACTERS, **extra}
        )

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each group of commands in its order."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [(name, command) for name, command in found if command is not None and not command.hidden]
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, command in shown:
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            groups.setdefault(panel, []).append((name, command.get_short_help_str(_WHOLE)))
        for panel, rows in groups.items():
            with formatter.section(panel):
                formatter.write_dl(rows)
