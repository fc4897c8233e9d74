"""`man egress-bench`: every command and option is there, and groff has nothing to say about it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from bench import cli
from tests.docs.generate import MAN_PAGE
from tests.docs.man_page import man_page

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "MANWIDTH": "120", "LC_ALL": "C.UTF-8"}
EMPHASIS = re.compile(r".\x08|\x1b\[[0-9;]*m")
"""As terminals and printers get it."""


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program} here")


def formatted(*command):
    """What the reader sees, without emphasis and in single spaces; and what was complained of."""
    done = subprocess.run([*command, MAN_PAGE], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return " ".join(EMPHASIS.sub("", done.stdout).split()), done.stderr


@needs("groff")
def test_groff_formats_it_without_a_warning():
    shown, complaints = formatted("groff", "-man", "-Tutf8", "-wall", "-rLL=120n")

    assert complaints == ""
    assert "egress-bench run [OPTIONS] [SCENARIO]" in shown


@needs("man")
def test_man_shows_every_command_and_option():
    shown, _ = formatted("man", "-l", "-P", "cat")

    for name, command in get_command(cli.app).commands.items():
        assert f"egress-bench {name}" in shown
        for each in command.params if not hasattr(command, "commands") else ():
            words = each.get_help_record(command.make_context(name, [], resilient_parsing=True))
            assert words is None or words[0].split()[0].rstrip(",") in shown


def test_no_word_of_the_help_is_a_request_of_groff():
    requests = [line for line in man_page().splitlines() if line.startswith((".", "'"))]

    assert {line.split()[0] for line in requests} <= {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".I", '.\\"'}


def test_the_wheel_puts_it_where_man_looks():
    text = Path("pyproject.toml").read_text()

    assert f'"{MAN_PAGE}" = "share/man/man1/egress-bench.1"' in text
