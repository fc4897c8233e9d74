"""Larger answers than the nodes' own pages: pages of folders beside these, made when first asked for.

nginx serves them the way it serves its own page, by the index of a folder. A file that is asked for by its
name costs it less, and what the bytes of an answer cost would be mixed with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.stack import ComponentFaults


@dataclass(frozen=True, slots=True)
class LargePages:
    """The pages of one stack's nodes."""

    faults: ComponentFaults
    nodes: Sequence[str]
    _made: set[int] = field(default_factory=set)

    def path(self, size: int) -> str:
        """The path of an answer of *size* bytes, the same at every node.

        Raises:
            StackError: a node has no files of its own.
        """
        name = f"bench-{size}"
        if size not in self._made:
            for node in self.nodes:
                folder = self.faults.folder(node) / "html" / name
                folder.mkdir(exist_ok=True)
                (folder / "index.html").write_bytes(b"x" * size)
            self._made.add(size)
        return f"/{name}/"
