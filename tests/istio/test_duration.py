"""Durations are exact and follow Go's grammar."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.istio.models.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("1.5ms", 1_500_000),
        ("0.0015s", 1_500_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1m1m", 120_000_000_000),
        ("-2s", -2_000_000_000),
        ("+2s", 2_000_000_000),
        ("0.1ns", 0),
        ("0." + "0" * 5000 + "1s", 0),
        ("9223372036854775807ns", 2**63 - 1),
    ],
)
def test_a_duration_is_exact_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    duration = parse_duration(text)

    assert nanoseconds == duration.nanoseconds
    assert text == str(duration)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1d", "1 s", "1s ", " 1s", "1,5s", "1S", "--1s", "-", "+", "1e3s", ".s", "1h-1m"]
)
def test_what_go_does_not_read_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["2562048h", "9223372036854775808ns", "1" * 5000 + "s"])
def test_a_duration_beyond_64_bits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a duration can be"):
        parse_duration(text)


def test_a_duration_reports_its_value_in_other_forms() -> None:
    duration = parse_duration("1500us")

    assert duration.seconds == 0.0015
    assert timedelta(microseconds=1500) == duration.timedelta
    assert not duration.is_whole_milliseconds
    assert parse_duration("2000us").is_whole_milliseconds
