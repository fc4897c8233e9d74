"""A document as Markdown, for terminals, tickets and code review. Charts are left to the HTML."""

from __future__ import annotations

import re

from bench.plain_text import shown
from bench.report.document import Document, Facts, Listing, Note, Part, Section, Table


def render_markdown(document: Document) -> str:
    """Render the document; each table cell stays on its line whatever it contains."""
    lines = [f"# {_plain(document.title)}", ""]
    if document.description:
        lines += [_plain(document.description), ""]
    lines += [" · ".join(f"{name} {_plain(value)}" for name, value in document.byline), ""]
    lines += [f"**{document.verdict.state.capitalize()}.** {_plain(document.verdict.sentence)}", ""]
    for answer in document.answers:
        evidence = f" ([evidence](#{answer.anchor}))" if answer.anchor else ""
        lines.append(f"- **{answer.question}:** {_plain(answer.text)}{evidence}")
    lines.append("")
    for section in document.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    # Markdown dialects make different anchors out of headings; an explicit one works in all of them.
    lines = [f'<a id="{section.anchor}"></a>', "", f"## {section.title}", ""]
    if section.lead:
        lines += [_plain(section.lead), ""]
    for part in section.parts:
        lines += _part(part)
    return lines


def _part(part: Part) -> list[str]:
    match part:
        case Table():
            return _table(part)
        case Facts():
            rows = tuple((name, value) for name, value in part.pairs)
            return _table(Table(columns=("", ""), rows=rows, caption=part.caption, numbers_from=2))
        case Listing():
            # Indented text needs no fence, so nothing inside can end it.
            return [_plain(part.caption), "", *(f"    {line}" for line in shown(part.text).splitlines()), ""]
        case Note():
            return [f"> {_plain(part.text)}" if part.mark == "bad" else _plain(part.text), ""]
        case _:
            return []


def _table(table: Table) -> list[str]:
    rule = [
        ":-:" if column == table.mark_column else "--:" if column >= table.numbers_from else "---"
        for column in range(len(table.columns))
    ]
    lines = [f"<details><summary>{_plain(table.folded)}</summary>", ""] if table.folded else []
    lines += [_plain(table.caption), ""] if table.caption else []
    lines.append(_row(table.columns))
    lines.append(_row(tuple(rule)))
    lines += [_row(tuple(_plain(cell) for cell in row)) for row in table.rows]
    return [*lines, "", *(["</details>", ""] if table.folded else [])]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    text = re.sub(r"\s+", " ", shown(text)).strip()
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
