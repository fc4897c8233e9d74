"""How busy the whole machine is: what all its processes together use, from the kernel's own books."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_IDLE = ("idle", "iowait")
# The order of the columns of the first line of /proc/stat; see proc_stat(5). Guests are counted in user.
_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@dataclass(frozen=True, slots=True)
class MachineReading:
    """CPU seconds of all processors together since the machine started."""

    busy_s: float
    """Used by anybody on this machine; without what its host took away."""
    idle_s: float
    steal_s: float
    """Taken away by the host of this virtual machine."""
    waiting_s: float | None
    """In which some task waited for a processor (pressure stall information); None: this kernel has none."""


def read_machine(proc: Path = _PROC) -> MachineReading | None:
    """Read it once; None where the kernel has no such books."""
    try:
        first = (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        ticks = [int(value) for value in first[1 : 1 + len(_COLUMNS)]]
    except (OSError, ValueError):
        return None
    if first[:1] != ["cpu"] or len(ticks) < len(_COLUMNS):
        return None
    seconds = {name: count / os.sysconf("SC_CLK_TCK") for name, count in zip(_COLUMNS, ticks, strict=True)}
    idle = sum(seconds[name] for name in _IDLE)
    return MachineReading(
        busy_s=sum(seconds.values()) - idle - seconds["steal"],
        idle_s=idle,
        steal_s=seconds["steal"],
        waiting_s=_waiting(proc),
    )


def _waiting(proc: Path) -> float | None:
    """From ``some avg10=0.00 … total=1234``, in microseconds."""
    try:
        some = (proc / "pressure" / "cpu").read_text(encoding="ascii").split("\n", 1)[0]
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None
