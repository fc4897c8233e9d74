"""Two values in, their differences out, with the number of fields that were compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MISSING = "(nothing)"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One place where two configurations differ."""

    path: tuple[str, ...]
    theirs: Any
    """What the real proxy, or istiod, has."""
    ours: Any
    """What these resources mean."""

    def __str__(self) -> str:
        return f"{' › '.join(self.path)}: there {shortened(self.theirs)}, here {shortened(self.ours)}"


def shortened(value: Any) -> str:
    """Write a value in at most 160 signs."""
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}…"


@dataclass
class Comparison:
    """What was compared, and what differs."""

    fields: int = 0
    differences: list[FieldDifference] = field(default_factory=list)


def compare(theirs: Any, ours: Any) -> Comparison:
    """Compare two values down to their leaves; mappings by key, lists in order."""
    comparison = Comparison()
    _compare(theirs, ours, (), comparison)
    return comparison


def _compare(theirs: Any, ours: Any, path: tuple[str, ...], comparison: Comparison) -> None:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}, key=str):
            _compare(theirs.get(key, MISSING), ours.get(key, MISSING), (*path, str(key)), comparison)
        if not theirs and not ours:
            comparison.fields += 1
        return
    if isinstance(theirs, list) and isinstance(ours, list):
        for index in range(max(len(theirs), len(ours))):
            left = theirs[index] if index < len(theirs) else MISSING
            right = ours[index] if index < len(ours) else MISSING
            _compare(left, right, (*path, f"[{index}]"), comparison)
        if not theirs and not ours:
            comparison.fields += 1
        return
    comparison.fields += 1
    if not _same(theirs, ours):
        comparison.differences.append(FieldDifference(path, theirs, ours))


def _same(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return theirs is ours
    if isinstance(theirs, (int, float)) and isinstance(ours, (int, float)):
        return theirs == ours
    # protobuf's JSON writes 64-bit numbers as text.
    numbers = (int, float)
    if (isinstance(theirs, numbers) and isinstance(ours, str)) or (
        isinstance(ours, numbers) and isinstance(theirs, str)
    ):
        return str(theirs) == str(ours)
    return bool(theirs == ours)
