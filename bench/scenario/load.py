"""A scenario folder to a trusted scenario: ``scenario.yaml`` and the Istio YAML that it names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import InputError, Position
from bench.istio.decode import FieldFault, decode
from bench.istio.documents import Document, read_documents
from bench.istio.load import load_folder
from bench.istio.problem import Problem, path_text
from bench.istio.resource import Resources
from bench.scenario.models import Scenario

SCENARIO_FILE = "scenario.yaml"
_PYDANTIC_PREFIX = "Value error, "


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario and the Istio resources that belong to it."""

    folder: Path
    scenario: Scenario
    resources: Resources
    document: Document = field(repr=False, compare=False)

    @property
    def istio_folder(self) -> Path:
        """Where the Istio YAML lies."""
        return self.folder / self.scenario.istio

    def position(self, *path: str | int) -> Position:
        """``file:line`` of a field of ``scenario.yaml``."""
        return self.document.position(path)

    def content_hash(self) -> str:
        """16 hex digits over ``scenario.yaml`` and every Istio file: equal text, equal hash."""
        digest = hashlib.sha256()
        for path in (self.folder / SCENARIO_FILE, *sorted(self.istio_folder.glob("*.y*ml"))):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]


def load_scenario(folder: Path) -> LoadedScenario:
    """Read the scenario in *folder* and its Istio resources.

    Raises:
        InputError: there is no scenario, or its files have faults; each with file and line.
    """
    path = folder / SCENARIO_FILE
    if not path.is_file():
        raise InputError(
            "there is no scenario here.",
            where=str(path),
            remedy="Name a folder with a scenario.yaml, such as scenarios/egress-mtls.",
        )
    document = _document(path)
    scenario = _scenario(document)
    istio = folder / scenario.istio
    if not istio.is_dir():
        raise InputError(
            f"the folder of Istio YAML, {istio}, does not exist.",
            where=document.position(("istio",)),
            remedy="Put the YAML there, or name its folder in istio.",
        )
    return LoadedScenario(folder, scenario, load_folder(istio), document)


def _document(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error}).", where=str(path), remedy="Save it in UTF-8.") from error
    problems: list[Problem] = []
    documents = list(read_documents(text, str(path), problems.append))
    if problems:
        raise InputError(problems[0].what, where=problems[0].where, remedy=problems[0].remedy)
    if len(documents) != 1:
        raise InputError(
            f"a scenario is one YAML document; there are {len(documents)} here.",
            where=documents[1].position() if len(documents) > 1 else str(path),
            remedy="See scenarios/egress-mtls/scenario.yaml for the form.",
        )
    return documents[0]


def _scenario(document: Document) -> Scenario:
    decoded = decode(Scenario, document.data, ())
    if isinstance(decoded, Scenario):
        return decoded
    assert isinstance(decoded, list)  # noqa: S101 - the other half of decode's return type
    problems = [Problem(document.position(fault.path), _sentence(fault), fault.remedy) for fault in decoded]
    if len(problems) == 1:
        raise InputError(problems[0].what, where=problems[0].where, remedy=problems[0].remedy)
    lines = "\n".join(f"  {problem}" for problem in problems)
    raise InputError(f"{len(problems)} problems in the scenario:\n{lines}")


def _sentence(fault: FieldFault) -> str:
    what = fault.what.removeprefix(_PYDANTIC_PREFIX)
    return f"{path_text(fault.path)} {what}".strip() if what == fault.what else what
