"""Local ports that are taken towards one address: closed connections hold theirs for a minute."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.placement import Address

_PROC = Path("/proc")
_DEFAULT = (32_768, 60_999)
"""Of Linux, and of every new network namespace."""
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class PortUse:
    """The address towards which a part has the fewest ports left."""

    remote: Address
    used: int
    """Local ports of connections to it, open and closed ones that are still remembered (TIME_WAIT)."""
    available: int
    """In the range that the kernel chooses from."""


def read_port_use(pid: int, remotes: Iterable[Address], *, proc: Path = _PROC) -> PortUse | None:
    """Count the ports towards each of *remotes* in the network namespace of a process; IPv4.

    None where there is no connection to any of them, or the kernel does not report it.
    """
    wanted = {
        f"{_as_kernel_writes(host)}:{port:04X}": (host, port) for host, port in remotes if ":" not in host
    }
    try:
        lines = (proc / str(pid) / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    counts: Counter[Address] = Counter()
    for line in lines:
        _, local, remote, state = line.split(maxsplit=4)[:4]
        if remote in wanted and state != _LISTEN and local != remote:
            counts[wanted[remote]] += 1
    if not counts:
        return None
    remote_address, used = counts.most_common(1)[0]
    low, high = _range(pid, proc)
    return PortUse(remote_address, used, high - low + 1)


def _as_kernel_writes(host: str) -> str:
    """An IPv4 address in hexadecimal digits, in the byte order of this machine."""
    (number,) = struct.unpack("=I", socket.inet_aton(host))
    return f"{number:08X}"


def _range(pid: int, proc: Path) -> tuple[int, int]:
    """That of this process's namespace; in another one only processes inside can read it."""
    try:
        if (proc / str(pid) / "ns" / "net").readlink() != (proc / "self" / "ns" / "net").readlink():
            return _DEFAULT
        text = (proc / "sys" / "net" / "ipv4" / "ip_local_port_range").read_text(encoding="ascii")
        low, high = map(int, text.split())
    except (OSError, ValueError):
        return _DEFAULT
    return low, high
