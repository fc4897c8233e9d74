"""Workers that are to come from other machines: how long they are awaited, and what if they do not come."""

from __future__ import annotations

import shlex
import socket

import psutil

from bench.errors import LoadError
from bench.load.events import RemoteWorkersStatus
from bench.load.run.settings import MASTER_PORT, ProcessSettings


class RemoteWorkers:
    """Keeps count of the workers that have come."""

    def __init__(self, settings: ProcessSettings, token: str) -> None:
        self._token = token
        self._settings = settings
        self._expected = settings.total
        self._port = settings.master_port or MASTER_PORT
        self._present = 0

    @property
    def any(self) -> bool:
        """Whether anybody is to come at all."""
        return self._settings.remote_workers > 0

    def arrived(self, present: int) -> RemoteWorkersStatus:
        """This many are there now; returns what to report."""
        self._present = present
        return RemoteWorkersStatus(
            present, self._expected, self._settings.master_bind, self._port, self._token
        )

    def patience_s(self, start_s: float) -> float:
        """How long a run may take to begin, if a start alone may take *start_s*."""
        return start_s + (self._settings.remote_workers_timeout_s if self.any else 0.0)

    def check(self, waited_s: float) -> None:
        """See that they have come in time.

        Raises:
            LoadError: they have not.
        """
        settings = self._settings
        if not self.any or self._present >= self._expected or waited_s <= settings.remote_workers_timeout_s:
            return
        raise LoadError(
            f"{self._present} of {self._expected} workers came to {settings.master_bind}:{self._port} within"
            f" {settings.remote_workers_timeout_s:g} s; {settings.workers} of them are this machine's own.",
            remedy=f"Run `egress-bench worker --master HOST --token {shlex.quote(self._token)}` on each other"
            " machine, HOST being this one as seen from there, and make sure that no firewall is in between.",
        )


def address_seen_from_elsewhere() -> str:
    """An address of this machine that others may reach; its name if it has none but loopback."""
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family == socket.AF_INET and not each.address.startswith("127."):
                return str(each.address)
    return socket.gethostname()
