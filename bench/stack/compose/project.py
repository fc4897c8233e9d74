"""One Compose project: bring it up on free subnets, list its containers, leave nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence

from docker import DockerClient

from bench.errors import StackError
from bench.placement import Placement
from bench.stack.compose.command import Compose, compose_environment, is_subnet_clash, up_error
from bench.stack.compose.composefile import write_compose_file
from bench.stack.compose.containers import containers_of, is_alive
from bench.stack.compose.layout import Layout, lay_out
from bench.stack.compose.services import StackFolders, services_of
from bench.stack.compose.subnets import choose_subnets
from bench.stack.compose.writing import write_stack
from bench.stack.engine import FOLDER_LABEL, OWNER_LABEL, RUN_LABEL, sweep
from bench.stack.images import ImageSet
from bench.stack.protocol import StackSpec
from bench.stack.runs import RunFolder, mark_containers

_ATTEMPTS = 3
"""Somebody else may take a subnet between the look and the start."""
_PATIENCE_S = 120.0


class Project:
    """All containers and networks of one run, known by their label."""

    def __init__(self, name: str, folder: RunFolder, engine: DockerClient, compose: Compose) -> None:
        self.name = name
        self.engine = engine
        """What the containers run on."""
        self.folders = StackFolders(folder.path)
        self._folder = folder
        self._compose = compose
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """Names and addresses."""
        if self._layout is None:
            raise StackError(f"project {self.name} is not up.")
        return self._layout

    def up(self, spec: StackSpec, images: ImageSet) -> dict[str, Placement]:
        """Write all files and start all containers; proxy -> the placement of its files.

        Raises:
            StackError: Compose cannot start it, or no subnet is free.
            OSError: a file cannot be written.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            mesh, external = choose_subnets(self.engine)
            layout = self._layout = lay_out(spec, self.name, mesh, external)
            mark_containers(self._folder, self.name)
            placements = write_stack(spec, layout, images, self.folders)
            self._write_compose_file(spec, layout, images)
            scale = {pod.worker: spec.workers if spec.workers > 1 else 0 for pod in layout.pods.values()}
            code, said = self._run(self._compose.up(self.name, self.folders.compose_file, scale))
            if code == 0:
                return placements
            if attempt == _ATTEMPTS or not is_subnet_clash(said):
                raise up_error(said)
            self.sweep()
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def containers(self) -> dict[str, Sequence[str]]:
        """Service -> ids of its containers, by number; raises ``StackError`` if no engine answers."""
        listed = containers_of(self.engine, self.name)
        return {service: [each["Id"] for each in several] for service, several in listed.items()}

    def alive(self) -> frozenset[str]:
        """Ids of the containers that run or are paused; errors as ``containers``."""
        listed = containers_of(self.engine, self.name)
        return frozenset(each["Id"] for several in listed.values() for each in several if is_alive(each))

    def sweep(self) -> None:
        """Remove whatever is left; raises ``StackError`` if something cannot be removed."""
        if self._layout is not None:
            sweep(self.engine, self.name)

    def _run(self, command: Sequence[str]) -> tuple[int | None, str]:
        return self._compose.run(
            command, self._folder, timeout_s=_PATIENCE_S, environment=compose_environment()
        )

    def _write_compose_file(self, spec: StackSpec, layout: Layout, images: ImageSet) -> None:
        labels = {
            RUN_LABEL: self.name,
            FOLDER_LABEL: str(self._folder.path),
            OWNER_LABEL: str(os.getuid()),
        }
        services = list(services_of(spec, layout, images, self.folders))
        write_compose_file(self.folders.compose_file, layout, services, labels)
