"""Every command that measures or checks writes for other programs, also when it could not run."""

import pytest
from junitparser import JUnitXml
from typer.testing import CliRunner

from bench import cli
from bench.errors import InputError

MEASURING = ("run", "drive", "faults", "capacity", "report")


@pytest.mark.parametrize("command", [*MEASURING, "check"])
def test_commands_that_measure_or_check_take_files_for_other_programs(command):
    shown = CliRunner().invoke(cli.app, [command, "--help"]).output

    for form in ("junit", "summary", *(("prometheus", "fortio", "csv") if command != "check" else ())):
        assert f"--{form}" in shown


def test_check_writes_what_it_found_and_keeps_its_exit_code(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {servers: 3}\n"
    )
    junit = tmp_path / "check.xml"

    shown = CliRunner().invoke(cli.app, ["check", str(tmp_path / "a.yaml"), "--junit", str(junit)])

    assert shown.exit_code == 1
    assert JUnitXml.fromfile(str(junit)).failures >= 1


def test_a_command_that_could_not_run_says_so_in_the_file(tmp_path):
    junit = tmp_path / "run.xml"

    shown = CliRunner().invoke(cli.app, ["run", str(tmp_path / "nowhere"), "--junit", str(junit)])

    assert isinstance(shown.exception, InputError)
    assert JUnitXml.fromfile(str(junit)).errors == 1
