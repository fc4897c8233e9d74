"""``python -m bench.stack.control SOCKET DOOR``: the control plane as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.stack.control.server import serve

if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
