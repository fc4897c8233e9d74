"""Python whose only ties to the process above are its standard input and output, as through ``docker exec``.

``python -m bench.contained IN OUT ARGUMENTS…`` moves both out of the way and becomes Python with ARGUMENTS.
IN and OUT name variables, with commas between them, in which it finds the descriptors. What it prints goes to
standard error. This imports nothing of the suite: all that would be imported again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = "{bench}"
"""In an argument: the folder of this package at that place."""


def main(arguments: list[str]) -> None:
    """Move the standard streams and become the other Python."""
    names_in, names_out, *others = arguments
    above, below = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for descriptor, names in ((above, names_in), (below, names_out)):
        os.set_inheritable(descriptor, True)
        os.environ.update(dict.fromkeys(filter(None, names.split(",")), str(descriptor)))
    source = str(Path(__file__).resolve().parent)
    command = [sys.executable, *(each.replace(SOURCE, source) for each in others)]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
