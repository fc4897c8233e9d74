"""Messages are cases with data: the words of each are in one place, and fit the data that is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum, unique
from pathlib import Path

import pytest

from bench.check import EffectCase, RuleCase
from bench.experiment.faults.diagnosis import ShownCase
from bench.explain.messages import FateCase, MissingCase
from bench.message import Case, fields_of, say

BENCH = Path(__file__).parents[1] / "bench"
ROOMS: tuple[type[Case], ...] = (RuleCase, EffectCase, ShownCase, FateCase, MissingCase)
EACH_CASE = {f"{room.__name__}.{case.name}": case for room in ROOMS for case in room}
TREES = {
    path.relative_to(BENCH).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for room in ("check", "commands", "explain", "experiment/faults")
    for path in sorted((BENCH / room).rglob("*.py"))
}


@unique
class Said(Case):
    """Cases of this test."""

    PLAIN = "nothing to fill in"
    LISTS = "{names} | {names:or} | {names:and} | {names:listed}", "{count:,} times {{x}}"
    ASIDE = "{name}{full:aside}"
    WITHIN = "because {cause}", "{cause.remedy}"


def test_words_are_made_of_the_data():
    lists = say(Said.LISTS, names=("a", "b", "a", "c"), count=1234)

    assert lists.reason == "a, b, a, c | a or b or a or c | a and b and a and c | a, b and c"
    assert lists.remedy == "1,234 times {x}"
    assert str(say(Said.ASIDE, name="a", full="a.b")) == "a (a.b)"
    assert str(say(Said.ASIDE, name="a", full="")) == "a"
    assert (say(Said.PLAIN).reason, say(Said.PLAIN).remedy) == ("nothing to fill in", "")


def test_a_message_within_a_message_gives_its_reason_and_its_remedy():
    within = say(Said.WITHIN, cause=say(Said.LISTS, names=("a",), count=1))

    assert within.reason == "because a | a | a | a"
    assert within.remedy == "1 times {x}"


def test_braces_in_the_data_stay_as_they_are():
    assert str(say(Said.ASIDE, name="{count}", full="{0}")) == "{count} ({0})"


def test_messages_are_equal_by_case_and_data():
    assert say(Said.ASIDE, name="a", full="") == say(Said.ASIDE, name="a", full="")
    assert say(Said.ASIDE, name="a", full="") != say(Said.ASIDE, name="b", full="")
    assert len({say(Said.PLAIN), say(Said.PLAIN)}) == 1


def said() -> Iterator[tuple[str, int, ast.Call, tuple[ast.AST, ...]]]:
    """Give each ``say(…)`` of the rooms: module, line, call, and where its names may be given values."""
    for name, tree in TREES.items():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                around = [each for each in functions if each.lineno <= node.lineno <= (each.end_lineno or 0)]
                yield name, node.lineno, node, (*around, *tree.body)


def chosen(call: ast.Call, scopes: tuple[ast.AST, ...]) -> Iterator[str]:
    """Give the cases that *call* may say, also where a variable or a table chooses one."""
    yield from cases_in(call.args[0])
    names = {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
    for scope in scopes:
        # Of a module what it assigns itself, of a function everything.
        for node in ast.walk(scope) if isinstance(scope, ast.FunctionDef) else [scope]:
            if isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} & names:
                yield from cases_in(node.value)


def cases_in(node: ast.AST) -> Iterator[str]:
    """Give the cases that *node* names, such as ``RuleCase.NO_PORT``."""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            name = f"{each.value.id}.{each.attr}"
            if name in EACH_CASE:
                yield name


def test_each_message_has_the_data_that_its_words_need_and_no_other():
    wrong = [
        f"bench/{module}:{line}: {name}"
        for module, line, call, scopes in said()
        for name in chosen(call, scopes)
        if fields_of(EACH_CASE[name]) != {each.arg for each in call.keywords}
    ]

    assert wrong == []


def test_each_case_is_said_somewhere():
    used = {name for tree in TREES.values() for name in cases_in(tree)}

    assert sorted(set(EACH_CASE) - used) == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_no_two_cases_are_one(room: type[Enum]):
    assert list(room.__members__) == [case.name for case in room]


def test_data_are_values_and_no_sentences():
    sentences = [
        f"bench/{module}:{line}: {ast.unparse(part)}"
        for module, line, call, _ in said()
        for given in call.keywords
        for part in ast.walk(given.value)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value
    ]

    assert sentences == []
