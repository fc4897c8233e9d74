"""Larger answers than the nodes' own pages: files beside these, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.stack import ComponentFaults


@dataclass(frozen=True, slots=True)
class LargePages:
    """The files of one stack's nodes."""

    faults: ComponentFaults
    nodes: Sequence[str]
    _made: set[int] = field(default_factory=set)

    def path(self, size: int) -> str:
        """The path of an answer of *size* bytes, the same at every node.

        Raises:
            StackError: a node has no files of its own.
        """
        name = f"bench-{size}.html"
        if size not in self._made:
            for node in self.nodes:
                (self.faults.folder(node) / "html" / name).write_bytes(b"x" * size)
            self._made.add(size)
        return f"/{name}"
