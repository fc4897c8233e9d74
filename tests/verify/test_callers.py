"""One program beside a client for all of its batches, its end, and what is said of one that fails."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench.errors import MeasurementError
from bench.verify import callers
from bench.verify.callers import Callers, make_calls, open_caller
from bench.verify.calls import Call

NOBODY = Call("http://127.0.0.1:1/")


class Here:
    """A place that is this machine, and counts the programs that it starts."""

    def __init__(self, *python):
        self.python = python
        self.started = 0

    def command(self, name, arguments, environment):
        self.started += 1
        return [sys.executable, *(self.python or arguments)]


@pytest.fixture
def ended(monkeypatch):
    """Every program that was started."""
    programs = []
    real = subprocess.Popen

    def started(*arguments, **options):
        programs.append(real(*arguments, **options))
        return programs[-1]

    monkeypatch.setattr(callers.subprocess, "Popen", started)
    yield programs
    assert all(each.poll() is not None for each in programs)


def test_all_batches_of_a_place_are_answered_by_one_program_that_then_ends(ended):
    place = Here()

    with open_caller(place) as call:
        first = call([NOBODY, NOBODY], at_once=2)
        second = call([NOBODY])
        nothing = call([])

    assert place.started == 1
    assert [len(first), len(second), len(nothing)] == [2, 1, 0]
    assert all(each.status is None and each.error.startswith("ConnectError") for each in [*first, *second])
    assert [each.returncode for each in ended] == [0]


def test_the_callers_of_a_stack_start_one_program_beside_each_client_that_is_asked(ended):
    places = {"a": Here(), "b": Here(), "c": Here()}
    stack = SimpleNamespace(client=places.get)

    with Callers(stack) as asked:
        for client in ("a", "b", "a"):
            asked.beside(client)([NOBODY])

    assert [place.started for place in places.values()] == [1, 1, 0]


def test_without_a_place_calls_are_made_here(ended):
    assert len(make_calls([NOBODY])) == 1
    assert ended == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('no such module')", r"\(1\). It said:\nno such module"),
        ("import sys; sys.stdin.readline(); print('[]')", r"\(0\). It said:\n\(nothing\)"),
        ("import sys; sys.stdin.readline(); print('nonsense')", "Expecting value"),
    ],
    ids=["fails", "answers too little", "answers nonsense"],
)
def test_a_program_that_does_not_answer_is_an_error_with_its_own_words(ended, program, said):
    with open_caller(Here("-c", program)) as call, pytest.raises(MeasurementError, match=said):
        call([NOBODY])


def test_a_program_that_never_answers_is_ended(ended, monkeypatch):
    monkeypatch.setattr(callers, "_PATIENCE_S", 0.2)

    silent = Here("-c", "import signal; signal.pause()")
    with open_caller(silent) as call, pytest.raises(MeasurementError, match=r"no answers within 0\.2 s"):
        call([NOBODY])


def test_a_place_whose_program_is_missing_is_an_error(ended):
    place = SimpleNamespace(command=lambda *_: ["/no/such/program"])

    with pytest.raises(MeasurementError, match="calls cannot be made from the pod"):
        make_calls([NOBODY], place)
