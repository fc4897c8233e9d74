"""The built wheel, installed outside of any checkout, does the main job with the scenarios that it brings."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.nginx,
    pytest.mark.slow,
    pytest.mark.whole_path,
    pytest.mark.timeout(900),
]


def run(*command, cwd):
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(each) for each in command], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The command in a new environment; its dependencies are those of this one, egress-bench is not."""
    home = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", home, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = home.glob("*.whl")
    venv.create(home / "env", with_pip=False, symlinks=True)
    python = home / "env" / "bin" / "python"
    (theirs,) = (home / "env" / "lib").glob("python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    # Folders named in a .pth come last, and theirs are not read: the checkout stays out of sight.
    (theirs / "dependencies.pth").write_text(f"{ours}\n")
    done = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=home
    )
    assert done.returncode == 0, done.stderr
    return home


def test_it_is_the_wheel_that_runs_and_not_the_checkout(installed):
    code = "import bench; print(bench.__file__)"

    found = run(installed / "env" / "bin" / "python", "-c", code, cwd=installed)

    assert Path(found.stdout.strip()).is_relative_to(installed), found.stderr


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_finds_the_page_of_an_installed_command(installed):
    env = installed / "env"
    # As man-db does it: a folder of commands has its pages beside it.
    found = subprocess.run(
        ["man", "-w", "egress-bench"],
        env={"PATH": f"{env / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.stdout.strip() == str(env / "share" / "man" / "man1" / "egress-bench.1"), found.stderr


def test_the_shipped_scenarios_are_found_and_one_runs(installed):
    command = installed / "env" / "bin" / "egress-bench"
    listed = run(command, "scenarios", cwd=installed)
    assert "tls-simple" in listed.stdout

    done = run(command, "run", "tls-simple", "--measure", "1", "--quiet", cwd=installed)

    # A busy machine proves nothing, and fails nothing.
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    (folder,) = (installed / "reports").iterdir()
    assert (folder / "report.html").stat().st_size > 10_000


def test_the_first_release_of_the_changelog_is_the_version_of_the_package(installed):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]

    assert headings[0] == "## Unreleased"
    assert headings[1].startswith(f"## {version} – ")
    said = run(installed / "env" / "bin" / "egress-bench", "--version", cwd=installed)
    assert said.stdout == f"egress-bench {version}\n"
