"""A document of its own on disk, beside no result: HTML and Markdown under one name."""

from __future__ import annotations

from pathlib import Path

from bench.errors import InputError
from bench.report.document import Document
from bench.report.files import replace_file
from bench.report.html import render_html
from bench.report.markdown import render_markdown


def write_pages(folder: Path, name: str, document: Document) -> Path:
    """Write ``NAME.html`` and ``NAME.md`` into *folder*, which is made; return the path of the HTML.

    Raises:
        InputError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the {name} cannot be written ({error.strerror}).",
            where=str(folder),
            remedy="Choose a folder that you may write with --out.",
        ) from error
    page = folder / f"{name}.html"
    replace_file(folder / f"{name}.md", render_markdown(document))
    replace_file(page, render_html(document))
    return page
