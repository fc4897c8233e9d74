"""The exact test of shares, and the sampler of regexes."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.istio.regex import compile_pattern
from bench.routing.distribution import judge_distribution
from bench.routing.sampling import sample

HALF = {"a": Fraction(1, 2), "b": Fraction(1, 2)}


def test_right_shares_fit_and_wrong_ones_do_not():
    assert judge_distribution({"a": 5_050, "b": 4_950}, HALF).fits
    assert not judge_distribution({"a": 5_500, "b": 4_500}, HALF).fits


def test_a_single_stranger_is_enough():
    judged = judge_distribution({"a": 500, "b": 500, "c": 1}, HALF)

    assert judged.fits is False
    assert judged.strangers == (("c", 1),)


def test_a_certain_share_allows_no_exception():
    assert judge_distribution({"a": 10}, {"a": Fraction(1)}).fits
    assert not judge_distribution({"a": 10, "b": 1}, {"a": Fraction(1)}).fits


def test_without_samples_nothing_is_known():
    assert judge_distribution({}, HALF).fits is None


def test_right_shares_are_refused_no_oftener_than_stated():
    generator = np.random.default_rng(7)
    expected = {"a": Fraction(7, 10), "b": Fraction(2, 10), "c": Fraction(1, 10)}
    draws = generator.multinomial(200, [0.7, 0.2, 0.1], size=600)

    refused = sum(
        not judge_distribution(
            dict(zip("abc", map(int, draw), strict=True)), expected, error_probability=0.05
        ).fits
        for draw in draws
    )

    assert refused <= 600 * 0.05 + 3 * (600 * 0.05 * 0.95) ** 0.5
    assert refused > 0


@pytest.mark.parametrize(
    ("observed", "expected", "error"),
    [({"a": 1}, {"a": Fraction(1, 2)}, 0.1), ({"a": -1}, HALF, 0.1), ({"a": 1}, HALF, 0)],
)
def test_what_is_not_a_distribution_is_refused(observed, expected, error):
    with pytest.raises(ValueError, match=r"must be|cannot|lies"):
        judge_distribution(observed, expected, error_probability=error)


@pytest.mark.parametrize(
    "pattern",
    [
        "/v[0-9]+/users/[^/]+",
        "v1|v2",
        "[a-z]{3,5}-\\d+",
        "(foo|ba)(r)?",
        "^/a.*$",
        "(?i)ABC",
        "(?:x){2}\\w\\W\\s\\S\\D",
        "[^a-z]",
        "a.c",
        "",
    ],
)
def test_a_sample_is_matched_from_end_to_end(pattern):
    text = sample(pattern)

    assert text is not None
    assert re.fullmatch(pattern, text)


@pytest.mark.parametrize(
    "pattern", ["a(?=b)", "(a)\\1", "\\pL+", "[[:alpha:]]+", "a++", "(?>a)", "\\bx", "(", "a\\z", "\\Qa\\E"]
)
def test_what_re2_reads_otherwise_has_no_wrong_sample(pattern):
    text = sample(pattern)

    assert text is None or compile_pattern(pattern).takes(text)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["a", "b", "[a-c]", "[^x]", "\\d", ".", "/"]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
            st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}"])).map(
                lambda p: f"(?:{p[0]}){p[1]}"
            ),
        ),
        max_leaves=8,
    )
)
def test_ordinary_patterns_always_have_a_sample(pattern):
    text = sample(pattern)

    assert text is not None
    assert re.fullmatch(pattern, text, re.ASCII)
