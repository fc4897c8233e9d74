"""Every command in README and docs: short ones are run, of long ones the command line reads each word."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from bench import cli
from tests.docs.commands import shown_commands
from tests.report.synthetic import make_run
from tests.support.command import run_command

ROOT = Path(__file__).parents[2]
SHORT = {"check", "doctor", "explain", "history", "init", "report", "scenarios", "schema", "translate"}
"""These are really run, in a folder that has what the pages speak of."""
LONG = {
    "capacity",
    "compare",
    "diff",
    "down",
    "drive",
    "faults",
    "handshake",
    "images build",
    "images pin",
    "logs",
    "plan",
    "run",
    "status",
    "up",
    "update",
    "worker",
}
"""These put load on a stack, reach for a registry or end what others run: their words are read, no more."""
PLACEHOLDERS = {
    "DIR": "my-istio-yaml",
    "YAML": "my-istio-yaml",
    "OUT": "out",
    "RESULT": "reports/A",
    "RESULT…": "reports/A",
    "URL": "http://nginx.external.svc.cluster.local/",
    "N": "100",
    "S": "0.5",
    "HOST": "10.0.0.5",
    "TOKEN": "secret",
    "NAME=FILE": "egress=dump.json",
    "FIELD=VALUE": "key=rsa-2048",
    "$GITHUB_STEP_SUMMARY": "summary.md",
    "http://partner.example/": "http://nginx.external.svc.cluster.local/",
}
"""What stands for a user's own names -> what a test has in their place."""
COMMANDS = shown_commands()
OURS = [each for each in COMMANDS if each.words[0] == "egress-bench"]
MAKE = [each for each in COMMANDS if each.words[0] == "make"]


def arguments(shown):
    """The words behind the program's name, in the place of every optional part nothing."""
    words = [word for word in shown.words[1:] if not word.startswith("[")]
    return [PLACEHOLDERS.get(word, word) for word in words]


def name_of(shown):
    first, *rest = shown.words[1:]
    return f"{first} {rest[0]}" if first == "images" else first


def once(commands):
    """One of those that are the same words on several pages."""
    return list({tuple(arguments(each)): each for each in commands}.values())


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A user's folder: Istio YAML, scenarios, results."""
    folder = tmp_path_factory.mktemp("work")
    shipped = ROOT / "scenarios" / "egress-mtls"
    for name in ("my-istio-yaml", "other-yaml"):
        shutil.copytree(shipped / "istio", folder / name)
    for name in ("my-scenario", "egress"):
        shutil.copytree(shipped, folder / name)
    shutil.copytree(ROOT / "scenarios", folder / "scenarios")
    one = make_run(folder, rate=50, seconds=1)
    for name in ("A", "B", "with-1.37", "with-1.38", "CAPACITY-RESULT"):
        shutil.copytree(one, folder / "reports" / name)
    return folder


def test_every_command_is_known_here():
    assert sorted({name_of(each) for each in OURS} - SHORT - LONG) == []
    assert len(OURS) > 50
    assert len(MAKE) > 10


@pytest.mark.parametrize("shown", once(each for each in OURS if name_of(each) in SHORT), ids=str)
def test_a_short_command_does_what_its_page_says(shown, work, tmp_path):
    place = tmp_path / "here"
    shutil.copytree(work, place)
    words = arguments(shown)
    if words[0] == "init":
        words[1] = "not-there-yet"
    if words[0] == "history":
        words[1] = "reports"

    done = run_command(*words, cwd=place)

    # Findings about the YAML, or a machine that lacks something, are an answer, too.
    assert done.returncode in ({0, 1} if words[0] in ("check", "doctor") else {0}), done.stdout + done.stderr


@pytest.mark.parametrize("shown", [each for each in OURS if name_of(each) in LONG], ids=str)
def test_the_command_line_reads_every_word_of_a_long_command(shown, work, monkeypatch):
    monkeypatch.chdir(work)
    command, words = get_command(cli.app), arguments(shown)
    context = command.make_context("egress-bench", list(words))

    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, words)
        # Raises where a word is none of the command's.
        context = command.make_context(name, list(words), parent=context)

    assert context.args == []


@pytest.mark.parametrize("shown", MAKE, ids=str)
def test_make_knows_the_target_and_its_variables(shown):
    target, *variables = arguments(shown)
    makefile = (ROOT / "Makefile").read_text()

    assert re.search(rf"^{re.escape(target)}:.*## ", makefile, re.MULTILINE)
    for variable in variables:
        name = re.escape(variable.partition("=")[0])
        assert re.search(rf"\$\((?:or \$\()?{name}\)|\$\(if \$\({name}\)", makefile)
    done = subprocess.run(
        ["make", "-n", target, *variables], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
