"""A folder of Istio YAML with what belongs to it, good or bad, for ``check`` and ``explain``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import InputError, Position
from bench.istio.decode import decode
from bench.istio.documents import Document, read_documents
from bench.istio.inventory import Inventory
from bench.istio.kinds import KINDS
from bench.istio.load import Survey, survey_folder
from bench.istio.problem import Path as FieldPath
from bench.istio.problem import Problem, path_text
from bench.istio.registry import Registry, build_registry

SCENARIO_FILES = ("scenario.yaml", "scenario.yml")
INVENTORY_FILES = ("inventory.yaml", "inventory.yml")
_ISTIO = "istio"
"""Folder of the YAML beside a ``scenario.yaml`` that names no other."""


@dataclass(frozen=True, slots=True)
class InspectedFolder:
    """What a folder holds."""

    folder: Path
    survey: Survey
    inventory: Inventory | None
    inventory_file: str
    locate_fact: Callable[[int], Position] | None
    """Finds the line of each Service of the inventory."""
    connections: int | None
    """What the planned load keeps busy; ``None`` without a plan."""

    def registry(self, inventory: Inventory) -> Registry:
        """Unify the resources with *inventory*, the one of this folder, and the lines of its Services."""
        return build_registry(
            self.survey.resources,
            inventory,
            inventory_file=self.inventory_file,
            locate_fact=self.locate_fact,
        )


def inspect_folder(folder: Path) -> InspectedFolder:
    """Read the resources in *folder*, and the inventory beside them.

    The inventory is ``inventory.yaml``, or the part ``inventory`` of a ``scenario.yaml``, in *folder* or,
    when *folder* is the ``istio`` of a scenario, above it.

    Raises:
        InputError: there is no such folder, nothing of Istio in it, or a file that cannot be read at all.
    """
    if not folder.is_dir():
        raise InputError(
            "there is no such folder.", where=str(folder), remedy="Name a folder with Istio YAML files."
        )
    scenario = _first(folder, SCENARIO_FILES)
    alone = _first(folder, INVENTORY_FILES)
    yaml_folder = folder
    if scenario is not None:
        document = _only_document(scenario)
        named = folder / str(document.data.get(_ISTIO, _ISTIO))
        yaml_folder = named if named.is_dir() else folder
    elif alone is None:
        above = _first(folder.parent, SCENARIO_FILES)
        if above is not None:
            data = _only_document(above).data
            scenario = above if folder.parent / str(data.get(_ISTIO, _ISTIO)) == folder else None
    found = survey_folder(yaml_folder)
    _refuse_unreadable(found, yaml_folder)
    if alone is not None:
        document = _only_document(alone)
        return InspectedFolder(
            folder, found, _inventory(document, ()), str(alone), _facts(document, ()), None
        )
    if scenario is None:
        return InspectedFolder(folder, found, None, "", None, None)
    document = _only_document(scenario)
    root: FieldPath = ("inventory",)
    return InspectedFolder(
        folder,
        found,
        _inventory(document, root),
        str(scenario),
        _facts(document, root),
        _connections(document.data),
    )


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _refuse_unreadable(found: Survey, folder: Path) -> None:
    """Stop at what is no YAML or no resource at all: a finding would have nothing to stand at."""
    unreadable = [problem for problem in found.problems if not problem.resource]
    if unreadable:
        _raise(unreadable)
    if not any(KINDS[resource.kind].is_istio for resource in found.resources) and not found.problems:
        kinds = ", ".join(name for name, kind in KINDS.items() if kind.is_istio)
        raise InputError(
            "there is no Istio resource in this folder.",
            where=str(folder),
            remedy=f"Put YAML files with {kinds} there.",
        )


def _raise(problems: list[Problem]) -> None:
    if len(problems) == 1:
        raise InputError(problems[0].what, where=problems[0].where, remedy=problems[0].remedy)
    lines = "\n".join(f"  {problem}" for problem in problems)
    raise InputError(f"{len(problems)} problems in the YAML:\n{lines}")


def _only_document(path: Path) -> Document:
    problems: list[Problem] = []
    try:
        documents = list(read_documents(path.read_text(encoding="utf-8"), str(path), problems.append))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error}).", where=str(path), remedy="Save it in UTF-8.") from error
    if problems:
        _raise(problems)
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        raise InputError("this is no single YAML object.", where=str(path), remedy="Write one document.")
    return documents[0]


def _inventory(document: Document, root: FieldPath) -> Inventory:
    data = document.data
    for step in root:
        if not isinstance(data, dict) or step not in data:
            raise InputError(
                f"there is no {step}.",
                where=document.position(),
                remedy="Name the proxies and the semantics there.",
            )
        data = data[step]
    decoded = decode(Inventory, data, root)
    if isinstance(decoded, Inventory):
        return decoded
    assert isinstance(decoded, list)  # noqa: S101 - the other half of decode's return type
    _raise(
        [
            Problem(document.position(fault.path), f"{path_text(fault.path)} {fault.what}", fault.remedy)
            for fault in decoded
        ]
    )
    raise AssertionError


def _facts(document: Document, root: FieldPath) -> Callable[[int], Position]:
    return lambda index: document.position((*root, "services", index))


def _connections(data: dict[str, Any]) -> int | None:
    traffic = data.get("traffic")
    connections = traffic.get("connections") if isinstance(traffic, dict) else None
    count = connections.get("count") if isinstance(connections, dict) else None
    return count if isinstance(count, int) else None
