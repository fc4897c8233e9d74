"""Patterns are judged as RE2 judges them."""

from __future__ import annotations

import pytest

from bench.istio.validation.re2 import check_pattern


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
    assert check_pattern(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "empty"),
        ("(a", "missing )"),
        ("a)", "unexpected )"),
        ("[a", "missing ]"),
        ("[]", "missing ]"),
        ("[z-a]", "backwards"),
        (r"[a-\d]", "unknown escape"),
        ("[[:letters:]]", "unknown character class"),
        ("*a", "nothing before"),
        ("(?i)*", "nothing before"),
        ("a|*", "nothing before"),
        ("a**", "one repetition after another"),
        ("a{2}{3}", "one repetition after another"),
        ("a+?+", "one repetition after another"),
        ("a{1001}", "bad repetition"),
        ("a{3,2}", "bad repetition"),
        ("(a{100}){11}", "more than 1000"),
        ("(?=a)", "not supported"),
        ("(?!a)", "not supported"),
        ("(?<=a)", "not supported"),
        ("(?<!a)", "not supported"),
        ("(?>a)", "not supported"),
        ("(?#note)", "not supported"),
        ("(?)", "not supported"),
        ("(?i-)", "not supported"),
        ("(?P<a-b>x)", "not supported"),
        ("(?P<a>x)(?P<a>y)", "two groups"),
        (r"(a)\1", "unknown escape"),
        (r"\8", "unknown escape"),
        (r"\Z", "unknown escape"),
        (r"\C", "unknown escape"),
        (r"\é", "unknown escape"),
        ("\\", "backslash at the end"),
        (r"\p{Klingon}", "unknown character class"),
        (r"\p{Greek", "missing }"),
        (r"\x4", "hexadecimal"),
        (r"\x{110000}", "hexadecimal"),
        ("x" * 1025, "more than 1024"),
        ("é" * 513, "more than 1024"),
    ],
)
def test_what_re2_does_not_understand_is_refused(pattern: str, why: str) -> None:
    assert why in (check_pattern(pattern) or "accepted")
