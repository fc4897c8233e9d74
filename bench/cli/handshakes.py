"""The command of the TLS handshake lab."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.exporting import conclude, exporting
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
from bench.report import Exports


class LabPart(StrEnum):
    """A part of the lab."""

    MATRIX = "matrix"
    SESSIONS = "sessions"
    POOLS = "pools"
    STORMS = "storms"
    REFUSALS = "refusals"
    MESH = "mesh"


class KeyName(StrEnum):
    """A key type of the matrix."""

    RSA_2048 = "rsa-2048"
    RSA_4096 = "rsa-4096"
    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"


@exporting()
def handshake(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="All keys, with and without client certificate, until intervals are ±3 %: 20 minutes.",
        ),
    ] = False,
    only: Annotated[
        list[LabPart] | None, typer.Option(help="Only this part; may be given several times.")
    ] = None,
    key: Annotated[
        list[KeyName] | None,
        typer.Option(help="Key types of the matrix instead of the scenario's own and P-256; several."),
    ] = None,
    config_source: Annotated[
        ConfigSourceName, typer.Option("--config-source", help="Where Envoy has its configuration from.")
    ] = ConfigSourceName.STATIC,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds of windows for each cell of the matrix, at least 2.")
    ] = None,
    mesh_mtls: MeshMtls = False,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Measure what TLS handshakes cost at the gateway, by key, version and session, and how many come."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.handshake import PARTS, LabOptions, run_lab

        loaded = read_scenario(scenario, mesh_mtls=mesh_mtls)
        options = LabOptions(
            out=out,
            command=as_typed(),
            backend=make_backend(stack, loaded, console),
            config_source=config_source.value,
            is_full=full,
            parts=tuple(each.value for each in only) if only else PARTS,
            keys=tuple(each.value for each in key or ()),
            rounds=rounds,
        )
        finished = run_lab(loaded, options, console)
        raise typer.Exit(conclude(finished, console, exports))
