"""``egress-bench explain``: the way of one request through the proxies of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.explain import Trace, explain, parse_request
from bench.scenario.read import read_folder


def explain_folder(
    folder: Path, url: str, *, headers: Sequence[str] = (), method: str = "GET", proxy: str | None = None
) -> Trace:
    """Follow the request to *url* with *headers* (``name: value``) from *proxy*, by default the only sidecar.

    Raises:
        InputError: a bad URL, header or method; no such proxy; nothing readable in *folder*; no inventory.
        InvalidResourcesError: a resource that a cluster would refuse.
        UnsupportedError: files alone cannot do what a resource on the way asks for.
    """
    request = parse_request(url, headers, method)
    read = read_folder(folder)
    read.require_resources()
    return explain(read.registry(), read.resources, request, proxy)
