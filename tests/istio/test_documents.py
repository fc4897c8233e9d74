"""YAML text to plain values, with lines and clear faults."""

from __future__ import annotations

import pytest

from bench.istio.documents import Document, read_documents
from bench.istio.problem import Problem


def read(text: str) -> tuple[list[Document], list[Problem]]:
    problems: list[Problem] = []
    return list(read_documents(text, "f.yaml", problems.append)), problems


def test_every_document_knows_the_line_of_its_fields() -> None:
    documents, problems = read("# first\na: 1\n---\n\nb:\n  - c: x\n    d: w\n  - c: z\n")

    assert problems == []
    assert [document.data for document in documents] == [{"a": 1}, {"b": [{"c": "x", "d": "w"}, {"c": "z"}]}]
    assert str(documents[0].position(("a",))) == "f.yaml:2"
    assert str(documents[1].position(("b",))) == "f.yaml:5"
    assert str(documents[1].position(("b", 0, "d"))) == "f.yaml:7"
    assert str(documents[1].position(("b", 1, "c"))) == "f.yaml:8"


def test_a_field_that_is_not_written_has_the_line_of_the_nearest_one_above_it() -> None:
    documents, _ = read("a:\n  b:\n    c: 1\n")

    assert str(documents[0].position(("a", "b", "missing", 3))) == "f.yaml:2"
    assert str(documents[0].position(("missing",))) == "f.yaml:1"


def test_lines_are_right_behind_a_directive_and_a_byte_order_mark() -> None:
    documents, problems = read("\ufeff%YAML 1.1\n---\na: 1\nb: 2\n---\nc: 3\n")

    assert problems == []
    assert [
        str(documents[0].position(("b",))),
        str(documents[1].position(("c",))),
    ] == ["f.yaml:4", "f.yaml:6"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n---\n...\n", "---\nnull\n"])
def test_nothing_is_not_a_fault(text: str) -> None:
    assert read(text) == ([], [])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("a:\n\tb: 1\n", 2, "replace the tab"),
        ("a: 1\nb: 'open\n", 3, "not valid YAML"),
        ("a: 1\nb: \x07\n", 2, "control characters"),
        ("a: 1\nb: *nobody\n", 2, "has no anchor"),
        ("a: &a\n  b: *a\n", 2, "inside of what it represents"),
        ("a: !!python/name:os.system x\n", 1, "means nothing to Kubernetes"),
        ("? [a, b]\n: 1\n", 1, "a key must be a text"),
        ("~: 1\n", 1, "a key must be a text"),
        ("a: 1\nb:\n  <<: 5\n", 3, "can be merged"),
        ("a: " + "[" * 300 + "]" * 300, 1, "levels deep"),
        ("a: 1\nb: \ud800\n", 2, "not Unicode text"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, line: int, what: str) -> None:
    documents, problems = read(text)

    assert documents == []
    assert len(problems) == 1
    assert line == problems[0].where.line
    assert what in str(problems[0])


def test_a_repeated_key_spoils_its_document_and_not_the_next_one() -> None:
    documents, problems = read("a: 1\nb:\n  x: 1\n  y: 2\n  x: 3\na: 2\n---\nc: 1\n")

    assert [document.data for document in documents] == [{"c": 1}]
    assert [str(problem) for problem in problems] == [
        'f.yaml:5: the key "x" is written twice. Keep one of the two.',
        'f.yaml:6: the key "a" is written twice. Keep one of the two.',
    ]


def test_keys_that_are_equal_after_reading_are_repeats_too() -> None:
    _, problems = read('1: a\n"1": b\n')

    assert len(problems) == 1


def test_documents_before_a_fault_of_syntax_are_still_read() -> None:
    documents, problems = read("a: 1\n---\nb: [\n")

    assert [document.data for document in documents] == [{"a": 1}]
    assert len(problems) == 1


def test_aliases_and_merge_keys_work_and_the_own_value_wins() -> None:
    documents, problems = read(
        "base: &base\n  x: 1\n  w: 2\nother: &other {w: 9, z: 3}\n"
        "both:\n  <<: [*base, *other]\n  x: 7\nlist: &list [a]\nagain: *list\n"
    )

    assert problems == []
    assert documents[0].data["both"] == {"x": 7, "w": 2, "z": 3}
    assert documents[0].data["again"] == ["a"]
    assert str(documents[0].position(("both", "x"))) == "f.yaml:7"
    assert str(documents[0].position(("both", "w"))) == "f.yaml:3"
    assert str(documents[0].position(("both", "z"))) == "f.yaml:4"


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    documents, _ = read('"<<": 1\n')

    assert documents[0].data == {"<<": 1}


def test_a_yaml_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]

    documents, problems = read("\n".join(lines))

    assert documents == []
    assert "the aliases of this file represent more than" in str(problems[0])


def test_a_chain_of_merges_does_not_exhaust_the_stack() -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: 1}}" for n in range(1, 300)]

    documents, problems = read("\n".join(lines))

    assert problems == []
    assert documents[0].data["a299"]["x"] == 1
    assert str(documents[0].position(("a299", "x"))) == "f.yaml:1"
    assert str(documents[0].position(("a299", "not there"))) == "f.yaml:300"


def test_ten_thousand_documents_are_read_in_one_go() -> None:
    documents, problems = read("---\n".join(f"a: {n}\n" for n in range(10_000)))

    assert problems == []
    assert len(documents) == 10_000
    assert str(documents[-1].position(("a",))) == "f.yaml:19999"
