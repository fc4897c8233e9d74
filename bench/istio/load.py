"""Folders and texts of YAML to trusted, typed resources: whatever is wrong is found here, all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError, Position
from bench.istio.collect import Collector
from bench.istio.documents import read_documents
from bench.istio.kinds import KINDS
from bench.istio.problem import InvalidResourcesError, Problem
from bench.istio.resource import Resources

NOT_ISTIO = frozenset({"scenario.yaml", "scenario.yml", "inventory.yaml", "inventory.yml"})
"""Files of this suite that may lie beside the Istio YAML."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, good or bad: for tools that go on where a benchmark must stop."""

    resources: Resources
    """Every resource that could be read, those that Istio refuses too."""
    problems: tuple[Problem, ...]
    """In the order of files and lines."""


def load_folder(path: Path) -> Resources:
    """Load every ``*.yaml`` and ``*.yml`` file in *path*, by name; not those in folders below it.

    Raises:
        InvalidResourcesError: something in the files is wrong; it names all of it.
        InputError: there is no such folder, a file cannot be read, or there is no Istio YAML in it.
    """
    resources = _trusted(survey_folder(path))
    if not any(KINDS[resource.kind].is_istio for resource in resources):
        kinds = ", ".join(name for name, kind in KINDS.items() if kind.is_istio)
        raise InputError(
            "there is no Istio resource in this folder.",
            where=str(path),
            remedy=f"Put YAML files with {kinds} there.",
        )
    return resources


def load_text(text: str, file: str) -> Resources:
    """Load YAML *text*; *file* is the name that messages use.

    Raises:
        InvalidResourcesError: something in the text is wrong; it names all of it.
    """
    return _trusted(survey_text(text, file))


def survey_folder(path: Path) -> Survey:
    """As :func:`load_folder`, but problems are returned and a folder without Istio YAML is none.

    Raises:
        InputError: there is no such folder, or a file cannot be read.
    """
    if not path.is_dir():
        raise InputError(
            "there is no such folder.", where=str(path), remedy="Name a folder with Istio YAML files."
        )
    collector = Collector()
    for file in sorted(path.iterdir()):
        if _is_read(file):
            text = _read(file, collector.report)
            if text is not None:
                _collect(text, str(file), collector)
        elif file.is_dir() and not file.name.startswith(".") and any(map(_is_read, file.iterdir())):
            collector.warnings.append(
                Problem(Position(str(file), 1), "this folder has YAML files, which are not read.")
            )
    return _survey(collector)


def survey_text(text: str, file: str) -> Survey:
    """As :func:`load_text`, but problems are returned."""
    collector = Collector()
    _collect(text, file, collector)
    return _survey(collector)


def _collect(text: str, file: str, collector: Collector) -> None:
    for document in read_documents(text, file, collector.report):
        collector.add(document)


def _survey(collector: Collector) -> Survey:
    problems = collector.problems
    files = {file: index for index, file in enumerate(dict.fromkeys(p.where.file for p in problems))}
    problems.sort(key=lambda problem: (files[problem.where.file], problem.where.line))
    return Survey(Resources(tuple(collector.resources), tuple(collector.warnings)), tuple(problems))


def _trusted(survey: Survey) -> Resources:
    if survey.problems:
        raise InvalidResourcesError(survey.problems)
    return survey.resources


def _is_read(file: Path) -> bool:
    is_yaml = file.suffix in (".yaml", ".yml") and not file.name.startswith(".")
    return is_yaml and file.name not in NOT_ISTIO and file.is_file()


def _read(file: Path, report: Callable[[Problem], None]) -> str | None:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", where=str(file)) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        where = Position(str(file), data.count(b"\n", 0, error.start) + 1)
        report(Problem(where, f"byte 0x{data[error.start]:02x} is no UTF-8.", "Save the file in UTF-8."))
        return None
