"""Where rules leave what they found."""

from __future__ import annotations

from dataclasses import dataclass

from bench.istio.problem import Path, Stage


@dataclass(frozen=True, slots=True)
class Finding:
    """One refusal or one warning."""

    path: Path
    what: str
    stage: Stage
    remedy: str = ""


class Findings:
    """Refusals and warnings of one resource. Paths are relative to the part that is looked at."""

    def __init__(self, root: Path = ("spec",)) -> None:
        self._root = root
        self.refusals: list[Finding] = []
        self.warnings: list[Finding] = []

    def within(self, *path: str | int) -> Findings:
        """The same findings, seen from the part at *path*."""
        return self.at(*self._root, *path)

    def at(self, *path: str | int) -> Findings:
        """The same findings, seen from *path* counted from the top of the document."""
        other = Findings(path)
        other.refusals, other.warnings = self.refusals, self.warnings
        return other

    def refuse(self, what: str | None, *path: str | int, stage: Stage = "webhook", remedy: str = "") -> None:
        """Refuse the field at *path*; a *what* of ``None`` means that a check found nothing."""
        if what is not None:
            self.refusals.append(Finding((*self._root, *path), what, stage, remedy))

    def warn(self, what: str, *path: str | int) -> None:
        """Say something about the field at *path* without refusing it."""
        self.warnings.append(Finding((*self._root, *path), what, "webhook"))
