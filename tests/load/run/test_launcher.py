"""Locust elsewhere, tied to the runner by its standard streams alone; here it is a plain process."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bench.errors import LoadError
from bench.load.run.null_target import measure_null_target_baseline
from bench.load.run.runner import run_load
from tests.load.locust_processes import wait_until_gone
from tests.load.run.test_run import by_header, two_subsets
from tests.load.stubs import ROOT, Stub, always, counts

pytestmark = pytest.mark.slow

RUNNER = """
import sys
from pathlib import Path
from bench.load import LoadPlan
from bench.load.run.runner import run_load
from tests.load.run.test_launcher import Elsewhere
plan = LoadPlan.model_validate_json(Path(sys.argv[1]).read_text())
run_load(plan, Path(sys.argv[2]), launcher=Elsewhere(Path(sys.argv[3])),
         on_event=lambda event: print(type(event).__name__, flush=True))
"""


class Elsewhere:
    """Another folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        folder.mkdir(exist_ok=True)

    def command(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        self.names.append(name)
        variables = [f"{key}={value}" for key, value in environment.items()]
        return ["env", f"PYTHONPATH={ROOT}", *variables, sys.executable, *arguments]

    def give(self, file: Path) -> str:
        return str(shutil.copy(file, self.folder / f"given-{file.name}"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_elsewhere_counts_as_one_here(tmp_path: Path, workers: int) -> None:
    place = Elsewhere(tmp_path / "there")
    with Stub(always(by_header)) as stub:
        outcome = run_load(
            two_subsets(stub.port, main_s=1, workers=workers), tmp_path / "load", launcher=place
        )

    counts(outcome)
    assert outcome.complete
    assert [sum(s.counts.answered for s in stage.subsets) for stage in outcome.stages] == [150, 300]
    assert place.names == (["locust"] if workers == 1 else ["master", "worker-1", "worker-2"])
    assert not wait_until_gone(place.folder)


def test_the_baseline_is_measured_there_too(tmp_path: Path) -> None:
    place = Elsewhere(tmp_path / "there")

    outcome = measure_null_target_baseline(
        two_subsets(1, rate=200), tmp_path / "baseline", duration_s=0.5, launcher=place
    )

    counts(outcome)
    assert place.names == ["stub", "locust"]


def test_it_ends_when_the_runner_is_killed(tmp_path: Path) -> None:
    plan = tmp_path / "asked.json"
    with Stub(always(by_header)) as stub:
        plan.write_text(two_subsets(stub.port, main_s=30).model_dump_json())
        words = [str(plan), str(tmp_path / "load"), str(tmp_path / "there")]
        with subprocess.Popen(
            [sys.executable, "-c", RUNNER, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as runner:
            assert runner.stdout is not None
            assert runner.stdout.readline().strip() == "StageStarted"
            runner.send_signal(signal.SIGKILL)

        assert not wait_until_gone(tmp_path / "there")


def test_a_place_that_cannot_run_it_is_reported_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not after the time for which a part that does not come is awaited: here, without end."""
    monkeypatch.setattr("bench.load.run.processes.START_S", math.inf)

    class Broken(Elsewhere):
        def command(self, name, arguments, environment):
            return [sys.executable, "-c", "import sys; sys.exit('no such container')"]

    with pytest.raises(LoadError, match="no such container"):
        run_load(two_subsets(1), tmp_path / "load", launcher=Broken(tmp_path / "there"))


def test_the_process_in_between_imports_nothing_of_the_suite_and_gives_the_streams_on() -> None:
    """Else each Locust elsewhere would import all of it twice."""
    shows = (
        "import os, sys; own = os.environ; os.write(int(own['OUT']), os.read(int(own['ONE']), 9));"
        "print(own['TWO'] == own['ONE'], sys.argv[1])"
    )
    words = ["ONE,TWO", "OUT", "-c", shows, "{bench}/x"]
    entry = ["-X", "importtime", "-m", "bench.contained", *words]

    done = subprocess.run(
        [sys.executable, *entry], input="asked", capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout == "asked"
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line]
    # What the package itself begins with, and no room of it.
    assert {name for name in imported if name.startswith("bench")} == {"bench", "bench.lazy_messages"}
    assert f"True {ROOT / 'bench'}/x" in done.stderr
