"""The one reader of a folder: Istio YAML and what belongs to it, for every command.

A folder is read in one of three forms: with a ``scenario.yaml`` (its Istio YAML is where ``istio`` says),
with an ``inventory.yaml`` beside the Istio YAML, or with Istio YAML alone, which then says by itself which
proxies there are (:mod:`bench.scenario.assumed`). The ``istio`` folder of a scenario
may be named itself: then the scenario above it belongs to it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.collection import collection_paused
from bench.errors import InputError, Position
from bench.istio.decode import FieldFault, decode
from bench.istio.documents import Document, read_documents
from bench.istio.files import INVENTORY_FILES, SCENARIO_FILES, STDIN, find_files, read_text
from bench.istio.inventory import Inventory
from bench.istio.load import Survey, require_istio, survey_files
from bench.istio.problem import Code, InvalidResourcesError, Problem
from bench.scenario.assumed import assume_inventory
from bench.scenario.folder import Folder, credential_files, inventory_of
from bench.scenario.models import Scenario
from bench.scenario.places import place_of

_ISTIO = "istio"
_LONGEST_LINK = 4096
"""Bytes of a path."""


def read_folder(path: Path) -> Folder:
    """Read the folder at *path*: Istio resources, and the scenario or the inventory beside them.

    Raises:
        InputError: there is no such folder, nothing of Istio in it, or a file that cannot be opened.
    """
    return read_sources([path])


@collection_paused()
def read_sources(paths: Sequence[Path], texts: Mapping[Path, str] | None = None) -> Folder:
    """Read folders and files together, as resources of one mesh; ``-`` is standard input.

    *texts* has what is read already, since standard input can be read once.

    Raises:
        InputError: one of *paths* does not exist, nothing of Istio is in them, two of them have a scenario or
            an inventory, or a file cannot be opened.
    """
    files: list[Path] = []
    ignored: list[Problem] = []
    surroundings: list[Path] = []
    istio: Path | None = None
    for path in paths:
        if path == STDIN or not path.is_dir():
            _require_file(path)
            (surroundings if path.name in (*SCENARIO_FILES, *INVENTORY_FILES) else files).append(path)
            continue
        beside = _beside(path)
        surroundings += [] if beside is None else [beside]
        istio = _istio_folder(path, beside)
        if istio.is_file():
            files.append(istio)
            continue
        found = find_files(istio)
        files += found.files
        ignored += found.ignored
        if not found.files and found.others:
            raise InputError(
                f"there are {len(found.others)} folders with a scenario or an inventory here, and no YAML "
                "beside them.",
                where=str(path),
                remedy=f"Name one of them, such as {found.others[0]}.",
            )
    if len(set(surroundings)) > 1:
        raise _two(surroundings)
    survey = survey_files(_once(files), ignored, texts)
    first = paths[0]
    if surroundings:
        return _with_surroundings(first, survey, surroundings[0], istio)
    require_istio(survey, str(first) if first != STDIN else "stdin")
    assumed = assume_inventory(survey.resources, credential_files)
    return Folder(first, survey, inventory=assumed.inventory, istio=istio, assumed=assumed)


def _require_file(path: Path) -> None:
    if path != STDIN and not path.exists() and not path.is_symlink():
        raise InputError(
            "there is no such folder.", where=str(path), remedy="Name a folder with Istio YAML files."
        )


def _once(files: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(files))


def _beside(folder: Path) -> Path | None:
    """Find the file that says which proxies exist: in *folder*, or above it when it is a scenario's own.

    Raises:
        InputError: there are two.
    """
    names = (*SCENARIO_FILES, *INVENTORY_FILES)
    here = [folder / name for name in names if _lies(folder / name)]
    if len(here) > 1:
        raise _two(here)
    if here:
        return here[0]
    above = [folder.parent / name for name in SCENARIO_FILES if (folder.parent / name).is_file()]
    if len(above) != 1:
        return None
    named = _named_istio(above[0])
    return above[0] if _is_same(folder.parent / named, folder) else None


def _lies(path: Path) -> bool:
    # A pipe or a broken link of this name is an error to be reported, not a folder without scenario.
    return path.is_symlink() or (path.exists() and not stat.S_ISDIR(path.stat().st_mode))


def _is_same(one: Path, two: Path) -> bool:
    return one.is_dir() and one.samefile(two)


def _two(files: Sequence[Path]) -> InputError:
    return InputError(
        f"{files[1]} says which proxies exist, too.",
        where=str(files[0]),
        remedy="Keep one of the two: a scenario.yaml has an inventory of its own.",
    )


def _named_istio(scenario: Path) -> str:
    try:
        document = _only_document(scenario)
    except InputError:
        return _ISTIO
    return str(document.data.get(_ISTIO, _ISTIO)) if isinstance(document.data, dict) else _ISTIO


def _istio_folder(folder: Path, beside: Path | None) -> Path:
    """Give the folder of the Istio YAML, or the one file of it.

    Raises:
        InputError: the scenario names one that does not exist, or a file that is but the text of a link.
    """
    if beside is None or beside.name not in SCENARIO_FILES or beside.parent != folder:
        return folder
    named = folder / _named_istio(beside)
    if named.is_dir():
        return named
    if not named.is_file():
        raise InputError(
            f"the folder of Istio YAML, {named}, does not exist.",
            where=_only_document(beside).position((_ISTIO,)),
            remedy="Put the YAML there, or name its folder in istio.",
        )
    link = _link_in(named)
    if link is None:
        return named
    if not (named.parent / link).exists():
        raise InputError(
            f"this is not YAML: it has only the words {link}, as Git writes a symbolic link where there are"
            " none, and nothing is there.",
            where=str(named),
            remedy="Put the YAML there, or name its folder in istio of scenario.yaml.",
        )
    return named.parent / link


def _link_in(file: Path) -> str | None:
    """Give the path that is all that *file* has: a symbolic link as Git writes it where there are none."""
    if file.stat().st_size > _LONGEST_LINK:
        return None
    text = read_text(file).strip()
    is_path = "/" in text and not any(sign in text for sign in "\n:{ ")
    return text if is_path else None


def _with_surroundings(path: Path, survey: Survey, file: Path, istio: Path | None) -> Folder:
    try:
        document = _only_document(file)
    except InvalidResourcesError as error:
        return Folder(path, survey, istio=istio, faults=error.problems)
    if file.name in SCENARIO_FILES:
        decoded = decode(Scenario, document.data, ())
        if isinstance(decoded, Scenario):
            require_istio(survey, str(istio or path))
            return Folder(path, survey, decoded, inventory_of(decoded), document, istio)
    else:
        decoded = decode(Inventory, document.data, ())
        if isinstance(decoded, Inventory):
            require_istio(survey, str(istio or path))
            return Folder(path, survey, None, decoded, document, istio)
    assert isinstance(decoded, list)  # noqa: S101 - the other half of decode's return type
    faults = tuple(_as_problems(document, decoded))
    return Folder(path, survey, document=document, istio=istio, faults=faults)


def _only_document(path: Path) -> Document:
    """Read a file that is one YAML object.

    Raises:
        InvalidResourcesError: it is not; the faults are those of the text.
        InputError: it cannot be opened.
    """
    problems: list[Problem] = []
    documents = list(read_documents(read_text(path), str(path), problems.append))
    if not problems and len(documents) != 1:
        where = documents[1].position() if len(documents) > 1 else Position(str(path), 1)
        what = f"this file is one YAML document; there are {len(documents)} here."
        problems = [Problem(where, what, "Write one document.", code=Code.UNREADABLE)]
    if not problems and not isinstance(documents[0].data, dict):
        what = "this is not a single YAML object."
        problems = [Problem(documents[0].position(), what, "Write one document.", code=Code.UNREADABLE)]
    if problems:
        raise InvalidResourcesError(problems)
    return documents[0]


def _as_problems(document: Document, faults: Sequence[FieldFault]) -> Iterator[Problem]:
    for fault in faults:
        where = place_of(document, fault.path)
        yield Problem(where, fault.text, fault.remedy, code=Code.UNREADABLE)
