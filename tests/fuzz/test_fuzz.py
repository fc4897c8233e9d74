"""No broken input ends in a traceback or takes forever; ``make fuzz`` tries thousands."""

from __future__ import annotations

import pytest

from bench.errors import InputError
from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, Target, answered

SMALL = 25


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_broken_input_gets_an_answer(target):
    defects = fuzz(target, inputs=max(3, SMALL * target.share // 10), seed=14)

    assert not defects, "\n\n".join(map(str, defects[:3]))


def test_a_traceback_and_a_hang_are_found(monkeypatch):
    def feed(data, _folder):
        if number := len(seen) % 3:
            seen.append(data)
            raise ValueError(data) if number == 1 else KeyError(data)
        seen.append(data)
        with answered():
            raise InputError("an answer.")

    seen = []
    defects = fuzz(Target("weak", ("a: 1",), feed), inputs=6, seed=1)

    assert [each.what.strip().splitlines()[-1].partition(":")[0] for each in defects] == [
        *("ValueError", "KeyError", "ValueError", "KeyError"),
    ]

    def hang(_data, _folder):
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.run.PATIENCE_S", 0.2)
    (defect,) = fuzz(Target("slow", ("a: 1",), hang), inputs=1, seed=1)
    assert "no end within" in defect.what
