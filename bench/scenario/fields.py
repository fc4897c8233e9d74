"""Single fields of a scenario set by their path, as ``compare`` and other what-ifs say it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from bench.errors import InputError
from bench.istio.decode import decode
from bench.scenario.load import LoadedScenario
from bench.scenario.models import Scenario


def with_fields(loaded: LoadedScenario, fields: Mapping[str, str]) -> LoadedScenario:
    """Set fields of a scenario, such as ``traffic.connections.count`` to ``64``.

    Args:
        loaded: as read.
        fields: dotted path -> value as YAML writes it. A field that is not written in the scenario is set
            in place of its default.

    Raises:
        InputError: there is no such field, or the value is not possible.
    """
    if not fields:
        return loaded
    data = loaded.scenario.model_dump(by_alias=True)
    for path, value in fields.items():
        _set(data, path, _read(path, value))
    decoded = decode(Scenario, data, ())
    if isinstance(decoded, Scenario):
        return replace(loaded, scenario=decoded)
    first = decoded[0] if isinstance(decoded, list) else None
    names = " and ".join(f"{path}={value}" for path, value in fields.items())
    raise InputError(
        f"{names}: {first.text if first is not None else 'not possible'}.",
        remedy="`egress-bench schema scenario` lists every field with what it may hold.",
    )


def _read(path: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}={value}: the value is not YAML.", remedy="Quote it as in scenario.yaml."
        ) from error


def _set(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    place: Any = data
    for depth, name in enumerate(parents):
        if isinstance(place, dict) and place.get(name) is None and name in place:
            # A part that the scenario leaves out, such as `handshake`.
            place[name] = {}
        place = _step(place, name, ".".join(parents[: depth + 1]))
    if isinstance(place, dict):
        place[last] = value
    else:
        place[_index(place, last, path)] = value


def _step(place: Any, name: str, path: str) -> Any:
    if isinstance(place, dict):
        if name in place:
            return place[name]
        near = difflib.get_close_matches(name, [str(key) for key in place], 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(map(str, place)) or 'none'}."
        raise InputError(f"{path}: the scenario has no such field.", remedy=hint)
    return place[_index(place, name, path)]


def _index(place: Any, name: str, path: str) -> int:
    if isinstance(place, list | tuple) and name.isdecimal() and int(name) < len(place):
        return int(name)
    raise InputError(f"{path}: the scenario has no such field.", remedy="Items of lists are counted from 0.")
