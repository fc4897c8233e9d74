"""A folder with a scenario that can run: trusted, or refused with all that is wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import InputError, Position
from bench.istio.documents import Document
from bench.istio.registry import Registry, build_registry
from bench.istio.resource import Resources
from bench.scenario.folder import inventory_of
from bench.scenario.models import Scenario
from bench.scenario.places import place_of
from bench.scenario.read import read_folder


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario and the Istio resources that belong to it."""

    folder: Path
    scenario: Scenario
    resources: Resources
    document: Document = field(repr=False, compare=False)
    files: tuple[Path, ...] = ()
    """The Istio files that were read."""

    @property
    def istio_folder(self) -> Path:
        """Where the Istio YAML lies."""
        return self.folder / self.scenario.istio

    def position(self, *path: str | int) -> Position:
        """``file:line`` of a field of ``scenario.yaml``."""
        return place_of(self.document, path)

    def registry(self) -> Registry:
        """Unify the resources with the inventory, each with its lines.

        Raises:
            InputError: the inventory contradicts the resources.
        """
        return build_registry(
            self.resources,
            inventory_of(self.scenario),
            inventory_file=self.document.file,
            locate_fact=lambda index: self.position("inventory", "services", index),
        )

    def content_hash(self) -> str:
        """16 hex digits over the scenario and every Istio file: equal text, equal hash."""
        digest = hashlib.sha256()
        for path in (Path(self.document.file), *self.files):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]


def load_scenario(folder: Path) -> LoadedScenario:
    """Read the scenario in *folder* and its Istio resources.

    Raises:
        InputError: there is no scenario, or its files have faults; each with file and line.
    """
    read = read_folder(folder)
    read.require_readable()
    if read.scenario is None or read.document is None:
        raise InputError(
            "there is no scenario here.",
            where=str(folder),
            remedy="Name a folder with a scenario.yaml, such as scenarios/egress-mtls.",
        )
    read.require_resources()
    return LoadedScenario(folder, read.scenario, read.resources, read.document, read.survey.files)
