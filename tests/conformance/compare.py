"""Two values in, their differences out, with the number of fields that were compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MISSING = "(nothing)"


@dataclass(frozen=True)
class Finding:
    """One place where two configurations differ."""

    path: tuple[str, ...]
    istiod: Any
    ours: Any

    def __str__(self) -> str:
        return f"{' › '.join(self.path)}: istiod {_short(self.istiod)}, here {_short(self.ours)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}…"


@dataclass
class Comparison:
    """What was compared, and what differs."""

    fields: int = 0
    findings: list[Finding] = field(default_factory=list)


def compare(istiod: Any, ours: Any) -> Comparison:
    """Compare two values down to their leaves; mappings by key, lists in order."""
    comparison = Comparison()
    _compare(istiod, ours, (), comparison)
    return comparison


def _compare(istiod: Any, ours: Any, path: tuple[str, ...], comparison: Comparison) -> None:
    if isinstance(istiod, dict) and isinstance(ours, dict):
        for key in sorted({*istiod, *ours}, key=str):
            _compare(istiod.get(key, MISSING), ours.get(key, MISSING), (*path, str(key)), comparison)
        if not istiod and not ours:
            comparison.fields += 1
        return
    if isinstance(istiod, list) and isinstance(ours, list):
        for index in range(max(len(istiod), len(ours))):
            left = istiod[index] if index < len(istiod) else MISSING
            right = ours[index] if index < len(ours) else MISSING
            _compare(left, right, (*path, f"[{index}]"), comparison)
        if not istiod and not ours:
            comparison.fields += 1
        return
    comparison.fields += 1
    if not _same(istiod, ours):
        comparison.findings.append(Finding(path, istiod, ours))


def _same(istiod: Any, ours: Any) -> bool:
    if isinstance(istiod, bool) or isinstance(ours, bool):
        return istiod is ours
    if isinstance(istiod, (int, float)) and isinstance(ours, (int, float)):
        return istiod == ours
    # protobuf's JSON writes 64-bit numbers as text.
    numbers = (int, float)
    if (isinstance(istiod, numbers) and isinstance(ours, str)) or (
        isinstance(ours, numbers) and isinstance(istiod, str)
    ):
        return str(istiod) == str(ours)
    return bool(istiod == ours)
