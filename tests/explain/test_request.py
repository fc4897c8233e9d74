"""What a user writes becomes a request, or a sentence about what is wrong with it."""

from __future__ import annotations

import pytest

from bench.errors import InputError
from bench.explain.request import normal_path, parse_request


def test_a_url_gives_host_port_path_and_query() -> None:
    request = parse_request("http://A.test:8080/x/../y?q=1&q=2&e=", ["Want: v1", "x: a", "X: b"], "post")

    assert (request.destination, request.port, request.authority) == ("a.test", 8080, "a.test:8080")
    assert (request.method, request.path, request.query) == ("POST", "/y", "q=1&q=2&e=")
    assert request.headers == {"want": "v1", "x": "a,b"}
    assert request.parameters() == {"q": "1", "e": ""}


def test_a_host_header_takes_the_place_of_the_urls_host() -> None:
    request = parse_request("https://10.0.0.1/", ["Host: a.test:444"])

    assert (request.destination, request.port, request.authority) == ("10.0.0.1", 443, "a.test:444")
    assert request.host == "a.test"


@pytest.mark.parametrize(
    ("url", "headers", "method"),
    [
        ("a.test", [], "GET"),
        ("http://", [], "GET"),
        ("http:///path", [], "GET"),
        ("ftp://a.test/", [], "GET"),
        ("http://a.test:port/", [], "GET"),
        ("http://a.test:99999/", [], "GET"),
        ("http://a b.test/", [], "GET"),
        ("http://[::1/", [], "GET"),
        ("http://a.test/", ["want"], "GET"),
        ("http://a.test/", [": v1"], "GET"),
        ("http://a.test/", ["a b: v1"], "GET"),
        ("http://a.test/", [], "GE T"),
    ],
)
def test_what_is_not_a_request_is_refused_in_a_sentence(url: str, headers: list[str], method: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_request(url, headers, method)

    assert caught.value.remedy is not None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a//b/", "/a//b/"),
        ("/.a", "/.a"),
    ],
)
def test_dot_segments_are_resolved(written: str, meant: str) -> None:
    assert normal_path(written) == meant
