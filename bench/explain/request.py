"""The request whose way is asked for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args
from urllib.parse import parse_qsl, urlsplit

from bench.errors import InputError

Scheme = Literal["http", "https", "tcp", "tls"]
"""``tcp`` and ``tls``: bytes that are not HTTP, plain or within TLS."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "tls": 443}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as a client sends it, or as a proxy sends it on."""

    method: str
    scheme: Scheme
    destination: str
    """The host of the URL: what the client connects to."""
    port: int
    authority: str
    """The Host header."""
    path: str
    """Without the query; dot segments are resolved, as Envoy does."""
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers, names in lower case."""

    @property
    def has_tls(self) -> bool:
        """Whether the client speaks TLS."""
        return self.scheme in ("https", "tls")

    @property
    def is_http(self) -> bool:
        """Whether the client speaks HTTP."""
        return self.scheme in ("http", "https")

    @property
    def host(self) -> str:
        """The Host header without its port, in lower case."""
        return host_of(self.authority)

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        """The whole URL by its Host header."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def parameters(self) -> dict[str, str]:
        """Give the first value of each query parameter."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            found.setdefault(name, value)
        return found

    def header(self, name: str) -> str | None:
        """Give a header, or a pseudo header such as ``:path``."""
        pseudo = {
            ":method": self.method,
            ":scheme": self.scheme,
            ":authority": self.authority,
            "host": self.authority,
            ":path": self.target,
        }
        return pseudo.get(name.lower(), self.headers.get(name.lower()))

    def with_target(self, target: str) -> Request:
        """Give the request with another path and query."""
        path, _, query = target.partition("?")
        return replace(self, path=path, query=query)


def host_of(authority: str) -> str:
    """Strip the port from a Host header: ``[::1]:80`` is ``[::1]``."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()


def parse_request(url: str, headers: Sequence[str] = (), method: str = "GET") -> Request:
    """Read what a user wrote: a URL, and headers as ``name: value``.

    Raises:
        InputError: no URL with a host, or a header without colon.
    """
    scheme, host, port, rest = _split(url)
    fields: dict[str, str] = {}
    authority = f"{host}:{port}" if port != _DEFAULT_PORTS.get(scheme) else host
    for written in headers:
        name, colon, value = written.partition(":")
        if not colon or not _TOKEN.fullmatch(name.strip()):
            raise InputError(
                f"the header {written!r} is not NAME: VALUE.", remedy="Write for example -H 'want: v1'."
            )
        if name.strip().lower() == "host":
            authority = value.strip()
        else:
            key = name.strip().lower()
            fields[key] = f"{fields[key]},{value.strip()}" if key in fields else value.strip()
    if not _TOKEN.fullmatch(method):
        raise InputError(f"{method!r} is not an HTTP method.", remedy="Write for example --method GET.")
    path, _, query = rest.partition("?")
    return Request(
        method=method.upper(),
        scheme=scheme,
        destination=host.strip("[]"),
        port=port,
        authority=authority,
        path=normal_path(path or "/"),
        query=query,
        headers=fields,
    )


def _split(url: str) -> tuple[Scheme, str, int, str]:
    advice = "Write for example http://nginx.external.svc.cluster.local/path."
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise InputError(f"{url!r} is not a URL: {error}.", remedy=advice) from error
    if parts.scheme not in get_args(Scheme):
        raise InputError(f"{url!r} does not begin with http://, https://, tcp:// or tls://.", remedy=advice)
    if not host or any(letter.isspace() for letter in url):
        raise InputError(f"{url!r} has no host.", remedy=advice)
    scheme = cast("Scheme", parts.scheme)
    number = _DEFAULT_PORTS.get(scheme) if port is None else port
    if number is None:
        raise InputError(f"{url!r} has no port.", remedy="Write tcp://HOST:PORT.")
    if number == 0:
        raise InputError(f"{url!r} has port 0.", remedy=advice)
    rest = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return scheme, f"[{host}]" if ":" in host else host, number, rest


def normal_path(path: str) -> str:
    """Resolve ``.`` and ``..`` (RFC 3986, 5.2.4), keeping repeated and final slashes."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return posixpath.sep + "/".join(kept)
