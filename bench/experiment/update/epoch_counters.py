"""Counters of Envoys that follow each other, added up: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

EPOCH: Final = "server.hot_restart_epoch"
"""Envoy's gauge that says which one of a line it is."""
_ACTIVE: Final = "cx_active"
_TOTAL: Final = "cx_total"
_CLOSED: Final = "cx_destroy"


@dataclass(slots=True)
class EpochCounters:
    """What a line of Envoys has counted, each for itself."""

    _last: dict[int, Mapping[str, int]] = field(default_factory=dict)
    """Epoch -> its last answer."""
    _ended: set[int] = field(default_factory=set)

    def take(self, answer: Mapping[str, int]) -> int:
        """Note what an Envoy has counted; returns its epoch."""
        epoch = answer[EPOCH]
        self._last[epoch] = answer
        return epoch

    def end(self, epoch: int) -> None:
        """Note that an Envoy has ended, and its connections with it: those nobody counts as closed."""
        self._ended.add(epoch)

    def sums(self) -> dict[str, int]:
        """Every counter over all of them; connections are closed that were opened and are not active."""
        names = dict.fromkeys(name for answer in self._last.values() for name in answer)
        return {name: sum(self._of(epoch, name) for epoch in self._last) for name in names}

    def _of(self, epoch: int, name: str) -> int:
        answer = self._last[epoch]
        if name.endswith(_CLOSED):
            stem = name.removesuffix(_CLOSED)
            active = 0 if epoch in self._ended else answer.get(f"{stem}{_ACTIVE}", 0)
            return answer.get(f"{stem}{_TOTAL}", 0) - active
        return answer.get(name, 0)
