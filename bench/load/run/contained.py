"""Locust whose only ties to the process above are standard input and output, as through ``docker exec``.

``python -m bench.load.run.contained coordinator OPTIONS…`` reads commands from standard input and writes
events to standard output; ``… worker OPTIONS…`` does neither. Both end when standard input does. What Locust
itself prints goes to standard error.
"""

from __future__ import annotations

import os
import sys
from typing import Final, get_args

from bench.load.run.command import Role, locust_command
from bench.load.variables import Variable

_ROLES: Final = get_args(Role)


def main(arguments: list[str]) -> None:
    """Move the standard streams out of Locust's way and become Locust."""
    role, *options = arguments
    if role not in _ROLES:
        raise SystemExit(f"{role!r} is not one of {', '.join(_ROLES)}")
    above, below = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for descriptor in (above, below):
        os.set_inheritable(descriptor, True)
    os.environ[Variable.LIFELINE] = str(above)
    if role == "coordinator":
        os.environ[Variable.CONTROL] = str(above)
        os.environ[Variable.EVENTS] = str(below)
    os.execv(sys.executable, locust_command(options))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
