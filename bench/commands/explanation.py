"""``egress-bench explain``: the way of one request through the proxies of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.commands.folder import inspect_folder
from bench.errors import InputError
from bench.explain.explain import explain
from bench.explain.request import parse_request
from bench.explain.trace import Journey
from bench.istio.problem import InvalidResourcesError


def explain_folder(
    folder: Path, url: str, *, headers: Sequence[str] = (), method: str = "GET", proxy: str | None = None
) -> Journey:
    """Follow the request to *url* with *headers* (``name: value``) from *proxy*, by default the only sidecar.

    Raises:
        InputError: a bad URL, header or method; no such proxy; nothing readable in *folder*; no inventory.
        InvalidResourcesError: a resource that a cluster would refuse.
        UnsupportedError: files alone cannot do what a resource on the way asks for.
    """
    request = parse_request(url, headers, method)
    inspected = inspect_folder(folder)
    if inspected.survey.problems:
        raise InvalidResourcesError(inspected.survey.problems)
    if inspected.inventory is None:
        raise InputError(
            "there is neither an inventory.yaml nor a scenario.yaml, so it is not known which proxies exist.",
            where=str(folder),
            remedy="Write an inventory.yaml with the proxies beside the Istio YAML.",
        )
    resources = inspected.survey.resources
    registry = inspected.registry(inspected.inventory)
    return explain(registry, resources, request, proxy)
