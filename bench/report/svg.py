"""Matplotlib figures as SVG that belongs to the page: its fonts, its colours in light and dark, no links."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Stand-ins that no chart would use otherwise; the page gives each its real colour for light and dark.
INK = "#010203"
MUTED = "#010204"
GRID = "#010205"
PAPER = "#010206"
SERIES = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
BAD = "#010221"
BAND = "#010222"

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    PAPER: "--paper",
    BAD: "--bad",
    BAND: "--band",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
}

_STYLE: dict[Any, Any] = {
    # Text stays text: small, searchable, in the page's font.
    "svg.fonttype": "none",
    "svg.hashsalt": "egress-bench",
    "font.size": 11.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "figure.facecolor": "none",
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}


def styled() -> AbstractContextManager[None]:
    """Matplotlib's settings for the page, for as long as the block runs."""
    return mpl.rc_context(_STYLE)


MOST_POINTS = 400
"""Of one line whose values the page knows: more have no room on a screen."""
_NAMED = "series:"


def named(line: Line2D, name: str, value_text: Callable[[float], str]) -> None:
    """Let the page show the values of *line* under the pointer, and switch it off, under *name*.

    Lines of one name are one series.
    """
    line.set_gid(f"{_NAMED}{name}")
    line.set_label(f"_{name}")
    _VALUE_TEXTS[line] = value_text


_VALUE_TEXTS: WeakKeyDictionary[Line2D, Callable[[float], str]] = WeakKeyDictionary()


def _points(figure: Figure, x_text: Callable[[float], str]) -> list[dict[str, Any]]:
    """Named lines with their points in the picture's own coordinates, and what to say of each."""
    height = figure.get_figheight() * 72
    found = []
    for axes in figure.axes:
        for line in axes.get_lines():
            value_text = _VALUE_TEXTS.get(line)
            if value_text is None:
                continue
            data = np.asarray(line.get_xydata(), dtype=float)
            data = data[np.isfinite(data).all(axis=1)]
            data = data[:: max(1, -(-len(data) // MOST_POINTS))]
            places = line.get_transform().transform(data) if len(data) else data
            found.append(
                {
                    "name": line.get_label()[1:],  # type: ignore[index]
                    "colour": _VARIABLES.get(str(line.get_color()), "--ink"),
                    "points": [
                        [round(float(x), 1), round(height - float(y), 1), x_text(at), value_text(value)]
                        for (x, y), (at, value) in zip(places, data.tolist(), strict=True)
                    ],
                }
            )
    return [each for each in found if each["points"]]


def _lay_out(figure: Figure) -> None:
    """Give the parts of *figure* their places once: to be saved, it would be drawn twice to find them."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def to_svg(
    figure: Figure, name: str, title: str, *, x_text: Callable[[float], str] = lambda x: f"{x:,.4g}"
) -> str:
    """Write *figure* as one ``<svg>`` element for the inside of an HTML page.

    Args:
        figure: drawn with the colours of this module under ``styled``.
        name: unique on the page; every id is prefixed with it.
        title: the message of the picture, with its figures, for those who do not see it.
        x_text: what a place on the horizontal axis is called, beside values under the pointer.
    """
    buffer = io.StringIO()
    # An SVG counts in points, 72 to the inch: so do the places of values.
    figure.set_dpi(72)
    with styled():
        _lay_out(figure)
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # HTML knows these name spaces by itself, and a page without any URL is easy to trust.
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(rf'\bid="{_NAMED}([^"]*)"', r'data-series="\1"', text)
    text = re.sub(r'(?<![\w-])id="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    # Coordinates to a hundredth of a point: a third of the size, no visible difference.
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    points = _points(figure, x_text)
    data = ""
    if points:
        written = json.dumps(points, ensure_ascii=False, separators=(",", ":"))
        data = f' data-points="{_escape(written).replace(chr(34), "&quot;")}"'
    text = text.replace("<svg", f'<svg role="img"{data}', 1)
    return re.sub(
        r"(<svg[^>]*>)", lambda match: f"{match[1]}<title>{_escape(title)}</title>", text, count=1
    ).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
