"""What a guard runs: ``python guard_program.py SEARCH_PATH FOLDER PARENT``, its input tied to the parent.

A script that imports next to nothing as long as it waits: every stack has a guard, and what clears up is
imported when it is needed.
"""

import os
import select
import signal
import sys

_LOOK_EVERY_S = 1.0


def await_end(parent: int) -> None:
    """Return when the parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A child that the parent forks inherits the pipe's other end and would hide the parent's end: hence the
    # second sign, the guard's own adoption by another process.
    while os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
        if ready and not os.read(sys.stdin.fileno(), 1):
            break


def main() -> None:
    """Wait, then clear up the run folder."""
    await_end(int(sys.argv[3]))
    # Nothing of this while it waits.
    import importlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    sys.path[:] = json.loads(sys.argv[1])
    importlib.import_module("bench.stack.runs.clear_up").clear_up(sys.argv[2])


if __name__ == "__main__":
    main()
