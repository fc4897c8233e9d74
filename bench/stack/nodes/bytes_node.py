"""A node without HTTP as a process: its settings, and the command that runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.stack.nodes.bytes_server import Settings
from bench.stack.nodes.files import NodeFolder, require_certificates, require_name
from bench.stack.protocol import NodeSpec


def write_bytes_node(folder: NodeFolder, node: NodeSpec, certificates: Path, descriptor: int) -> None:
    """Write what the server of *node* reads; it inherits its listening socket as *descriptor*.

    Raises:
        StackError: certificates are missing, or the name is none.
    """
    require_name(node.name)
    require_certificates(node, certificates)
    folder.path.mkdir(mode=0o700, exist_ok=True)
    if not folder.server.is_symlink():
        folder.serve_with(certificates)
        folder.trust.symlink_to(certificates)
    Settings(
        name=node.name,
        descriptor=descriptor,
        access_log=str(folder.access_log),
        greets=node.behaviour.greets,
        server=str(folder.server) if node.tls != "none" else None,
        trust=str(folder.trust) if node.tls == "mutual" else None,
    ).write(folder.config)


def bytes_command(folder: NodeFolder) -> list[str]:
    """The command that runs it in the foreground."""
    return [sys.executable, "-m", "bench.stack.nodes.bytes_server", str(folder.config)]


def code_path() -> dict[str, str]:
    """The environment in which Python finds this suite, wherever it is started."""
    return {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
