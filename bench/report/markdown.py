"""A document as Markdown, for terminals, tickets and code review. Charts are left to the HTML."""

from __future__ import annotations

import re

from bench.plain_text import shown
from bench.report.document import Document, Facts, Listing, Note, Part, Section, Table


def render_markdown(document: Document) -> str:
    """Render the document; each table cell stays on its line whatever it contains."""
    lines = [f"# {as_text(document.title)}", ""]
    if document.description:
        lines += [as_text(document.description), ""]
    lines += [" · ".join(f"{name} {as_text(value)}" for name, value in document.byline), ""]
    lines += [f"**{document.verdict.state.capitalize()}.** {as_text(document.verdict.sentence)}", ""]
    for answer in document.answers:
        evidence = f" ([evidence](#{answer.anchor}))" if answer.anchor else ""
        lines.append(f"- **{answer.question}:** {as_text(answer.text)}{evidence}")
    lines.append("")
    if document.drawing is not None:
        lines += [f"**{document.drawing.title}.** {as_text(document.drawing.message)}", ""]
    for section in document.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    # Markdown dialects make different anchors out of headings; an explicit one works in all of them.
    lines = [f'<a id="{section.anchor}"></a>', "", f"## {section.title}", ""]
    if section.lead:
        lines += [as_text(section.lead), ""]
    for part in section.parts:
        lines += _part(part)
    return lines


def _part(part: Part) -> list[str]:
    match part:
        case Table():
            return table_lines(part)
        case Facts():
            rows = tuple((name, value) for name, value in part.pairs)
            return table_lines(Table(columns=("", ""), rows=rows, caption=part.caption, numbers_from=2))
        case Listing():
            # Indented text needs no fence, so nothing inside can end it.
            return [as_text(part.caption), "", *(f"    {line}" for line in shown(part.text).splitlines()), ""]
        case Note():
            return [f"> {as_text(part.text)}" if part.mark == "bad" else as_text(part.text), ""]
        case _:
            return []


def table_lines(table: Table) -> list[str]:
    """Write a table, an empty line at its end; each cell stays on its line whatever it contains."""
    rule = [
        ":-:" if column == table.mark_column else "--:" if column >= table.numbers_from else "---"
        for column in range(len(table.columns))
    ]
    lines = [f"<details><summary>{as_text(table.folded)}</summary>", ""] if table.folded else []
    lines += [as_text(table.caption), ""] if table.caption else []
    lines.append(_row(table.columns))
    lines.append(_row(tuple(rule)))
    lines += [_row(tuple(as_text(cell) for cell in row)) for row in table.rows]
    return [*lines, "", *(["</details>", ""] if table.folded else [])]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def as_text(text: str) -> str:
    """Write *text* so that Markdown shows it as it is, on one line."""
    text = re.sub(r"\s+", " ", shown(text)).strip()
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
