"""Options that several commands share, and the values that they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.help import LOCUST, OUTPUT, PATH


class StackKind(StrEnum):
    """Where Envoy and nginx run."""

    LOCAL = "local"
    DOCKER = "docker"


class ConfigSourceName(StrEnum):
    """Where Envoy learns its endpoints."""

    STATIC = "static"
    EDS = "eds"
    ADS = "ads"
    ADS_DELTA = "ads-delta"


class DifferenceName(StrEnum):
    """What results that are compared may differ in; ``bench.analysis.comparable`` says what each is."""

    SCENARIO = "scenario"
    TRAFFIC = "traffic"
    KEY = "key"
    CONFIG = "config"
    EXPERIMENT = "experiment"
    STACK = "stack"
    MACHINE = "machine"
    ENVOY = "envoy"
    NODES = "nodes"
    GENERATOR = "generator"


class FailOnName(StrEnum):
    """Which findings make a check fail."""

    ERROR = "error"
    WARNING = "warning"


class LedgerLevelName(StrEnum):
    """How closely requests are accounted for."""

    COUNTERS = "counters"
    FULL = "full"


class SchemaKind(StrEnum):
    """Files that have a JSON Schema."""

    RESULT = "result"
    SCENARIO = "scenario"


class RoleName(StrEnum):
    """Which proxy of the path."""

    SIDECAR = "sidecar"
    EGRESS = "egress"


DEFAULT_SCENARIO = Path("egress-mtls")
Out = Annotated[
    Path,
    typer.Option("--out", help="Folder in which the result folder is made.", rich_help_panel=OUTPUT),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only the final lines.", rich_help_panel=OUTPUT)]
Stack = Annotated[StackKind, typer.Option("--stack", help="Where Envoy and nginx run.", rich_help_panel=PATH)]


def by_name(path: Path | None) -> Path | None:
    """Give the folder that a name of the library means, or *path* itself."""
    from bench.scenario.library import find_scenario

    return find_scenario(path) if path is not None else None


def each_by_name(paths: list[Path]) -> list[Path]:
    """As :func:`by_name`, for several."""
    from bench.scenario.library import find_scenario

    return [find_scenario(path) for path in paths]


ScenarioFolder = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        help="Folder with a scenario.yaml, or a name that `egress-bench scenarios` lists.",
        callback=by_name,
    ),
]
MeshMtls = Annotated[
    bool,
    typer.Option(
        "--mesh-mtls",
        help="ISTIO_MUTUAL between sidecar and gateway, with workload certificates.",
        rich_help_panel=PATH,
    ),
]
LocustCsv = Annotated[
    Path | None,
    typer.Option(
        metavar="PREFIX", help="Locust's own CSV files; one set for each trial.", rich_help_panel=LOCUST
    ),
]
LocustHtml = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Locust's own HTML report; one for each trial.", rich_help_panel=LOCUST
    ),
]
WebUi = Annotated[
    bool,
    typer.Option(
        "--web-ui",
        help="Locust's web UI while load runs, on 127.0.0.1:8089.",
        rich_help_panel=LOCUST,
    ),
]
WebBind = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="Another address for the web UI; implies --web-ui.",
        rich_help_panel=LOCUST,
    ),
]
