"""Help stands in groups: what a command is for, and what an option is about."""

import re

import pytest
from typer.main import get_command

from bench import cli
from tests.support.command import run_main


def sections(text):
    """Heading -> the first words below it."""
    found, heading = {}, ""
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][^:]*:", line):
            heading = line[:-1]
        elif entry := re.match(r"  (\S+)", line):
            found.setdefault(heading, []).append(entry[1])
    return found


def test_every_command_stands_in_one_group(monkeypatch, capsys):
    _, text, _ = run_main(monkeypatch, capsys, "--help")

    shown = sections(text)
    groups = {name: each for name, each in shown.items() if name not in ("", "Options")}
    assert sorted(name for each in groups.values() for name in each) == sorted(get_command(cli.app).commands)
    assert len(groups) == 4
    assert {"run", "capacity"} <= set(groups["Load and measure"])


def test_options_for_output_locust_and_other_programs_stand_apart(monkeypatch, capsys):
    _, text, _ = run_main(monkeypatch, capsys, "run", "--help")

    shown = sections(text)
    assert list(shown) == ["", "Arguments", "Options", "Locust", "Output", "Files for other programs"]
    assert shown["Output"] == ["--out", "--json", "--quiet"]
    assert shown["Files for other programs"][0] == "--junit"
    assert "--rate" in shown["Options"]


@pytest.mark.parametrize("name", sorted(get_command(cli.app).commands))
def test_no_option_is_left_out_of_the_groups(name, monkeypatch, capsys):
    command = get_command(cli.app).commands[name]

    _, text, _ = run_main(monkeypatch, capsys, name, "--help")

    for param in command.params:
        if param.param_type_name == "option" and not param.hidden:
            assert param.opts[0] in text
