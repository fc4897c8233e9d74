"""The command line: each command has help and is documented; errors are one paragraph, exit code 2."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bench import cli
from bench.cli.options import StackKind
from bench.cli.parts import each_image, make_locust_outputs
from bench.errors import InputError
from tests.report.synthetic import make_run
from tests.support.command import run_main

COMMANDS = sorted(get_command(cli.app).commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_is_documented(command):
    shown = CliRunner().invoke(cli.app, [command, "--help"])

    assert shown.exit_code == 0
    assert re.search(r"\n  \S.+\.", shown.output)
    assert f"egress-bench {command}" in Path("docs/commands.md").read_text()


def test_help_imports_nothing_that_takes_long():
    """What it takes is a promise of ``tests/benchmarks/promises.py``; here is what keeps it so."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bench", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "Usage" in done.stdout
    assert {"bench", "typer"} <= imported
    assert not imported & {"betterproto2", "cryptography", "docker", "envoy_data_plane", "httpx", "jinja2"}
    assert not imported & {"matplotlib", "numpy", "pandas", "pydantic", "scipy", "yaml", "zmq"}


def test_a_missing_scenario_is_one_paragraph_and_exit_code_2(monkeypatch, capsys, tmp_path):
    code, out, err = run_main(monkeypatch, capsys, "run", tmp_path / "nowhere")

    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_an_error_is_a_document_with_json(monkeypatch, capsys, tmp_path):
    code, out, _ = run_main(monkeypatch, capsys, "run", tmp_path / "nowhere", "--json")

    assert code == 2
    assert '"what": "there is no such folder."' in out


def test_a_result_folder_that_cannot_be_written_is_found_before_anything_starts(
    monkeypatch, capsys, tmp_path
):
    (tmp_path / "file").touch()

    code, _, err = run_main(monkeypatch, capsys, "run", "--out", tmp_path / "file" / "below")

    assert code == 2
    assert "cannot be written" in err
    assert "starting stack" not in err


def test_nothing_runs_where_nothing_was_started(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code, out, _ = run_main(monkeypatch, capsys, "status")

    assert code == 0
    assert "nothing is running" in out


def test_an_image_without_containers_is_refused_and_so_are_two_results_in_one_document():
    with pytest.raises(InputError, match="--stack docker"):
        each_image(StackKind.LOCAL, ["envoy:1"], as_json=False)
    with pytest.raises(InputError, match="--json prints one result"):
        each_image(StackKind.DOCKER, ["envoy:1", "envoy:2"], as_json=True)
    assert each_image(StackKind.DOCKER, ["envoy:1", "envoy:2"], as_json=False) == [
        "envoy:1",
        "envoy:2",
    ]
    assert each_image(StackKind.LOCAL, None, as_json=True) == [None]


def test_two_results_are_compared_and_one_is_rebuilt(monkeypatch, capsys, tmp_path):
    folders = [make_run(tmp_path, rate=50, seconds=2, seed=seed) for seed in (1, 2)]

    compared = run_main(monkeypatch, capsys, "report", *folders, "--out", tmp_path / "both")
    rebuilt = run_main(monkeypatch, capsys, "report", folders[0])
    refused = run_main(monkeypatch, capsys, "report", folders[0], "--out", tmp_path / "one")

    assert compared == (0, f"{tmp_path / 'both' / 'comparison.html'}\n", "")
    assert rebuilt == (0, f"{folders[0] / 'report.html'}\n", "")
    assert refused[0] == 2
    assert "--out is for a comparison" in refused[2]


def test_locusts_own_outputs_stay_out_of_containers():
    with pytest.raises(InputError, match="stay in its container"):
        make_locust_outputs(Path("a"), None, web_ui=False, web_bind=None, stack=StackKind.DOCKER)

    asked = make_locust_outputs(None, None, web_ui=False, web_bind="0.0.0.0:9000")
    assert str(asked.web) == "0.0.0.0:9000"
    assert str(make_locust_outputs(None, None, web_ui=True, web_bind=None).web) == "127.0.0.1:8089"
    assert not make_locust_outputs(None, None, web_ui=False, web_bind=None, stack=StackKind.DOCKER)


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        (
            ["check", "scenarios/egress-mtls"],
            {"numpy", "scipy", "pandas", "bench.result", "bench.load", "rich"},
        ),
        (
            ["explain", "scenarios/egress-mtls", "--url", "http://nginx.external.svc.cluster.local/"],
            {"numpy", "scipy", "pandas", "bench.result", "bench.load", "bench.certs", "cryptography"},
        ),
    ],
)
def test_reading_yaml_imports_nothing_that_only_measuring_needs(arguments, needless):
    """Each of these costs more CPU than the whole answer."""
    script = (
        "import atexit, sys, runpy\n"
        "sys.argv = ['egress-bench', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        "runpy.run_module('bench', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rpartition("LOADED")[2].split())

    assert loaded & needless == set()
    assert "bench.translate" in loaded


def test_a_defect_of_ours_is_told_with_its_traceback_and_never_as_the_paths_doing(monkeypatch, capsys):
    def broken(*_, **__):
        raise KeyError("nodes")

    monkeypatch.setattr("bench.commands.schema.schema_of", broken)
    monkeypatch.setattr(sys, "argv", ["egress-bench", "schema", "result"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    said = capsys.readouterr()
    assert ended.value.code == 2
    assert "Traceback" in said.err
    assert "a defect of egress-bench" in " ".join((said.out + said.err).split())
