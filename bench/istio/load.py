"""Folders and texts of YAML to trusted, typed resources: whatever is wrong is found here, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError
from bench.istio.collect import Collector
from bench.istio.documents import read_documents
from bench.istio.files import find_files, read_text, shown
from bench.istio.kinds import KINDS
from bench.istio.problem import Code, InvalidResourcesError, Problem
from bench.istio.resource import Resources


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, good or bad: for tools that go on where a benchmark must stop."""

    resources: Resources
    """Every resource that could be read, those that Istio refuses too."""
    problems: tuple[Problem, ...]
    """In the order of files and lines."""
    files: tuple[Path, ...] = ()
    """What was read."""

    @property
    def unreadable(self) -> tuple[Problem, ...]:
        """The problems after which it is unknown what else the files hold."""
        return tuple(problem for problem in self.problems if problem.code is Code.UNREADABLE)

    @property
    def has_istio(self) -> bool:
        """Whether a resource of Istio was found, or one that was refused."""
        refused = any(problem.code is Code.REFUSED for problem in self.problems)
        return refused or any(KINDS[resource.kind].is_istio for resource in self.resources)


def load_folder(path: Path) -> Resources:
    """Load every YAML and JSON file in *path* and in the folders below it, by name.

    Raises:
        InvalidResourcesError: something in the files is wrong; it names all of it.
        InputError: there is no such folder, a file cannot be read, or there is no Istio YAML in it.
    """
    survey = survey_folder(path)
    resources = _trusted(survey)
    require_istio(survey, str(path))
    return resources


def require_istio(survey: Survey, where: str) -> None:
    """Stop where no resource of Istio was found, and none can be hidden in what is unreadable.

    Raises:
        InputError: there is none.
    """
    if not survey.has_istio and not survey.unreadable:
        kinds = ", ".join(name for name, kind in KINDS.items() if kind.is_istio)
        raise InputError(
            "there is no Istio resource here.",
            where=where,
            remedy=f"Name YAML with {kinds}.",
        )


def load_text(text: str, file: str) -> Resources:
    """Load YAML *text*; *file* is the name that messages use.

    Raises:
        InvalidResourcesError: something in the text is wrong; it names all of it.
    """
    return _trusted(survey_text(text, file))


def survey_folder(path: Path) -> Survey:
    """As :func:`load_folder`, but problems are returned and a folder without Istio YAML is allowed.

    Raises:
        InputError: there is no such folder, or a file cannot be read.
    """
    found = find_files(path)
    return survey_files(found.files, found.ignored)


def survey_files(
    files: Iterable[Path], ignored: Iterable[Problem] = (), texts: Mapping[Path, str] | None = None
) -> Survey:
    """Load *files*, ``-`` being standard input; *ignored* is what lies beside them and is not read.

    *texts* has what of them is read already.

    Raises:
        InputError: a file cannot be read.
    """
    collector = Collector()
    collector.warnings += ignored
    files = tuple(files)
    for file in files:
        try:
            text = texts[file] if texts is not None and file in texts else read_text(file)
        except InvalidResourcesError as error:
            collector.problems += error.problems
        else:
            _collect(text, shown(file), collector)
    return _survey(collector, files)


def survey_text(text: str, file: str) -> Survey:
    """As :func:`load_text`, but problems are returned."""
    collector = Collector()
    _collect(text, file, collector)
    return _survey(collector)


def _collect(text: str, file: str, collector: Collector) -> None:
    for document in read_documents(text, file, collector.report):
        collector.add(document)


def _survey(collector: Collector, files: tuple[Path, ...] = ()) -> Survey:
    problems = collector.problems
    order = {file: index for index, file in enumerate(dict.fromkeys(p.where.file for p in problems))}
    problems.sort(key=lambda problem: (order[problem.where.file], problem.where.line))
    return Survey(Resources(tuple(collector.resources), tuple(collector.warnings)), tuple(problems), files)


def _trusted(survey: Survey) -> Resources:
    if survey.problems:
        raise InvalidResourcesError(survey.problems)
    return survey.resources
