"""What can be done to the components of a running stack, whatever they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable


class ComponentFaults(Protocol):
    """What can be done to a part of a running stack."""

    def kill(self, part: str) -> None:
        """End a part at once, as a crash does; it is not reported as dead until it runs again."""

    def restart(self, part: str) -> None:
        """Start a part that was killed, where it was, and return when it answers."""

    def pause(self, part: str) -> None:
        """Freeze a part: it holds its connections and does nothing."""

    def resume(self, part: str) -> None:
        """Let a frozen part go on."""

    def reload(self, node: str) -> None:
        """Let a node read its files again, and return when its new worker serves and the old one is gone."""

    def use_certificates(self, node: str, folder: Path) -> None:
        """Let a node serve with ``server.crt`` and ``server.key`` of *folder* from now on."""

    def runs(self, part: str) -> bool:
        """Whether a part's process is there, frozen or not."""

    def folder(self, node: str) -> Path:
        """Where a node's files lie on this machine: ``nginx.conf`` and ``html/``."""

    def show(self, proxy: str, file: Path) -> str:
        """Let a proxy read *file*, which is public; returns its path as the proxy sees it."""

    def relay_host(self) -> str:
        """An address of this machine that the gateway reaches, and nothing beyond this machine does."""


@runtime_checkable
class NetworkFaults(Protocol):
    """What can be done where each part has a network of its own."""

    def disconnect(self, part: str) -> None:
        """Take a part off its networks, as when a cable is pulled."""

    def reconnect(self, part: str) -> None:
        """Put a part back on its networks, under its own addresses."""

    def disturb(self, part: str, *, delay_ms: float = 0, loss_percent: float = 0) -> None:
        """Delay, or lose, what a part sends."""

    def calm(self, part: str) -> None:
        """End a disturbance."""

    def why_undisturbed(self, part: str) -> str | None:
        """Why ``disturb`` is not possible here; None: it is."""
