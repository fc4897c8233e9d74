"""The commands that README and docs show: in fences as they are typed, in running text as they are named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GENERATED = ("options.md", "scenario-fields.md")
"""Made from the code, which has other tests."""
PAGES = [
    Path("README.md"),
    *(page for page in sorted(Path("docs").glob("*.md")) if page.name not in _GENERATED),
]
_FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_CODE = re.compile(r"`((?:egress-bench|make) [^`]+)`")
_PROMPT = re.compile(r"^\s*(?:\$ |- run: |- )?(?=(?:egress-bench|make) )")
_OF_CI = re.compile(r"^\s*(?:- run: |- )")


@dataclass(frozen=True, slots=True)
class Shown:
    """One command on one page."""

    page: Path
    text: str
    is_typed: bool
    """In a fence: it is meant to be run as it stands."""

    @property
    def words(self) -> list[str]:
        """As a shell gives them, without what it redirects."""
        words = shlex.split(self.text, comments=True)
        return words[: words.index(">")] if ">" in words else words

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text}"


def shown_commands() -> list[Shown]:
    """All of them, each once for each page."""
    return list(dict.fromkeys(each for page in PAGES for each in _of(page)))


def _of(page: Path) -> Iterator[Shown]:
    text = page.read_text(encoding="utf-8")
    for block in _FENCE.findall(text):
        is_session = any(line.startswith("$ ") for line in block.splitlines())
        for line in block.replace("\\\n", " ").splitlines():
            # In a session only what stands behind a prompt is typed; the rest is output.
            if is_session and not line.startswith("$ "):
                continue
            for part in _PROMPT.sub("", line).removeprefix("$ ").split(" && "):
                if re.match(r"\s*(egress-bench|make) ", part) and (is_session or _is_command(line)):
                    yield Shown(page, re.sub(r"\s+", " ", part).strip(), is_typed=True)
    for code in _CODE.findall(_FENCE.sub("", text)):
        yield Shown(page, re.sub(r"\s+", " ", code).strip(), is_typed=False)


def _is_command(line: str) -> bool:
    """Of a page for CI: a step, or a line of a script."""
    return bool(_OF_CI.match(line)) or line.lstrip().startswith("egress-bench ")
