"""The errors a user can meet.

    BenchError               could not run: exit code 2
    ├── InputError           what the user wrote is wrong: YAML, options, folders
    │   └── UnsupportedError Istio accepts it, but files alone cannot do it
    ├── StackError           a part did not start, refused its configuration, or died
    │   ├── OutOfMemoryError the kernel ended it: its memory limit was too small
    │   └── ControlPlaneLostError  what feeds the proxies died; they keep serving what they have
    ├── LoadError            the load generator could not do its job
    ├── MeasurementError     a measurement is impossible or contradicts itself
    └── DefectError          egress-bench itself is wrong

A message says where (``file:line``), what is wrong, and what to do about it, in one paragraph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file that a user can open: ``file:line``, lines counted from 1."""

    file: str
    line: int
    column: int = 0
    """From 1; 0 where it is not known. Distinguishes what is in one line, as all does of compact JSON."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class BenchError(Exception):
    """Something that stops the command, reported in one paragraph: where, what, what to do."""

    exit_code = 2
    """Of a command that ends with this error."""

    def __init__(self, what: str, *, where: Position | str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(_paragraph(what, where, remedy))

    def about(self, whose: str) -> Self:
        """The same error with the name of what it is about before its words."""
        # Not by copy: it would call the class, and those below want more than the words.
        named = type(self).__new__(type(self))
        named.__dict__.update(self.__dict__)
        named.what = f"{whose}: {self.what}"
        named.args = (_paragraph(named.what, self.where, self.remedy),)
        return named


def _paragraph(what: str, where: Position | str | None, remedy: str | None) -> str:
    place = f"{where}: " if where is not None else ""
    advice = f" {remedy}" if remedy else ""
    return f"{place}{what}{advice}"


class InputError(BenchError):
    """What the user wrote cannot be right."""


class UnsupportedError(InputError):
    """Istio accepts this, but a proxy that is fed from files alone cannot do it."""


class StackError(BenchError):
    """A proxy or a node did not start, refused its configuration, or died."""


class OutOfMemoryError(StackError):
    """The kernel ended a part because its memory limit was too small for what it had to do."""

    def __init__(self, part: str, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.part = part


class ControlPlaneLostError(StackError):
    """The control plane of a running stack has ended by itself; its proxies keep serving what they have."""

    def __init__(self, what: str, *, how: str) -> None:
        super().__init__(what)
        self.how = how
        """How it ended, such as ``was ended by SIGKILL``."""


class LoadError(BenchError):
    """The load generator could not do its job."""


class MeasurementError(BenchError):
    """A measurement is impossible here or contradicts itself."""


class DefectError(BenchError):
    """Something that nobody foresaw went wrong in egress-bench itself."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            "this is a defect of egress-bench, and says nothing about your path:"
            f" {type(error).__name__}: {error}.",
            remedy="What was measured until then is kept. Report it with the lines above.",
        )
