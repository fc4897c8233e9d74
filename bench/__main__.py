"""``python -m bench`` is the command ``egress-bench``."""

from bench.cli import program

program()
