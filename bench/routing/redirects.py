"""Where a redirect sends the client, character by character as Envoy writes it.

Source: HTTPRedirect in Istio's API reference and RedirectAction in Envoy's.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.istio.models import HTTPRedirect, StringMatch
from bench.routing.request import Message
from bench.routing.rewriting import PathChange, replaced_prefix

_CODES = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Redirect:
    """A compiled redirect."""

    status: int
    host: str
    scheme: str
    port: int | None
    path: str
    """Whole new path; empty: the request's."""
    path_change: PathChange | None

    def location(self, message: Message) -> str:
        """The ``Location`` header for *message*."""
        scheme = self.scheme or message.scheme
        host = self.host or self._kept_host(message, scheme)
        port = f":{self.port}" if self.port is not None else ""
        query = f"?{message.query}" if message.query else ""
        if self.path:
            path = self.path if "?" in self.path else self.path + query
        else:
            path = (self.path_change(message.path) if self.path_change else message.path) + query
        return f"{scheme}://{host}{port}{path}"

    def _kept_host(self, message: Message, scheme: str) -> str:
        host = message.host
        end = host.rfind("]:") + 1 if host.startswith("[") else host.rfind(":")
        if end <= 0:
            return host
        default = f":{_DEFAULT_PORTS.get(message.scheme)}"
        if self.port is not None or (scheme != message.scheme and host[end:] == default):
            return host[:end]
        return host


def compile_redirect(
    written: HTTPRedirect, uri: StringMatch | None, *, port: int, is_tls: bool
) -> Redirect | None:
    """Compile for a listener on *port*; None for a code that no proxy can give."""
    code = written.redirect_code or 301
    if code not in _CODES:
        return None
    number = port if written.derive_port == "FROM_REQUEST_PORT" else (written.port or None)
    scheme = written.scheme or ("https" if is_tls else "http")
    if number == _DEFAULT_PORTS.get(scheme):
        number = None
    change = replaced_prefix(written.prefix_rewrite, uri) if written.prefix_rewrite else None
    return Redirect(code, written.authority, written.scheme, number, "" if change else written.uri, change)
