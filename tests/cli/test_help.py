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
    groups = ["", "Arguments", "Path", "Load", "Options", "Locust", "Output", "Files for other programs"]
    assert list(shown) == groups
    assert shown["Output"] == ["--out", "--json", "--quiet"]
    assert shown["Files for other programs"][0] == "--junit"
    assert shown["Load"][0] == "--rate"
    assert {"--stack", "--config-source"} <= set(shown["Path"])


def test_what_an_option_takes_is_said_in_words_and_not_in_types(monkeypatch, capsys):
    for name in sorted(get_command(cli.app).commands):
        _, text, _ = run_main(monkeypatch, capsys, name, "--help")

        assert not re.search(r"<(list|float|int|str|path)\b", text), name
        assert "[[" not in text


def test_no_summary_is_cut_off(monkeypatch, capsys):
    _, text, _ = run_main(monkeypatch, capsys, "--help")

    assert "..." not in text.replace("[ARGS]...", "")


@pytest.mark.parametrize("name", sorted(get_command(cli.app).commands))
def test_no_option_is_left_out_of_the_groups(name, monkeypatch, capsys):
    command = get_command(cli.app).commands[name]

    _, text, _ = run_main(monkeypatch, capsys, name, "--help")

    for param in command.params:
        if param.param_type_name == "option" and not param.hidden:
            assert param.opts[0] in text
