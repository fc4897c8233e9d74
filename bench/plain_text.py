"""Text from elsewhere, made fit to be shown: it must not move the cursor, ring, or turn text around."""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    # Whole escape sequences first (ECMA-48: CSI, OSC and the other strings, two-character ones), so that no
    # rest of one stays behind; then every single control character of C0 and C1 but tab and line feed, and
    # the marks that change the direction of text or hide it.
    "\x1b\\[[0-?]*[ -/]*[@-~]"
    "|\x1b[\\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]?"
    "|\x9b[0-?]*[ -/]*[@-~]"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    "|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)


def shown(text: str) -> str:
    """*text* without control characters and escape sequences; tabs stay, and line ends as line feeds."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def escaped(json_text: str) -> str:
    """A JSON document in which a terminal finds nothing to obey: C1 characters are escaped, too."""
    return re.sub("[\x7f-\x9f\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", json_text)
