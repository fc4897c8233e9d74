"""SVG by hand: text that fits its place, boxes, curves, and bars of parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from bench.plain_text import shown

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[] ")
_WIDE: Final = frozenset("mwMWµ%@")


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """About as wide as *text* is in a sans-serif font of *size*."""
    units = sum(0.36 if each in _NARROW else 0.92 if each in _WIDE else 0.61 for each in text)
    return units * size * (1.07 if bold else 1.0)


def fitting(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, cut in its middle where it has no *room*: both ends of a name say something."""
    if width_of(text, size, bold=bold) <= room:
        return text
    kept = len(text) - 1
    while kept > 4 and width_of(text[:kept], size, bold=bold) > room - size * 0.6:
        kept -= 1
    head = (kept + 1) // 2
    return f"{text[:head]}…{text[-(kept - head) :]}"


@dataclass(slots=True)
class Canvas:
    """Elements of one picture."""

    width: float
    elements: list[str] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        fill: str = "ink",
        weight: int = 400,
        anchor: str = "start",
        room: float | None = None,
    ) -> None:
        """One line of text; cut to its *room*."""
        cut = fitting(text, size, room, bold=weight > 500) if room is not None else text
        whole = f"<title>{escape(shown(text))}</title>" if cut != text else ""
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        bold = "" if weight == 400 else f' font-weight="{weight}"'
        self.elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{at}{bold} fill="var(--{fill})">'
            f"{escape(shown(cut))}{whole}</text>"
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A card with a coloured edge at its left."""
        self.elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="7"'
            ' fill="var(--card)" stroke="var(--line)"/>'
            f'<rect x="{x:.1f}" y="{y + 7:.1f}" width="4" height="{height - 14:.1f}" fill="var(--{colour})"/>'
        )

    def arrow(self, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
        """A curve from left to right, or a line from top to bottom, with a head at its end."""
        (x1, y1), (x2, y2) = start, end
        if abs(x2 - x1) < 1:
            path = f"M{x1:.1f} {y1:.1f}V{y2 - 5:.1f}"
            head = f"M{x2 - 4:.1f} {y2 - 7:.1f}L{x2:.1f} {y2:.1f}L{x2 + 4:.1f} {y2 - 7:.1f}Z"
        else:
            bend = (x2 - x1) / 2
            path = (
                f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2 - 5:.1f} {y2:.1f}"
            )
            head = f"M{x2 - 7:.1f} {y2 - 4:.1f}L{x2:.1f} {y2:.1f}L{x2 - 7:.1f} {y2 + 4:.1f}Z"
        self.elements.append(
            f'<path d="{path}" fill="none" stroke="var(--{colour})" stroke-width="1.6"/>'
            f'<path d="{head}" fill="var(--{colour})"/>'
        )

    def bar(self, y: float, parts: Sequence[tuple[str, float]]) -> None:
        """Parts of one whole beside each other, over the whole width: colour and size of each."""
        whole = sum(size for _, size in parts)
        x = 0.0
        for colour, size in parts:
            width = self.width * size / whole if whole > 0 else 0.0
            self.elements.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width - 1.5, 0.5):.1f}" height="14"'
                f' fill="var(--{colour})"/>'
            )
            x += width

    def legend(self, y: float, items: Sequence[tuple[str, str]]) -> float:
        """Colours with their words, in as many lines as they need; returns the y below."""
        x = 0.0
        for colour, text in items:
            needed = width_of(text, 12) + 36
            if x and x + needed > self.width:
                x, y = 0.0, y + 18
            self.elements.append(
                f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2" fill="var(--{colour})"/>'
            )
            self.text(x + 15, y, text, room=self.width - x - 15)
            x += needed
        return y + 18

    def svg(self, height: float, title: str, kind: str) -> str:
        """The whole picture."""
        return (
            f'<svg role="img" class="{kind}" viewBox="0 0 {self.width:g} {height:.0f}">'
            f"<title>{escape(shown(title))}</title>{''.join(self.elements)}</svg>"
        )
