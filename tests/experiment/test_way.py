"""Every experiment records which way its requests go, before it starts anything: the report draws it."""

import contextlib
import dataclasses
from types import SimpleNamespace

import pytest

from bench.errors import StackError
from bench.experiment.capacity import CapacityOptions, find_capacity
from bench.experiment.compare import CompareOptions, compare, parse_variant
from bench.experiment.faults import FaultsOptions, prove
from bench.experiment.handshake import LabOptions, run_lab
from bench.experiment.instruments import Instruments
from bench.experiment.options import RunOptions
from bench.experiment.run import run
from bench.experiment.update import UpdateOptions, measure_updates
from bench.result import read_result
from bench.scenario.load import load_scenario
from bench.stack.backend import Backend
from tests.experiment.test_run_flow import Diary, FakeVerifier, a_word
from tests.support.fake_generator import FakeBooks, FakeGenerator, FakeMeter


def fail_to_start(spec):
    raise StackError("nothing starts here.")


BACKEND = Backend("local", fail_to_start, lambda stack: SimpleNamespace(), dict)
INSTRUMENTS = Instruments(
    run_load=FakeGenerator(),
    make_verifier=FakeVerifier(),
    open_meter=FakeMeter,
    keep_books=FakeBooks,
    await_logs=lambda paths: None,
    write_report=a_word,
)


def run_command(loaded, out):
    options = RunOptions(out=out, command="run", backend=BACKEND, began=0.0)
    run(loaded, options, Diary(), instruments=dataclasses.replace(INSTRUMENTS, clock=lambda: 1.0))


def compare_command(loaded, out):
    variants = [
        parse_variant(name, settings, loaded, lambda *_: BACKEND)
        for name, settings in (("A", []), ("B", ["config-source=eds"]))
    ]
    compare(variants, CompareOptions(out=out, command="compare"), Diary(), instruments=INSTRUMENTS)


def capacity_command(loaded, out):
    options = CapacityOptions(out=out, command="capacity", backend=BACKEND)
    find_capacity(loaded, options, Diary(), instruments=INSTRUMENTS)


def update_command(loaded, out):
    measure_updates(loaded, UpdateOptions(out=out, command="update", backend=BACKEND), Diary())


def faults_command(loaded, out):
    prove(loaded, FaultsOptions(out=out, command="faults", backend=BACKEND), Diary())


def handshake_command(*parts):
    def lab(loaded, out):
        options = LabOptions(out=out, command="handshake", backend=BACKEND, parts=parts)
        run_lab(loaded, options, Diary(), instruments=INSTRUMENTS)

    return lab


COMMANDS = {
    "run": run_command,
    "compare": compare_command,
    "capacity": capacity_command,
    "update": update_command,
    "faults": faults_command,
    # Sessions, pools and refusals are measured on paths of the lab's own.
    **{f"handshake, {part}": handshake_command(part) for part in ("matrix", "storms", "mesh")},
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_way_is_on_disk_even_if_nothing_starts(short, tmp_path, command):
    # The matrix notes what did not start, and ends.
    with contextlib.suppress(StackError):
        command(load_scenario(short), tmp_path / "out")

    (folder,) = (tmp_path / "out").iterdir()
    way = read_result(folder).way
    assert [(part.role, part.name) for part in way.parts] == [
        ("client", "sleep"),
        ("sidecar", "sleep"),
        ("gateway", "egress"),
        ("node", "nginx01"),
        ("node", "nginx02"),
    ]
    assert {(link.target, link.tls) for link in way.links} == {
        ("sleep", "none"),
        ("egress", "none"),
        ("nginx01", "mutual"),
        ("nginx02", "mutual"),
    }
