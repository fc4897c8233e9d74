"""Standard output and errors as they really are: an encoding without our signs, a reader that went away."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import errno
import os
import sys
import threading

_PLAIN = {
    "├": "|",
    "└": "`",
    "│": "|",
    "─": "-",
    "→": "->",
    "…": "...",
    "µ": "u",
    "×": "x",
    "–": "-",
    "—": "-",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "·": "-",
    "█": "#",
    "━": "-",
    "╸": "-",
    "╺": "-",
    "’": "'",
    "“": '"',
}
_HANDLER = "egress-bench-plain"


def use_plain_signs() -> None:
    """Write what the encoding of stdout or stderr lacks with other signs, ``?`` where there is none."""
    codecs.register_error(_HANDLER, _plainly)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


def open_closed() -> None:
    """Let output go nowhere where a stream was closed before this process began (``>&-``), as others do."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def is_reader_gone(error: OSError) -> bool:
    """Whether *error* says that nothing reads our output any more: a closed terminal, or ``| head``."""
    return error.errno in (errno.EPIPE, errno.EIO) and error.filename is None


def give_up_output() -> None:
    """Let whatever Python still flushes at its end go nowhere."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())


def end_at_once(code: int) -> None:
    """End this process with *code*, unless something in it is still at work or its output cannot be written.

    An interpreter that ends as usual takes a million objects apart one by one, a tenth of the CPU of a short
    command.
    """
    if threading.active_count() > 1:
        return
    # What was registered to run at the end runs: temporary folders go, measured lines of code are written.
    atexit._run_exitfuncs()  # noqa: SLF001 - what the interpreter calls at its end
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in text), error.end
