"""The man page, from the same parsers as ``docs/options.md``.

Programs that make man pages read argparse or click; typer brings its own copy of click, which is neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from bench import cli
from bench.cli.help import words_of

NAME = "egress-bench"
_EXIT_CODES = (
    ("0", "Every call, control and limit was met."),
    ("1", "The path did something wrong, or a limit was missed."),
    ("2", "It could not run, or did not come to its end; what was measured until then is kept."),
    ("3", "Nothing was proven: the generator or the machine was the limit, or there are too few samples."),
    ("130", "Interrupted."),
)
_PLACES = (
    ("scenario.yaml, istio/", "A scenario: what Istio's YAML does not say, and the YAML."),
    ("reports/", "A folder for each run: result.json, report.html, report.md, samples, configuration, logs."),
)


def man_page() -> str:
    """The page as man reads it (groff's ``man`` macros)."""
    command = get_command(cli.app)
    lines = [
        f'.\\" Written by `make docs`.\n.TH {_roff(NAME.upper())} 1 "" "{NAME}" "User Commands"',
        ".SH NAME",
        f"{_roff(NAME)} \\- benchmark and verify Istio egress on real Envoy, from your own Istio YAML",
        ".SH SYNOPSIS",
        f".B {_roff(NAME)}\n.I COMMAND\n[\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        _roff(command.help or ""),
        _roff(f"Each command says with --help what it takes, too; {NAME} --version says which one this is."),
        ".SH COMMANDS",
    ]
    for name, each in _commands(command, ""):
        lines += _command(name, each)
    lines += [".SH EXIT STATUS", *_list(_EXIT_CODES), ".SH FILES", *_list(_PLACES)]
    return "\n".join(line for line in lines if line) + "\n"


def _commands(command: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield prefix, command
        return
    for name, each in children.items():
        yield from _commands(each, f"{prefix} {name}".strip())


def _command(name: str, command: Any) -> Iterator[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_roff(f'{NAME} {name} {usage}')}"
    for number, paragraph in enumerate(re.split(r"\n\s*\n", command.help or "")):
        yield f"{'.PP' if number else ''}\n{_roff(' '.join(paragraph.split()))}".strip()
    records = (each.get_help_record(context) for each in command.params)
    yield from _list(words_of(record) for record in records if record is not None)


def _list(entries: Any) -> Iterator[str]:
    for words, text in entries:
        yield f".TP\n.B {_roff(words)}\n{_roff(' '.join(text.split()))}"


def _roff(text: str) -> str:
    """*text* as groff prints it: no character of it is a request, and options can be copied."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    plain = "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in plain)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
