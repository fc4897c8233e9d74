"""One row for each call, however many stacks were called and however alike two calls are."""

from bench.report.calls import call_rows, mark, stacks_of
from bench.result import VerificationLine


def a_line(stack, name="no header", *, passed=True):
    return VerificationLine(
        stack=stack, name=name, sent="GET /", expected="404", got="404", node=None, passed=passed
    )


def test_the_same_call_to_two_stacks_is_one_row_that_passes_only_if_both_do():
    lines = [a_line("static"), a_line("static", "other"), a_line("eds", passed=False), a_line("eds", "other")]

    first, second = call_rows(lines)

    assert stacks_of(lines) == ("static", "eds")
    assert (first.name, first.passed, second.name, second.passed) == ("no header", False, "other", True)
    assert [mark(first.by_stack[stack]) for stack in ("static", "eds")] == ["✓", "✗"]


def test_two_calls_that_are_alike_hide_neither_of_them():
    lines = [a_line("static"), a_line("static", passed=False), a_line("eds"), a_line("eds")]

    rows = call_rows(lines)

    assert [row.passed for row in rows] == [True, False]
    assert sum(len(row.by_stack) for row in rows) == 4


def test_a_call_that_a_stack_never_saw_is_not_a_tick():
    (row,) = call_rows([a_line("static")])

    assert mark(row.by_stack.get("eds")) == "–"
