"""The two headers of the suite's own, by which requests and nodes are distinguished. Lower case."""

from __future__ import annotations

from typing import Final

NODE_HEADER: Final = "x-node"
"""Of an answer: the node that gave it."""
ID_HEADER: Final = "x-bench-id"
"""Of a request: ``run_id/sequence``; nodes echo it in the answer."""
