"""No decision hangs on the wording of a message: codes decide, texts are made from them at the edge."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
TEXTS = frozenset(
    {
        "what",
        "why",
        "advice",
        "remedy",
        "reported",
        "words",
        "reason",
        "reasons",
        "sentence",
        "title",
        "detail",
    }
)
"""Attributes and names that hold a text for people."""
SEARCHES = frozenset(
    {"startswith", "endswith", "find", "rfind", "index", "count", "removeprefix", "removesuffix", "partition"}
)
PATTERNS = frozenset({"search", "match", "fullmatch", "findall", "finditer", "split"})
ALLOWED = {
    "scenario/read.py": "pydantic's own prefix is taken off what a person reads",
    "check/rules/schema.py": "the resource's name is taken off what a person reads",
}
"""Where a text is only cut for people, and nothing is decided."""


def is_text(node: ast.expr) -> bool:
    """Whether *node* is a text for people: an attribute or a name of that kind, or an error as a string."""
    if isinstance(node, ast.Attribute):
        return node.attr in TEXTS
    if isinstance(node, ast.Name):
        return node.id in TEXTS
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
            given = node.args[0]
            return isinstance(given, ast.Name) and given.id in {"error", "exc", "err", "caught", "failure"}
        # ``reason.lower()`` is still the reason.
        return isinstance(node.func, ast.Attribute) and node.func.attr != "get" and is_text(node.func.value)
    return False


def decisions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give each place, by its line, that looks into a text or compares it with one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for operator, right in zip(node.ops, node.comparators, strict=True):
                literal = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
                if isinstance(operator, (ast.In, ast.NotIn)) and is_text(right) and literal:
                    yield node.lineno, ast.unparse(node)
                other = isinstance(right, ast.Constant) and isinstance(right.value, str) and right.value
                if isinstance(operator, (ast.Eq, ast.NotEq)) and ends_in_a_text(node.left) and other:
                    yield node.lineno, ast.unparse(node)
                if isinstance(operator, (ast.In, ast.NotIn)) and ends_in_a_text(right):
                    yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in SEARCHES and is_text(node.func.value):
                yield node.lineno, ast.unparse(node)
            if node.func.attr in PATTERNS and any(is_text(each) for each in node.args):
                yield node.lineno, ast.unparse(node)


def ends_in_a_text(node: ast.expr) -> bool:
    """Whether *node* is such an attribute of something, e.g. ``warning.what``; names may be collections."""
    return isinstance(node, ast.Attribute) and node.attr in TEXTS - {"reasons", "words"}


@pytest.mark.parametrize(
    "code",
    [
        'if "no route" in str(error): pass',
        'error.what.startswith("the cluster")',
        "if name in warning.what: pass",
        'if finding.reason == "refused": pass',
        're.search("x", problem.what)',
        '"x" in failure.reason.lower()',
    ],
)
def test_a_decision_on_words_is_found(code):
    assert list(decisions(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["if code in CODES: pass", "if error.code is Code.CUT: pass", "print(error.what)", "line.split(why[0])"],
)
def test_codes_and_texts_at_the_edge_are_free(code):
    assert not list(decisions(ast.parse(code)))


def test_no_decision_hangs_on_the_wording_of_a_message():
    found = [
        f"bench/{name}:{line}: {code}"
        for path in sorted(BENCH.rglob("*.py"))
        if (name := path.relative_to(BENCH).as_posix()) not in ALLOWED
        for line, code in decisions(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert found == []
