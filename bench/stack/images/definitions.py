"""The files in ``docker/``: image definitions and the hardened service prototypes."""

from __future__ import annotations

from pathlib import Path

import bench
from bench.errors import StackError

COMPOSE_FILE = "compose.yaml"


def definitions_folder() -> Path:
    """``docker/`` of a checkout, or its copy inside an installed package.

    Raises:
        StackError: neither is there.
    """
    package = Path(bench.__file__).resolve().parent
    for folder in (package.parent / "docker", package / "_docker"):
        if (folder / COMPOSE_FILE).is_file():
            return folder
    raise StackError(
        "the Compose file and the image definitions are not there.",
        where=str(package.parent / "docker"),
        remedy="Install egress-bench again.",
    )


def read_definition(name: str) -> str:
    """The text of one file in ``docker/``; errors as ``definitions_folder``."""
    path = definitions_folder() / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StackError(
            f"cannot be read: {error.strerror or error}.",
            where=str(path),
            remedy="Install egress-bench again.",
        ) from error
