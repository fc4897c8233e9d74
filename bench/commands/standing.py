"""Stacks for work by hand: one that stands until it is told to go, and what stands on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bench.observer import Observer
from bench.preparation import make_material, prepare
from bench.scenario.load import LoadedScenario
from bench.scenario.models import Scenario
from bench.stack import Stack, StackSpec
from bench.stack.client_address import client_address
from bench.stack.runs import Run, clear, end_orphans, end_run, find_runs, supervised_folder
from bench.translate.config import ConfigSource

_LOOK_EVERY_S = 0.5
_CLEAR_UP_S = 30.0
"""A run with containers takes its time to remove them."""


@dataclass(frozen=True, slots=True)
class Told:
    """The same facts as text and as a document."""

    text: str
    document: list[dict[str, Any]]


def stand(
    loaded: LoadedScenario,
    source: ConfigSource,
    make_stack: Callable[[StackSpec], Stack],
    observer: Observer,
) -> None:
    """Stand the scenario's stack up, tell how to reach it, and wait until Ctrl-C or SIGTERM.

    Raises:
        InputError: the resources cannot be translated.
        StackError: a part did not start, or died while it stood.
    """
    prepared = prepare(loaded)
    scenario = loaded.scenario
    with supervised_folder(f"{scenario.name} keys") as private:
        material = make_material(loaded, private / "material")
        with make_stack(prepared.stack_spec(scenario.name, source, material)) as stack:
            observer.note("\n".join(_ways_in(stack, scenario)))
            observer.note("Ctrl-C, or `egress-bench down` from elsewhere, ends it.")
            waiting = threading.Event()
            try:
                while not waiting.wait(_LOOK_EVERY_S):
                    stack.check_alive()
            except KeyboardInterrupt:
                observer.note("stopping")


def _ways_in(stack: Stack, scenario: Scenario) -> Iterable[str]:
    traffic = scenario.traffic
    host, port = client_address(stack.component(traffic.client), traffic.port)
    for name, subset in traffic.subsets.items():
        headers = "".join(f" -H '{key}: {value}'" for key, value in subset.headers.items())
        path = subset.path or traffic.path
        yield f"{name:<10} curl -i http://{host}:{port}{path} -H 'Host: {traffic.host}'{headers}"
    for part in stack.components():
        if part.admin_url is not None:
            yield f"{part.name:<10} {_curl(part.admin_url)}/config_dump"
        else:
            address = next(iter(part.addresses.values()))
            yield f"{part.name:<10} https://{address[0]}:{address[1]}/ (mutual TLS)"
        yield f"{'':<10} tail -f {part.log}"


def _curl(admin_url: str) -> str:
    socket = admin_url.removeprefix("unix://")
    return f"curl {admin_url}" if socket == admin_url else f"curl --unix-socket {socket} http://envoy"


def describe_runs() -> Told:
    """What stands on this machine, and what killed runs left."""
    runs = find_runs()
    if not runs:
        return Told("nothing stands, nothing is left over", [])
    return Told("\n".join(line for run in runs for line in _lines(run)), [_document(run) for run in runs])


def end_runs() -> Told:
    """End every run of this user and clear what killed ones left; each clears up after itself.

    Raises:
        StackError: a process cannot be ended.
    """
    runs = find_runs()
    for run in runs:
        if run.is_owner_running:
            end_run(run, grace_s=_CLEAR_UP_S)
        else:
            clear(run)
    orphans = end_orphans()
    if not runs and not orphans:
        return Told("nothing to end", [])
    lines = [f"ended {run.name}" for run in runs] + [f"removed containers of {name}" for name in orphans]
    return Told("\n".join(lines), [_document(run) for run in runs])


def _lines(run: Run) -> Iterable[str]:
    owner = f"process {run.owner.pid}" if run.owner is not None else "an unknown process"
    state = (
        f"stands, owned by {owner}" if run.is_owner_running else f"left over by {owner}: egress-bench down"
    )
    yield f"{run.name}: {state}"
    for part in run.parts:
        places = ", ".join(f"{address[0]}:{address[1]}" for address in part.addresses.values())
        yield f"  {part.name:<10} {part.kind:<6} {part.role:<8} {places}"


def _document(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "folder": str(run.folder),
        "owner": run.owner.pid if run.owner is not None else None,
        "running": run.is_owner_running,
        "processes": list(run.processes),
        "parts": [
            {
                "name": part.name,
                "kind": part.kind,
                "role": part.role,
                "pid": part.pid,
                "addresses": [f"{address[0]}:{address[1]}" for address in part.addresses.values()],
                "admin_url": part.admin_url,
            }
            for part in run.parts
        ],
    }
