"""The calls before the load, one row for each call with all stacks side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.result import VerificationLine


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call, made on one stack or more."""

    name: str
    sent: str
    expected: str
    by_stack: dict[str, VerificationLine] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every stack answered as it must."""
        return all(line.passed for line in self.by_stack.values())


def stacks_of(lines: Sequence[VerificationLine]) -> tuple[str, ...]:
    """The stacks that were called, in order of appearance."""
    return tuple(dict.fromkeys(line.stack for line in lines))


def call_rows(lines: Sequence[VerificationLine]) -> list[CallRow]:
    """Put the same call to different stacks into one row; a call that one stack never saw lacks it."""
    rows: dict[tuple[str, str, str, int], CallRow] = {}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for line in lines:
        call = (line.name, line.sent, line.expected)
        # Two controls of a scenario may be alike: each stays a row of its own.
        number = seen[*call, line.stack]
        seen[*call, line.stack] += 1
        row = rows.setdefault((*call, number), CallRow(*call))
        row.by_stack[line.stack] = line
    return list(rows.values())


def mark(line: VerificationLine | None) -> str:
    """Say in one sign whether a call went as it must; ``–`` if it was never made."""
    return "–" if line is None else "✓" if line.passed else "✗"
