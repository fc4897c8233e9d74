"""Matplotlib figures as SVG that belongs to the page: its fonts, its colours in light and dark, no links."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

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


def to_svg(figure: Figure, name: str, title: str) -> str:
    """Write *figure* as one ``<svg>`` element for the inside of an HTML page.

    Args:
        figure: drawn with the colours of this module under ``styled``.
        name: unique on the page; every id is prefixed with it.
        title: what the picture shows, for those who do not see it.
    """
    buffer = io.StringIO()
    with styled():
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
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    # Coordinates to a hundredth of a point: a third of the size, no visible difference.
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = text.replace("<svg", '<svg role="img"', 1)
    return re.sub(
        r"(<svg[^>]*>)", lambda match: f"{match[1]}<title>{_escape(title)}</title>", text, count=1
    ).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
