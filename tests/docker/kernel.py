"""What this machine's kernel was built with."""

import gzip
from pathlib import Path


def has_netem():
    """Whether this kernel says that it was built with netem: then no error is excused."""
    try:
        config = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode()
    except OSError:
        return False
    return "CONFIG_NET_SCH_NETEM=" in config
