"""Patterns are judged as RE2 judges them."""

from __future__ import annotations

import pytest

from bench.istio.regex import PatternError, compile_pattern, pattern_fault


@pytest.mark.parametrize(
    "pattern",
    [
        ".*",
        "/api/(v1|v2)/[a-z]+",
        "(?i)abc(?-i:D)",
        "(?P<name>x)(?<other>y)",
        "a{2}b{2,}c{2,5}d{,5}e{x}",
        "a*?b+?c??d{2}?",
        r"\d\D\w\W\s\S\b\B\A\z",
        r"\pL\p{Greek}\P{^Lu}[\p{Nd}]",
        r"\x41\x{1F600}\101\012",
        r"\.\*\_\-\/",
        r"\Q(*\E+",
        r"\Q(*",
        "[]a]",
        "[^]a]",
        "[a-]",
        "[-a]",
        "[a-c-e]",
        "[[:alpha:][:^digit:]]",
        "[[:alpha]",
        "(|a)",
        "a||b",
        "()*",
        "^*",
        "{",
        "}",
        "]",
        "a{1000}",
        "(a{10}){100}",
        "é+",
        "x" * 1024,
    ],
)
def test_what_re2_understands_is_accepted(pattern: str) -> None:
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "empty"),
        ("(a", "missing )"),
        ("a)", "unexpected )"),
        ("[a", "missing ]"),
        ("[]", "missing ]"),
        ("[z-a]", "invalid character class range"),
        (r"[a-\d]", "invalid escape sequence"),
        ("[[:letters:]]", "invalid character class range"),
        ("*a", "no argument for repetition"),
        ("(?i)*", "no argument for repetition"),
        ("a|*", "no argument for repetition"),
        ("a**", "bad repetition operator"),
        ("a{2}{3}", "bad repetition operator"),
        ("a+?+", "bad repetition operator"),
        ("a{1001}", "invalid repetition size"),
        ("a{3,2}", "invalid repetition size"),
        ("(a{100}){11}", "invalid repetition size"),
        ("(?=a)", "invalid perl operator"),
        ("(?!a)", "invalid perl operator"),
        ("(?<=a)", "invalid perl operator"),
        ("(?<!a)", "invalid perl operator"),
        ("(?>a)", "invalid perl operator"),
        ("(?#note)", "invalid perl operator"),
        ("(?)", "missing argument"),
        ("(?i-)", "invalid perl operator"),
        ("(?P<a-b>x)", "invalid named capture group"),
        ("(?P<a>x)(?P<a>y)", "duplicate capture group name"),
        (r"(a)\1", "invalid escape sequence"),
        (r"\8", "invalid escape sequence"),
        (r"\Z", "invalid escape sequence"),
        (r"\C", "invalid escape sequence"),
        (r"\é", "invalid escape sequence"),
        ("\\", "trailing "),
        (r"\p{Klingon}", "invalid character class range"),
        (r"\p{Greek", "invalid character class range"),
        (r"\x4", "invalid escape sequence"),
        (r"\x{110000}", "invalid escape sequence"),
        ("x" * 1025, "more than 1024"),
        ("é" * 513, "more than 1024"),
    ],
)
def test_what_re2_does_not_understand_is_refused(pattern: str, why: str) -> None:
    assert why in (pattern_fault(pattern) or "accepted")


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        (r"\pL+", ["é", "abc"], ["", "a1"]),
        (r"a\Qb.c\E", ["ab.c"], ["abxc"]),
        ("x(?i)y", ["xy", "xY"], ["Xy"]),
        ("(?U)a+", ["a", "aaa"], ["b"]),
        ("[[:alpha:]]+", ["abc"], ["é", "a1"]),
        (r"a\z", ["a"], ["a\n"]),
        (r"\w+", ["a_1"], ["é"]),
        ("a.c", ["abc", "aéc"], ["a\nc", "xabc"]),
        ("a|ab", ["a", "ab"], ["abb"]),
    ],
)
def test_a_whole_text_is_taken_as_envoy_takes_it(pattern: str, taken: list[str], left: list[str]) -> None:
    compiled = compile_pattern(pattern)

    assert [text for text in taken + left if compiled.takes(text)] == taken


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "becomes"),
    [
        ("a", "b", "banana", "bbnbnb"),
        (r"/(\pL+)/(\d)", r"/\2/\1", "/é/1/x", "/1/é/x"),
        ("x*", "-", "abxd", "-a-b-d-"),
        ("(b)?x", r"[\1\0]", "x bx", "[x] [bbx]"),
        ("a", r"\\", "abc", r"\bc"),
        # Nothing refuses these: Envoy 1.40 loads them.
        ("a", r"\1", "abc", "abc"),
        ("a", r"1\x2", "abc", "1bc"),
        ("a", "1\\", "abc", "1bc"),
    ],
)
def test_matches_are_replaced_as_envoy_does(pattern: str, substitution: str, text: str, becomes: str) -> None:
    assert compile_pattern(pattern).replace_all(text, substitution) == becomes


def test_what_is_not_a_pattern_is_an_error_of_its_own() -> None:
    with pytest.raises(PatternError, match="missing"):
        compile_pattern("(")
