"""Keeps other sites out of Locust's web UI, whose buttons start and stop load whoever presses them.

A page elsewhere can let a browser post to an address that only this machine reaches, or have its own name
resolve to it (DNS rebinding). Both show: in Origin or Sec-Fetch-Site, and in Host.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WebGuard:
    """In front of the web UI's application."""

    def __init__(self, application: Wsgi, bind_host: str) -> None:
        self._application = application
        self._names = {"localhost", bind_host.lower(), socket.gethostname().lower()}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Let it through, or answer 403."""
        why = self._objection(environ)
        if why is None:
            return self._application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{why}\n".encode()]

    def _objection(self, environ: dict[str, Any]) -> str | None:
        host = str(environ.get("HTTP_HOST", ""))
        if not self._is_ours(host):
            return "This web UI does not answer to that name: use its address."
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and urlsplit(str(origin)).netloc.lower() != host.lower():
            return "This request comes from a page of another site."
        is_foreign = environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site")
        # A link on another page may lead here; what it leads to must not do anything.
        is_visit = environ.get("REQUEST_METHOD") == "GET" and environ.get("PATH_INFO") == "/"
        if is_foreign and not is_visit:
            return "This request comes from a page of another site."
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
