"""Requests in the making: what satisfies a match, and what just misses one of its conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.istio.models import HTTPMatchRequest, StringMatch
from bench.routing.patterns import is_present_only
from bench.routing.request import Request, is_owned_by_envoy
from bench.routing.sampling import sample

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_PRESENT = "x"


@dataclass(frozen=True, slots=True)
class Shape:
    """A request without its place: everything but proxy and port."""

    host: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    def request(self, proxy: str, port: int) -> Request:
        """The request that a client beside *proxy* sends to *port*."""
        return Request(
            self.host,
            port,
            self.path,
            self.method,
            self.headers,
            "&".join(f"{name}={value}" for name, value in self.query),
            proxy,
        )

    def joined(self, other: Shape) -> Shape:
        """Both at once; where they contradict, *other* counts."""
        names = {name.lower() for name, _ in other.headers}
        keys = {name for name, _ in other.query}
        return Shape(
            other.host,
            other.path if other.path != "/" else self.path,
            other.method if other.method != "GET" else self.method,
            (*(pair for pair in self.headers if pair[0].lower() not in names), *other.headers),
            (*(pair for pair in self.query if pair[0] not in keys), *other.query),
        )


def satisfying(match: HTTPMatchRequest | None, host: str) -> Shape | None:
    """A request to *host* that meets every condition of *match*; None if none could be made."""
    if match is None:
        return Shape(host)
    path = _path(match.uri)
    method = next((m for m in METHODS if _accepts(match.method, m)), None)
    if match.authority is not None and not is_present_only(match.authority):
        authority = _value(match.authority)
        if authority is None or not authority:
            return None
        host = host if _accepts(match.authority, host) else authority
    headers = [(name, _value(wanted)) for name, wanted in match.headers.items()]
    query = [(name, _value(wanted)) for name, wanted in match.query_params.items()]
    if path is None or method is None or any(value is None for _, value in (*headers, *query)):
        return None
    if any(is_owned_by_envoy(name.lower()) for name, _ in headers):
        return None
    if any(set(value or "") & set("&=#? \t") for _, value in query):
        return None
    return Shape(
        host,
        path,
        method,
        tuple((name, value or "") for name, value in headers),
        tuple((name, value or "") for name, value in query),
    )


def _path(uri: StringMatch | None) -> str | None:
    if uri is None:
        return "/"
    value = _value(uri) if not is_present_only(uri) else "/"
    if value == "" and uri.regex is not None:
        value = "/"  # the shortest text of .* is not a path
    return value if value is not None and value.startswith("/") and not set(value) & set("?#% \\") else None


def _value(match: StringMatch) -> str | None:
    if match.exact is not None:
        return match.exact
    if match.prefix is not None:
        return match.prefix
    if match.regex is not None and match.regex != "*":
        return sample(match.regex)
    return _PRESENT


def _accepts(match: StringMatch | None, text: str) -> bool:
    if match is None or is_present_only(match):
        return True
    if match.exact is not None:
        return text == match.exact
    if match.prefix is not None:
        return text.startswith(match.prefix)
    return match.regex is not None and sample(match.regex) == text


def near_misses(match: HTTPMatchRequest | None, shape: Shape) -> Iterator[tuple[str, Shape]]:
    """Variations of *shape*, which satisfies *match*: each with a name, each changes one condition only."""
    if match is None:
        return
    if match.uri is not None and not is_present_only(match.uri):
        yield from _paths(shape)
    if match.method is not None:
        other = next((method for method in METHODS if not _accepts(match.method, method)), None)
        if other is not None:
            yield f"other method {other}", replace(shape, method=other)
    for name, value in shape.headers:
        yield from _headers(shape, name, value)
    for name, unwanted in match.without_headers.items():
        if is_owned_by_envoy(name.lower()):
            continue
        text = _value(unwanted)
        yield f"unwanted header {name} empty", _with_header(shape, name, "")
        if text:
            yield f"unwanted header {name}", _with_header(shape, name, text)
            yield f"unwanted header {name} longer", _with_header(shape, name, f"{text}x")
    for name, value in shape.query:
        yield from _parameters(shape, name, value)


def _paths(shape: Shape) -> Iterator[tuple[str, Shape]]:
    path = shape.path
    yield "path with one character more", replace(shape, path=f"{path}x")
    yield "path with a segment more", replace(shape, path=f"{path.rstrip('/')}/x")
    yield "path with a slash more", replace(shape, path=f"{path}/")
    yield "path behind another", replace(shape, path=f"/x{path}")
    if len(path) > 1:
        yield "path with one character less", replace(shape, path=path[:-1])
    if path.swapcase() != path:
        yield "path in other case", replace(shape, path=path.swapcase())
    yield "path with a query", replace(shape, query=(*shape.query, ("x-unrelated", "1")))


def _headers(shape: Shape, name: str, value: str) -> Iterator[tuple[str, Shape]]:
    rest = tuple(pair for pair in shape.headers if pair[0] != name)
    yield f"header {name} absent", replace(shape, headers=rest)
    for what, text in _texts(value):
        yield f"header {name} {what}", replace(shape, headers=(*rest, (name, text)))
    if value:
        yield f"header {name} twice", replace(shape, headers=(*rest, (name, value), (name, value)))
    swapped = name.swapcase()
    if swapped != name:
        yield f"header {swapped}: its name in other case", replace(shape, headers=(*rest, (swapped, value)))


def _parameters(shape: Shape, name: str, value: str) -> Iterator[tuple[str, Shape]]:
    rest = tuple(pair for pair in shape.query if pair[0] != name)
    yield f"query parameter {name} absent", replace(shape, query=rest)
    for what, text in _texts(value):
        yield f"query parameter {name} {what}", replace(shape, query=(*rest, (name, text)))
    if name.swapcase() != name:
        swapped = name.swapcase()
        yield f"query parameter {swapped}: other case", replace(shape, query=(*rest, (swapped, value)))
    yield (
        f"query parameter {name} after another of its name",
        replace(shape, query=(*rest, (name, f"{value}x"), (name, value))),
    )


def _texts(value: str) -> Iterator[tuple[str, str]]:
    yield "empty", ""
    yield "longer", f"{value}x"
    if value.swapcase() != value:
        yield "in other case", value.swapcase()
    if len(value) > 1:
        yield "shorter", value[:-1]


def _with_header(shape: Shape, name: str, value: str) -> Shape:
    return replace(shape, headers=(*shape.headers, (name, value)))


def host_variants(shape: Shape, port: int) -> Iterator[tuple[str, Shape]]:
    """The same request under hosts that only look alike."""
    host = shape.host
    yield "host with port", replace(shape, host=f"{host}:{port}")
    yield "host with another port", replace(shape, host=f"{host}:{port + 1}")
    yield "host with a trailing dot", replace(shape, host=f"{host}.")
    yield "host in upper case", replace(shape, host=host.upper())
    yield "host with one label more", replace(shape, host=f"x.{host}")
    yield "host with one character more", replace(shape, host=f"{host}x")
    yield "other host", replace(shape, host="other.invalid")
