"""Locust whose only ties to the process above are standard input and output, as through ``docker exec``.

``python -m bench.load.run.contained coordinator OPTIONS…`` reads commands from standard input and writes
events to standard output; ``… worker OPTIONS…`` does neither. Both end when standard input does. What Locust
itself prints goes to standard error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_ROLES: Final = ("coordinator", "worker")


def main(arguments: list[str]) -> None:
    """Move the standard streams out of Locust's way and become Locust."""
    role, *options = arguments
    if role not in _ROLES:
        raise SystemExit(f"{role!r} is none of {', '.join(_ROLES)}")
    above, below = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for descriptor in (above, below):
        os.set_inheritable(descriptor, True)
    os.environ["EGRESS_BENCH_LIFELINE"] = str(above)
    if role == "coordinator":
        os.environ["EGRESS_BENCH_CONTROL"] = str(above)
        os.environ["EGRESS_BENCH_EVENTS"] = str(below)
    locustfile = str(Path(__file__).parents[1] / "locust" / "entry" / "locustfile.py")
    os.execv(sys.executable, [sys.executable, "-m", "locust", "-f", locustfile, *options])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
