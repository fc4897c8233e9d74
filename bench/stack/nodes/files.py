"""The folder of one node: configuration, pages, logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import StackError
from bench.placement import Address
from bench.stack.binaries import Binary
from bench.stack.nodes.answers import write_answers
from bench.stack.nodes.config import ACCESS_LOG, render_node
from bench.stack.nodes.pages import ERROR_PAGE, welcome_page
from bench.stack.protocol import NodeSpec

_NAME = re.compile(r"[A-Za-z0-9._-]+")
CERTIFICATE_FILES = ("ca.crt", "server.crt", "server.key")


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """Where one node's files lie."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.path / "nginx.conf"

    @property
    def server(self) -> Path:
        """The link to the folder with the node's certificate and key."""
        return self.path / "server"

    @property
    def trust(self) -> Path:
        """The link to the folder with the authority of its clients."""
        return self.path / "trust"

    def serve_with(self, certificates: Path) -> None:
        """Point ``server`` to another folder, by one rename; nginx reads it at its next reload."""
        fresh = self.path / "server.new"
        fresh.symlink_to(certificates)
        fresh.replace(self.server)

    @property
    def log(self) -> Path:
        """What nginx says: its error log."""
        return self.path / "output.log"

    @property
    def access_log(self) -> Path:
        """One JSON object for each request, fields as in ``ACCESS_LOG_FIELDS``."""
        return self.path / ACCESS_LOG


def files_needed(node: NodeSpec) -> tuple[str, ...]:
    """Names of the files that a node with TLS finds in its folder of certificates."""
    ticket_key = node.tls_options.ticket_key
    return (*CERTIFICATE_FILES, *((ticket_key,) if ticket_key is not None else ()))


def write_node(
    folder: NodeFolder,
    node: NodeSpec,
    *,
    address: Address,
    certificates: Path,
    binary: Binary,
    seen: str | None = None,
) -> None:
    """Write configuration and pages of one node.

    Args:
        folder: where to.
        node: what it is.
        address: where it listens.
        certificates: folder with ``ca.crt``, ``server.crt`` and ``server.key``.
        binary: the nginx that will run.
        seen: the folder in which a node in a container finds these files; None: the node is a process beside
            this one.

    Raises:
        StackError: certificates are missing, or a file cannot be written.
    """
    require_name(node.name)
    require_certificates(node, certificates)
    pages = folder.path / "html"
    for needed_folder in (folder.path, pages, folder.path / "temp"):
        needed_folder.mkdir(mode=0o700)
    (pages / "index.html").write_text(welcome_page(node.page), encoding="utf-8")
    (pages / "50x.html").write_text(ERROR_PAGE, encoding="utf-8")
    write_answers(folder.path, node.behaviour, node.page)
    if seen is None:
        # By links of our own: nginx would read signs in the path of a folder as its own syntax.
        folder.serve_with(certificates)
        folder.trust.symlink_to(certificates)
    folder.config.write_text(
        render_node(
            name=node.name,
            address=address,
            tls=node.tls,
            server=seen or folder.server.name,
            trust=seen or folder.trust.name,
            binary=binary,
            is_contained=seen is not None,
            options=node.tls_options,
            behaviour=node.behaviour,
        ),
        encoding="utf-8",
    )


def require_name(name: str) -> None:
    """Raise ``StackError`` unless *name* can name a node: it stands in configurations and file names."""
    if not _NAME.fullmatch(name):
        raise StackError(
            f"{name!r} cannot name a node.", remedy="Use letters, digits, dots, dashes and underscores."
        )


def require_certificates(node: NodeSpec, certificates: Path) -> None:
    """Raise ``StackError`` unless all that *node* serves with lies in the folder."""
    for needed in files_needed(node) if node.tls != "none" else ():
        if not (certificates / needed).is_file():
            raise StackError(
                f"{node.name} needs {needed} and it is not there.",
                where=str(certificates),
                remedy="Write the certificates before the stack is started.",
            )
