"""The folder of one node: configuration, pages, logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import StackError
from bench.placement import Address
from bench.stack.binaries import Binary
from bench.stack.nodes.config import ACCESS_LOG, render_node
from bench.stack.nodes.pages import ERROR_PAGE, welcome_page

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """Where one node's files lie."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.path / "nginx.conf"

    @property
    def log(self) -> Path:
        """What nginx says: its error log."""
        return self.path / "output.log"

    @property
    def access_log(self) -> Path:
        """One JSON object for each request, fields as in ``ACCESS_LOG_FIELDS``."""
        return self.path / ACCESS_LOG


def write_node(
    folder: NodeFolder,
    *,
    name: str,
    page: str,
    address: Address,
    certificates: Path,
    binary: Binary,
    seen: Path | None = None,
) -> None:
    """Write configuration and pages of one node.

    Args:
        folder: where to.
        name: of the node.
        page: the word on its welcome page.
        address: where it listens.
        certificates: folder with ``ca.crt``, ``server.crt`` and ``server.key``.
        binary: the nginx that will run.
        seen: the same folder as a node in a container sees it; None: the node is a process beside this one.

    Raises:
        StackError: certificates are missing, or a file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise StackError(
            f"{name!r} cannot name a node.", remedy="Use letters, digits, dots, dashes and underscores."
        )
    for needed in ("ca.crt", "server.crt", "server.key"):
        if not (certificates / needed).is_file():
            raise StackError(
                f"{name} needs {needed} and it is not there.",
                where=str(certificates),
                remedy="Write the certificates before the stack is started.",
            )
    pages = folder.path / "html"
    for needed_folder in (folder.path, pages, folder.path / "temp"):
        needed_folder.mkdir(mode=0o700)
    (pages / "index.html").write_text(welcome_page(page), encoding="utf-8")
    (pages / "50x.html").write_text(ERROR_PAGE, encoding="utf-8")
    folder.config.write_text(
        render_node(
            name=name,
            address=address,
            certificates=seen or certificates,
            binary=binary,
            is_contained=seen is not None,
        ),
        encoding="utf-8",
    )
