"""Help in groups, as plain text: rich's pages would take most of the 0.3 s that ``--help`` has."""

from __future__ import annotations

from typing import Any

import typer.core

OPTIONS = "Options"
OUTPUT = "Output"
FOR_OTHERS = "Files for other programs"
LOCUST = "Locust"


class Command(typer.core.TyperCommand):
    """A command whose options stand in groups, those of its own first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = param.param_type_name == "argument"
                panel = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or OPTIONS
                groups.setdefault(panel, []).append(record)
        for panel in ("Arguments", OPTIONS, LOCUST, OUTPUT, FOR_OTHERS):
            if panel in groups:
                with formatter.section(panel):
                    formatter.write_dl(groups[panel])


class Group(typer.core.TyperGroup):
    """Commands under what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each group of commands in its order."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [(name, command) for name, command in found if command is not None and not command.hidden]
        room = formatter.width - 6 - max((len(name) for name, _ in shown), default=0)
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, command in shown:
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            groups.setdefault(panel, []).append((name, command.get_short_help_str(room)))
        for panel, rows in groups.items():
            with formatter.section(panel):
                formatter.write_dl(rows)
