"""Commands that size a gateway: capacity, plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.cli.exporting import conclude, exporting
from bench.cli.help import LOAD, PATH, PODS, SEARCH
from bench.cli.options import (
    DEFAULT_SCENARIO,
    AsJson,
    ConfigSourceName,
    MeshMtls,
    Out,
    Quiet,
    ScenarioFolder,
    Stack,
    StackKind,
)
from bench.cli.parts import (
    as_typed,
    make_backend,
    make_console,
    read_scenario,
)
from bench.errors import InputError
from bench.report import Exports


@exporting()
def capacity(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    config_source: Annotated[
        ConfigSourceName,
        typer.Option("--config-source", help="Where Envoy learns its endpoints.", rich_help_panel=PATH),
    ] = ConfigSourceName.STATIC,
    p99: Annotated[
        float | None,
        typer.Option(
            help="Milliseconds for 99 % of the requests, instead of the scenario's.", rich_help_panel=SEARCH
        ),
    ] = None,
    lowest: Annotated[
        float | None, typer.Option(help="Lowest rate worth a trial, requests/s.", rich_help_panel=SEARCH)
    ] = None,
    highest: Annotated[
        float, typer.Option(help="Highest rate to try, requests/s.", rich_help_panel=SEARCH)
    ] = 30_000,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Coarser: at most 36 s of trials, bounds 3 % apart.", rich_help_panel=SEARCH
        ),
    ] = False,
    soak: Annotated[
        float | None,
        typer.Option(
            min=0, help="Seconds of load at the bound, at the end; 0: none.", rich_help_panel=SEARCH
        ),
    ] = None,
    model: Annotated[
        bool | None,
        typer.Option("--model/--no-model", help="Measure the cost model for `plan`; not with --quick."),
    ] = None,
    curve: Annotated[
        bool | None,
        typer.Option("--curve/--no-curve", help="Latency at eight rates beyond the bound; not with --quick."),
    ] = None,
    scaling: Annotated[
        str | None,
        typer.Option(metavar="workers|replicas=1,2,4", help="Search again at sizes of the gateway; fit USL."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Measure the cost model by the full design: about three minutes.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="Key type of the certificates.", rich_help_panel=PATH)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Locust worker processes.", rich_help_panel=LOAD)
    ] = None,
    mesh_mtls: MeshMtls = False,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Find the highest rate that meets the limits, and what prevents more."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.capacity import CapacityOptions, find_capacity

        loaded = read_scenario(scenario, key=key, workers=workers, mesh_mtls=mesh_mtls)
        options = CapacityOptions(
            out=out,
            command=as_typed(),
            backend=make_backend(stack, loaded, console),
            config_source=config_source.value,
            lowest=lowest,
            highest=highest,
            p99_ms=p99,
            quick=quick,
            soak_s=soak,
            with_model=full or (not quick if model is None else model),
            design="full" if full else "quick",
            with_curve=not quick if curve is None else curve,
            scaling=_sizes_of(scaling) if scaling is not None else None,
        )
        finished = find_capacity(loaded, options, console)
        raise typer.Exit(conclude(finished, console, exports))


def plan(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Result folder of `capacity` or `handshake`.")
    ],
    *,
    rate: Annotated[
        float, typer.Option(help="Requests per second of all pods together.", rich_help_panel=LOAD)
    ],
    new_connections: Annotated[
        float,
        typer.Option(
            help="New upstream connections for each request: 0.05 is one in twenty.", rich_help_panel=LOAD
        ),
    ] = 0.0,
    resumed: Annotated[
        float, typer.Option(help="Share of their handshakes that is resumed.", rich_help_panel=LOAD)
    ] = 0.0,
    body: Annotated[
        str, typer.Option(help="Size of each request's body: 4096, 4k, 4Ki.", rich_help_panel=LOAD)
    ] = "0",
    answer_size: Annotated[
        str, typer.Option("--answer", help="Size of each answer, in the same form.", rich_help_panel=LOAD)
    ] = "0",
    cpu_per_pod: Annotated[
        float, typer.Option(help="CPUs that a pod requests and is held to.", rich_help_panel=PODS)
    ] = 2.0,
    headroom: Annotated[
        float, typer.Option(help="Share of them that stays free.", rich_help_panel=PODS)
    ] = 0.3,
    zones: Annotated[
        int, typer.Option(help="Zones over which the pods are spread.", rich_help_panel=PODS)
    ] = 1,
    memory_per_pod: Annotated[
        str | None,
        typer.Option(help="Memory that a pod requests and is held to: 512Mi.", rich_help_panel=PODS),
    ] = None,
    connections: Annotated[
        int,
        typer.Option(help="Client connections open at a time, of all pods together.", rich_help_panel=LOAD),
    ] = 0,
    clusters: Annotated[
        int | None,
        typer.Option(
            help="Clusters of the gateway's configuration; default: as measured.", rich_help_panel=LOAD
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Key type, of a result of `handshake`; default: the most expensive.", rich_help_panel=LOAD
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say how many gateway replicas a load needs, from the cost model of a result."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.analysis.cost import plan as make_plan
        from bench.analysis.cost.models import gateway_at_bound, gateway_memory, gateway_model
        from bench.report import plan_lines, write_plan
        from bench.result import PlanQuestion, read_result

        found = read_result(result)
        model = gateway_model(found, where=str(result), key=key)
        question = PlanQuestion(
            rate=rate,
            new_connections=new_connections,
            resumed=resumed,
            body_bytes=_bytes_of(body),
            answer_bytes=_bytes_of(answer_size, "--answer"),
            cpu_per_pod=cpu_per_pod,
            headroom=headroom,
            zones=zones,
            memory_per_pod_bytes=None
            if memory_per_pod is None
            else _bytes_of(memory_per_pod, "--memory-per-pod"),
            connections=connections,
            clusters=clusters,
        )
        answer = make_plan(model, question, gateway_memory(found), gateway_at_bound(found))
        page = write_plan(result, found, model, answer)
        console.say("\n".join([*plan_lines(answer, short=quiet), *([] if quiet else ["", f"page  {page}"])]))
        console.document({"plan": answer.model_dump(mode="json"), "page": str(page)})


def _sizes_of(text: str) -> tuple[Literal["workers", "replicas"], tuple[int, ...]]:
    """Read ``replicas=1,2,4``."""
    over, _, sizes = text.partition("=")
    parts = [part.strip() for part in sizes.split(",")]
    if over not in {"workers", "replicas"} or not all(part.isdecimal() for part in parts):
        raise InputError(
            f"--scaling is {text!r}.", remedy="Give workers or replicas and sizes: --scaling replicas=1,2,4."
        )
    return "workers" if over == "workers" else "replicas", tuple(int(part) for part in parts)


def _bytes_of(text: str, option: str = "--body") -> int:
    from bench.units import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}.") from error
