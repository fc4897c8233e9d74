"""What cannot be sent, or would make a receiver wait, is refused before anything starts."""

from __future__ import annotations

import pytest

from bench.scenario.http_text import body_fault, header_fault, target_fault


@pytest.mark.parametrize("name", ["want", "X-Any_Thing.1", "!#$%&'*+-.^_`|~0"])
def test_a_token_is_a_headers_name(name):
    assert header_fault(name, "v1") is None


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", "a\x00", "(a)", "a\x7f"])
def test_what_is_not_a_token_is_not(name):
    assert "is not a header's name" in header_fault(name, "v1")


@pytest.mark.parametrize("value", ["", "a b\tc", "ÿ", "\xa0", "100-continue"])
def test_text_of_one_byte_each_can_be_a_value(value):
    assert header_fault("a", value) is None


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\x00", "\x7f", "€", "a\ud800", "\u2028"])
def test_whatever_else_cannot(value):
    assert "is not allowed in a header's value" in header_fault("a", value)


@pytest.mark.parametrize("path", ["/", "/a?b=c&d=%20", "/~!$&'()*+,;=:@#"])
def test_printable_text_without_blanks_is_a_path(path):
    assert target_fault(path) is None


@pytest.mark.parametrize("path", ["", "/a b", "/ä", "/\t", "/\r\nx: y", "/\x7f"])
def test_whatever_else_is_not(path):
    assert "is not allowed in a path" in target_fault(path)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, "x"),
        ({"content-length": "2"}, "ä"),
        ({"Content-Length": " 0 "}, ""),
        ({"expect": "100-continue", "te": "trailers"}, "x"),
    ],
)
def test_headers_that_agree_with_the_body_pass(headers, body):
    assert body_fault(headers.items(), body) is None


@pytest.mark.parametrize(
    ("headers", "body", "reported"),
    [
        ({"Content-Length": "5"}, "x", "contradicts the body of 1 bytes"),
        ({"content-length": "-1"}, "", "contradicts"),
        ({"content-length": "1, 1"}, "x", "contradicts"),
        ({"Transfer-Encoding": "chunked"}, "x", "cannot be sent"),
        ({}, "\ud800", "is not allowed in a body"),
    ],
)
def test_what_would_let_a_receiver_wait_is_reported(headers, body, reported):
    assert reported in body_fault(headers.items(), body)
