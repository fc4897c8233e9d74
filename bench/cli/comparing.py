"""Commands that compare: compare."""

from __future__ import annotations

import functools
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.exporting import conclude, exporting
from bench.cli.options import DEFAULT_SCENARIO, AsJson, Out, Quiet, ScenarioFolder, Stack, StackKind
from bench.cli.parts import (
    as_typed,
    make_backend,
    make_console,
    read_scenario,
)
from bench.errors import InputError
from bench.report import Exports

if TYPE_CHECKING:
    from bench.console import Console
    from bench.scenario.load import LoadedScenario
    from bench.stack.backend import Backend


class Interleaved(StrEnum):
    """How the variants of a block alternate."""

    TURNS = "turns"
    TRIALS = "trials"


_SETTING = "FIELD=VALUE"
_A = Annotated[list[str] | None, typer.Option("--a", metavar=_SETTING, help="A setting of the baseline.")]
_B = Annotated[list[str] | None, typer.Option("--b", metavar=_SETTING, help="A setting of variant B.")]
_C = Annotated[list[str] | None, typer.Option("--c", metavar=_SETTING, help="A setting of variant C.")]
_D = Annotated[list[str] | None, typer.Option("--d", metavar=_SETTING, help="A setting of variant D.")]


@exporting()
def compare(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    a: _A = None,
    b: _B = None,
    c: _C = None,
    d: _D = None,
    blocks: Annotated[int, typer.Option(min=1, help="Blocks: each variant once, the baseline twice.")] = 8,
    until: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Continue until a change of this size is seen, such as 2%."),
    ] = None,
    budget: Annotated[float, typer.Option(min=1, help="Seconds for blocks with --until.")] = 600,
    margin: Annotated[
        str, typer.Option(metavar="PERCENT", help="Within it, variants count as equal.")
    ] = "2%",
    interleave: Annotated[
        Interleaved | None,
        typer.Option(
            help="Turns of a hundredth of a second within one load, or trials one after the other;"
            " turns where the variants can share a load."
        ),
    ] = None,
    measure: Annotated[float | None, typer.Option(help="Seconds of each trial.")] = None,
    stack: Stack = StackKind.LOCAL,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Compare variants of a scenario in interleaved blocks: config source, Envoy, any field, other YAML.

    Each of --a, --b … may be given several times. FIELD is config-source, envoy (a binary), envoy-image,
    istio (a folder), concurrency, key, tls-version, mesh-mtls=on, rate, connections, or the path of a field
    in scenario.yaml.
    """
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.compare import CompareOptions, parse_variant
        from bench.experiment.compare import compare as compare_variants

        loaded = read_scenario(scenario, measure_s=measure)
        backend = functools.partial(_backend, stack, console)
        given = {"A": a or [], "B": b or [], "C": c or [], "D": d or []}
        wanted = [name for name, settings in given.items() if settings or name in "AB"]
        if not (a or b or c or d):
            raise InputError(
                "there is nothing to compare.",
                remedy="Say what B changes, such as --b config-source=eds or --b connections=64.",
            )
        options = CompareOptions(
            out=out,
            command=as_typed(),
            blocks=blocks,
            until=_share("--until", until) if until is not None else None,
            budget_s=budget,
            margin=_share("--margin", margin),
            interleave=interleave.value if interleave is not None else None,
        )
        variants = [parse_variant(name, given[name], loaded, backend) for name in wanted]
        raise typer.Exit(conclude(compare_variants(variants, options, console), console, exports))


def _backend(
    stack: StackKind, console: Console, loaded: LoadedScenario, envoy: str | None, image: str | None
) -> Backend:
    if envoy is not None:
        if stack is not StackKind.LOCAL:
            raise InputError(
                "envoy=PATH is for processes.", remedy="With --stack docker name an envoy-image."
            )
        from bench.stack.backend import local_backend

        return local_backend(Path(envoy))
    if image is not None and stack is not StackKind.DOCKER:
        raise InputError("envoy-image is for containers.", remedy="Add --stack docker, or name envoy=PATH.")
    return make_backend(stack, loaded, console, envoy_image=image)


def _share(option: str, text: str) -> float:
    """``2%`` or ``0.02`` as 0.02."""
    number = text.removesuffix("%").strip()
    try:
        value = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise InputError(f"{option}: {text!r} is not a share between 0 and 1.", remedy="Write 2% or 0.02.")
    return value
