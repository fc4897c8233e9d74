"""How Locust is called: the one place that builds its command and its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import bench
from bench import contained
from bench.load.variables import Variable

Role = Literal["coordinator", "worker"]

_SOURCE: Final = Path(bench.__file__).resolve().parent
_LOCUSTFILE: Final = "load/locust/entry/locustfile.py"
_ENDS: Final[Mapping[Role, tuple[tuple[Variable, ...], tuple[Variable, ...]]]] = {
    "coordinator": ((Variable.LIFELINE, Variable.CONTROL), (Variable.EVENTS,)),
    "worker": ((Variable.LIFELINE,), ()),
}
"""What comes in by standard input and goes out by standard output, where there is nothing else."""


def locust_arguments(options: Sequence[str], *, source: str = str(_SOURCE)) -> list[str]:
    """Python's arguments for a Locust that drives our plans, with Locust's own *options*.

    *source* is the folder of this suite's code where it runs.
    """
    return ["-m", "locust", "-f", f"{source}/{_LOCUSTFILE}", "--loglevel", "WARNING", *options]


def locust_command(options: Sequence[str]) -> list[str]:
    """The same as a command of this machine."""
    return [sys.executable, *locust_arguments(options)]


def contained_arguments(role: Role, options: Sequence[str]) -> list[str]:
    """Python's arguments for a Locust at another place, tied to this one by its standard streams."""
    into, out_of = (",".join(names) for names in _ENDS[role])
    return ["-m", contained.__name__, into, out_of, *locust_arguments(options, source=contained.SOURCE)]


def locust_environment(variables: Mapping[Variable, str | int]) -> dict[str, str]:
    """This process's environment without what would change Locust, and with *variables*."""
    environment = {
        # Locust reads LOCUST_* variables as options; those of the user's shell are not for this run.
        **{name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_SOURCE.parent), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
    }
    for variable in Variable:
        environment.pop(variable, None)
    return environment | {str(variable): str(value) for variable, value in variables.items()}
