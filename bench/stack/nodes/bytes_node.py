"""A node without HTTP as a process: its settings, and the command that runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.stack.nodes.bytes_server import Settings
from bench.stack.nodes.files import NodeFolder, require_certificates, require_name
from bench.stack.protocol import NodeSpec

_MODULE = "bench.stack.nodes.bytes_server"


def write_bytes_node(folder: NodeFolder, node: NodeSpec, certificates: Path, descriptor: int) -> None:
    """Write what the server of *node* reads; it inherits its listening socket as *descriptor*.

    Raises:
        StackError: certificates are missing, or the name is none.
    """
    _make(folder, node, certificates)
    if not folder.server.is_symlink():
        folder.serve_with(certificates)
        folder.trust.symlink_to(certificates)
    Settings(
        name=node.name,
        access_log=str(folder.access_log),
        descriptor=descriptor,
        greets=node.behaviour.greets,
        server=str(folder.server) if node.tls != "none" else None,
        trust=str(folder.trust) if node.tls == "mutual" else None,
    ).write(folder.config)


def write_contained_bytes_node(
    folder: NodeFolder, node: NodeSpec, certificates: Path, *, port: int, seen: NodeFolder, keys: str
) -> None:
    """Write the same for a server in a container, which sees the folder as *seen* and opens *port* itself.

    Args:
        folder: here.
        node: what it is.
        certificates: to be copied into *keys*.
        port: that it listens on.
        seen: the folder there.
        keys: where it finds certificates and key.

    Raises:
        StackError: as ``write_bytes_node``.
    """
    _make(folder, node, certificates)
    Settings(
        name=node.name,
        access_log=str(seen.access_log),
        port=port,
        greets=node.behaviour.greets,
        server=keys if node.tls != "none" else None,
        trust=keys if node.tls == "mutual" else None,
    ).write(folder.config)


def _make(folder: NodeFolder, node: NodeSpec, certificates: Path) -> None:
    require_name(node.name)
    require_certificates(node, certificates)
    folder.path.mkdir(mode=0o700, exist_ok=True)


def bytes_command(folder: NodeFolder, python: str = sys.executable) -> list[str]:
    """The command that runs it in the foreground."""
    return [python, "-m", _MODULE, str(folder.config)]


def code_path() -> dict[str, str]:
    """The environment in which Python finds this suite, wherever it is started."""
    return {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
