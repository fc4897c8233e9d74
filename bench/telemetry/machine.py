"""How busy the whole machine is: what all its processes together use, from the kernel's own books.

The ticks of ``/proc/stat`` are samples: a timer asks some hundred times a second who runs. Load that an
engine sends at a steady rate can be in step with that timer, and is then seen always or never. So what ran
is taken from books that the scheduler keeps in nanoseconds, where the kernel has them, and what was idle is
the rest of the time.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_ACCOUNTS = Path("/sys/fs/cgroup/cpuacct")
_IDLE = ("idle", "iowait")
# The order of the columns of the first line of /proc/stat; see proc_stat(5). Guests are counted in user.
_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_PROCESSOR = re.compile(r"cpu\d+")
# "sum of all time spent running by tasks on this processor (in nanoseconds)": sched-stats.rst of the kernel.
_RUNNING_COLUMN = 7


@dataclass(frozen=True, slots=True)
class MachineReading:
    """CPU seconds of all processors together; only differences of two readings mean something."""

    busy_s: float
    """Used by anybody on this machine; without what its host took away."""
    idle_s: float
    steal_s: float
    """Taken away by the host of this virtual machine."""
    waiting_s: float | None
    """In which some task waited for a processor (pressure stall information); None: this kernel has none."""


def read_machine(proc: Path = _PROC, accounts: Path = _ACCOUNTS) -> MachineReading | None:
    """Read it once; None where the kernel has no such books.

    ``accounts`` is the root of the ``cpuacct`` hierarchy of control groups, version 1.
    """
    try:
        lines = [line.split() for line in (proc / "stat").read_text(encoding="ascii").split("\n")]
        ticks = [int(value) for value in lines[0][1 : 1 + len(_COLUMNS)]]
    except (OSError, ValueError):
        return None
    if lines[0][:1] != ["cpu"] or len(ticks) < len(_COLUMNS):
        return None
    seconds = {name: count / os.sysconf("SC_CLK_TCK") for name, count in zip(_COLUMNS, ticks, strict=True)}
    steal, idle = seconds["steal"], sum(seconds[name] for name in _IDLE)
    busy = _ran(proc, accounts)
    if busy is None:
        busy = sum(seconds.values()) - idle - steal
    else:
        processors = sum(1 for line in lines if line and _PROCESSOR.fullmatch(line[0]))
        idle = time.monotonic() * processors - busy - steal
    return MachineReading(busy_s=busy, idle_s=idle, steal_s=steal, waiting_s=_waiting(proc))


def _ran(proc: Path, accounts: Path) -> float | None:
    """Seconds in which tasks ran, from books in nanoseconds; None: there are none of the whole machine."""
    try:
        rows = [line.split() for line in (proc / "schedstat").read_text(encoding="ascii").split("\n")]
        ran = sum(int(row[_RUNNING_COLUMN]) for row in rows if row and _PROCESSOR.fullmatch(row[0]))
    except (OSError, ValueError, IndexError):
        ran = 0
    if not ran:  # also where they are there and not kept: zeros
        try:
            # Only the group at the top has this file: that of a container says what the container used.
            if not (accounts / "cgroup.sane_behavior").exists():
                return None
            ran = int((accounts / "cpuacct.usage").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
    return ran / 1e9 if ran else None


def _waiting(proc: Path) -> float | None:
    """From ``some avg10=0.00 … total=1234``, in microseconds."""
    try:
        some = (proc / "pressure" / "cpu").read_text(encoding="ascii").split("\n", 1)[0]
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None
