"""Unquoted words mean what they mean to Kubernetes."""

from __future__ import annotations

import math

import pytest

from bench.istio.scalars import key_text, resolve


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", True),
        ("On", True),
        ("y", True),
        ("NO", False),
        ("off", False),
        ("n", False),
        ("yEs", "yEs"),
        ("true", True),
        ("tRUE", "tRUE"),
        ("", None),
        ("~", None),
        ("null", None),
        ("nil", "nil"),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("0o17", 15),
        ("017", 15),
        ("0o", "0o"),
        ("0x", "0x"),
        ("-0b11", -3),
        ("9" * 25, 1e25),
        ("089", 89),
        ("1.0", 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1e21", 1e21),
        ("1.", 1),
        (".1_0", ".1_0"),
        ("1.2.3", "1.2.3"),
        ("1s", "1s"),
        ("-", "-"),
        (".", "."),
        ("2024-01-02", "2024-01-02"),
        ("10:30", "10:30"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2**64),
        ("v1", "v1"),
        ("=", "="),
    ],
)
def test_a_word_has_its_value(word: str, value: object) -> None:
    found = resolve(word)

    assert value == found
    assert type(value) is type(found)


def test_not_a_number_and_infinity_are_floats() -> None:
    assert math.isnan(resolve(".nan"))  # type: ignore[arg-type]
    assert -math.inf == resolve("-.inf")


def test_keys_become_texts_and_null_is_not_a_key() -> None:
    assert [key_text(value) for value in ("a", True, 8080, 1.5, None)] == ["a", "true", "8080", "1.5", None]
