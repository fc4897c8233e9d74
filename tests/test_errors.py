"""Errors are text, whoever wrote parts of them."""

import pytest

from bench.errors import StackError, printable


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain – µs\n\ttext", "plain – µs\n\ttext"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\x00b\x08c\x7f\x9bd\re", "abcde"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_what_steers_a_terminal_is_left_out_and_text_stays(written, shown):
    assert printable(written) == shown


def test_an_error_holds_no_control_character_of_those_whose_words_it_repeats():
    error = StackError("egress said: \x1b[2J\x1b[31mgone", where="/tmp/a\x1b[0m", remedy="Look.")

    assert str(error) == "/tmp/a: egress said: gone Look."
    assert error.what == "egress said: gone"
