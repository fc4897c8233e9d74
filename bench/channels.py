"""Where lines are printed: a terminal, which rich knows how to colour, or a pipe or file, which take text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TextIO

from bench.plain_text import shown

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

_TAB = 8
# With one of these rich takes for a terminal what does not look like one (force-color.org, rich's own pages).
_TERMINAL_SAYS_SO = ("FORCE_COLOR", "TTY_COMPATIBLE")


class Channel(Protocol):
    """One of the two streams of a process."""

    @property
    def terminal(self) -> RichConsole | None:
        """What draws on the terminal; None: there is none."""

    def line(self, text: str, style: str = "", *, styled: int | None = None) -> None:
        """Print *text*, never wrapped: what is copied or searched is as it was written.

        Args:
            text: without its line feed; control characters are left out.
            style: in rich's words, where there is a terminal.
            styled: how many characters at its beginning have that style; None: all.
        """


def channel(file: TextIO) -> Channel:
    """Give the channel for *file*."""
    looks = any(os.environ.get(name) for name in _TERMINAL_SAYS_SO) or file.isatty()
    return _Terminal(file) if looks else _Log(file)


class _Log:
    """Text alone: rich, whose import is a tenth of a short command's CPU, would write the same."""

    terminal = None

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def line(self, text: str, style: str = "", *, styled: int | None = None) -> None:
        del style, styled
        self._file.write(shown(text).expandtabs(_TAB) + "\n")
        self._file.flush()


class _Terminal:
    def __init__(self, file: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415 - see above

        self._rich = Console(file=file, highlight=False, markup=False, emoji=False)

    @property
    def terminal(self) -> RichConsole | None:
        return self._rich if self._rich.is_terminal else None

    def line(self, text: str, style: str = "", *, styled: int | None = None) -> None:
        from rich.text import Text  # noqa: PLC0415 - see above

        drawn = Text(shown(text))
        if style:
            drawn.stylize(style, 0, styled)
        self._rich.print(drawn, soft_wrap=True)
