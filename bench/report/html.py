"""A document as one HTML file that opens offline: no link leaves the page, nothing is loaded."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.plain_text import shown
from bench.report.document import Document, Part, Table

LONGEST_WORD = 20
"""Characters of a word that a column keeps on one line: addresses with their ports."""
_HERE = Path(__file__).parent


def _kind(part: Part) -> str:
    return type(part).__name__


def _cell_class(table: Table, column: int) -> Markup:
    """The class attribute of a cell, with a blank before it."""
    if column == table.mark_column:
        return Markup(' class="mark"')
    if column >= table.numbers_from:
        return Markup(' class="n"')
    if column == 0:
        return Markup(' class="name"')
    longest = max((len(word) for row in table.rows for word in row[column].split()), default=0)
    return Markup(' class="words"') if longest <= LONGEST_WORD else Markup("")


def _glue(text: str) -> Markup:
    """Keep a number and its unit on one line; set what stands between backticks as code."""
    glued = re.sub(r"(?<=\d) (?=(?:µs|ms|s|MiB|%|unsent|failed|misrouted)(?!\w))", "\N{NO-BREAK SPACE}", text)
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(shown(glued)))))  # noqa: S704 - escaped


def _shown(value: object) -> object:
    """Every text loses its control characters; what we marked up ourselves has none."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["kind"] = _kind
    environment.filters["glue"] = _glue
    environment.filters["cell_class"] = _cell_class
    return environment


def render_html(document: Document) -> str:
    """Render the whole page. Every text of the document is escaped; our own SVG, style and script are not."""
    style = Markup((_HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    script = Markup((_HERE / "chart.js").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return _environment().get_template("template.html").render(document=document, style=style, script=script)
