"""What remains of a command, by a clock of the test's own."""

import pytest

from bench.progression import Progression, bar_text, format_span, plain_stage
from tests.support.clock import Clock


def test_a_late_stage_stops_the_clock_and_one_that_was_not_needed_skips_ahead():
    clock = Clock()
    progression = Progression(clock)
    progression.plan(60)
    progression.stage(20)
    clock.now += 50

    assert progression.remaining_s == 40
    progression.stage(30)
    # It teaches that others may be late, too, though not by as much.
    assert 40 < progression.remaining_s < 60
    before = progression.remaining_s
    progression.stage(10)
    assert progression.remaining_s == pytest.approx(before / 4)
    progression.stage(0)
    assert progression.remaining_s == 0
    assert bar_text(progression) == "almost done"


@pytest.mark.parametrize("around_s", [0.5, 2.0, 3.0], ids="{} s around each trial".format)
def test_what_remains_is_right_within_a_fifth_whatever_surrounds_a_trial(around_s):
    """Stages of a whole run, planned with 2 s around each trial; from a fifth of its time on."""
    stages = [(1, 0.6), (2, 2.5), (1, 0.7), (1, 0.8), (4, 4.5), (5, 5.4)]
    stages += [(8, 6 + around_s)] * 12 + [(16, 14 + around_s)] * 4
    whole = sum(took for _, took in stages)
    clock = Clock()
    progression = Progression(clock)
    progression.plan(sum(planned for planned, _ in stages))
    gone, wrong = 0.0, []
    for planned, took in stages:
        progression.stage(planned)
        for _ in range(4):
            left = whole - gone
            if whole / 5 <= gone and left > 5:
                wrong.append(abs(progression.remaining_s - left) / left)
            clock.now += took / 4
            gone += took / 4

    assert max(wrong) < 0.2


def test_stages_beyond_the_plan_never_make_a_negative_remainder():
    clock = Clock()
    progression = Progression(clock)
    progression.plan(10)
    progression.stage(50)
    clock.now += 30

    assert progression.remaining_s == 0
    assert plain_stage(progression, "x", 0) == "   30 s  x"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s")],
)
def test_spans_are_written_for_people(seconds, text):
    assert format_span(seconds) == text
