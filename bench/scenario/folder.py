"""What a folder says, good or bad: one answer for every command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import InputError, Position
from bench.istio.documents import Document
from bench.istio.inventory import CredentialFiles, Inventory
from bench.istio.load import Survey
from bench.istio.problem import InvalidResourcesError, Problem
from bench.istio.problem import Path as FieldPath
from bench.istio.registry import Registry, build_registry
from bench.istio.resource import Resources
from bench.scenario.assumed.kinds import Assumed
from bench.scenario.models import Scenario
from bench.scenario.places import place_of

INVENTORY = "inventory"
"""The part of a scenario that an ``inventory.yaml`` has alone."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What was named on the command line, read: good or bad."""

    path: Path
    """The folder, or the first of several things that were named."""
    survey: Survey
    scenario: Scenario | None = None
    inventory: Inventory | None = None
    """That of the scenario, with the workload certificates that its ``tls`` names, or that of an
    ``inventory.yaml``, else what :attr:`assumed` says; None where it has faults."""
    document: Document | None = field(default=None, repr=False, compare=False)
    """The text of the scenario, or of the inventory."""
    istio: Path | None = None
    """The folder of the Istio YAML."""
    assumed: Assumed | None = None
    """What represents an inventory that was not written; None where one is written."""
    faults: tuple[Problem, ...] = ()
    """What is wrong with scenario or inventory."""

    @property
    def root(self) -> Path:
        """The folder of the scenario or the inventory: what names of files in it are relative to."""
        return Path(self.document.file).parent if self.document is not None else self.path

    @property
    def resources(self) -> Resources:
        """The Istio resources that could be read."""
        return self.survey.resources

    @property
    def unreadable(self) -> tuple[Problem, ...]:
        """The faults that leave open what the folder says: of syntax, of scenario, of inventory."""
        return (*self.faults, *self.survey.unreadable)

    @property
    def assumption_texts(self) -> tuple[str, ...]:
        """What was assumed of proxies, for people; nothing where an inventory is written."""
        return () if self.assumed is None else tuple(f"assumed: {each}" for each in self.assumed.assumptions)

    @property
    def inventory_root(self) -> FieldPath:
        """The way to the inventory in :attr:`document`."""
        return (INVENTORY,) if self.scenario is not None else ()

    def position(self, *path: str | int) -> Position:
        """``file:line`` of a field of the scenario, or of the inventory."""
        return place_of(self.document, path) if self.document is not None else Position(str(self.path), 1)

    def inventory_position(self, *path: str | int) -> Position:
        """``file:line`` of a field of the inventory, in whichever file it is."""
        return self.position(*self.inventory_root, *path)

    def require_readable(self) -> None:
        """Stop at what cannot be read.

        Raises:
            InputError: a file has faults; it names all of them.
        """
        refuse(self.unreadable, "problems")

    def require_resources(self) -> None:
        """Stop at whatever is wrong in the files.

        Raises:
            InputError: a file has faults, or a cluster would refuse a resource; it names all of them.
        """
        self.require_readable()
        if self.survey.problems:
            raise InvalidResourcesError(self.survey.problems)

    def require_inventory(self) -> Inventory:
        """Give the inventory.

        Raises:
            InputError: the one that is written has faults.
        """
        if self.inventory is None:
            refuse(self.unreadable, "problems")
            raise InputError("there is no inventory.", where=str(self.path), remedy="Correct the file.")
        return self.inventory

    def registry(self) -> Registry:
        """Unify resources and inventory, with the lines of the Services that the inventory adds.

        Raises:
            InputError: there is no inventory, or it contradicts the resources.
        """
        inventory = self.require_inventory()
        return build_registry(
            self.resources,
            inventory,
            inventory_file=self.inventory_position().file,
            locate_fact=self._fact_position,
        )

    def _fact_position(self, index: int) -> Position:
        if self.assumed is not None:
            return self.assumed.services[index]
        return self.inventory_position("services", index)


def inventory_of(scenario: Scenario) -> Inventory:
    """Give the scenario's inventory with the names of the certificates that the suite makes."""
    made: dict[str, object] = {}
    if scenario.tls.workload is not None:
        made["workload"] = scenario.tls.workload
    if scenario.tls.credentials:
        written = {name: credential_files(name) for name in scenario.tls.credentials}
        made["credentials"] = {**scenario.inventory.credentials, **written}
    return scenario.inventory.model_copy(update=made) if made else scenario.inventory


def credential_files(name: str) -> CredentialFiles:
    """Name the files of a credential, as a Secret's keys are named."""
    root = f"credential/{name}"
    return CredentialFiles(certificate=f"{root}/tls.crt", privateKey=f"{root}/tls.key", ca=f"{root}/ca.crt")


def refuse(problems: Sequence[Problem], what: str) -> None:
    """Raise one error that names every one of *problems*, if there is any.

    Raises:
        InputError: there is one.
    """
    if len(problems) == 1:
        raise InputError(problems[0].sentence, where=problems[0].where, remedy=problems[0].remedy)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise InputError(f"{len(problems)} {what} in the files:\n{lines}")
