"""``egress-bench explain``: the way of one request through the proxies of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.collection import collection_paused
from bench.explain import Outcome, Trace, explain, parse_request
from bench.preparation import known_certificates
from bench.scenario.read import read_folder


@dataclass(frozen=True, slots=True)
class Explanation:
    """The way of a request, and what had to be assumed to follow it."""

    trace: Trace
    assumptions: tuple[str, ...] = ()
    """Of proxies, where no inventory says which there are."""


def explain_folder(
    folder: Path, url: str, *, headers: Sequence[str] = (), method: str = "GET", proxy: str | None = None
) -> Trace:
    """As :func:`explanation_of`, without its assumptions."""
    return explanation_of(folder, url, headers=headers, method=method, proxy=proxy).trace


@collection_paused()
def explanation_of(
    folder: Path, url: str, *, headers: Sequence[str] = (), method: str = "GET", proxy: str | None = None
) -> Explanation:
    """Follow the request to *url* with *headers* (``name: value``) from *proxy*, by default the only sidecar.

    *folder* may be a file, and ``-`` is standard input.

    Raises:
        InputError: a bad URL, header or method; no such proxy; nothing readable in *folder*.
        InvalidResourcesError: a resource that a cluster would refuse.
        UnsupportedError: files alone cannot do what a resource on the way asks for.
    """
    request = parse_request(url, headers, method)
    read = read_folder(folder)
    read.require_resources()
    registry = read.registry()
    known = known_certificates(read.scenario, registry, read.root) if read.scenario is not None else {}
    return Explanation(explain(registry, read.resources, request, proxy, known), read.assumption_texts)


def comes_as_expected(trace: Trace, expected: str) -> bool:
    """Return whether every way that the request can go ends as *expected*.

    ``answered``: a server behind the last proxy answers; ``closed``: nothing does; a status: a proxy answers
    with it; else an endpoint's ``ADDRESS:PORT``, or the name of the proxy that decides.
    """
    return all(_fits(ending.outcome, expected) for ending in trace.endings())


def _fits(outcome: Outcome, expected: str) -> bool:
    if expected == "answered":
        return outcome.kind == "endpoint" and not outcome.is_failure
    if expected == "closed":
        return outcome.kind == "closed"
    if expected.isdecimal():
        return outcome.status == int(expected)
    return expected == outcome.proxy or expected in {each.address for each in outcome.endpoints}
