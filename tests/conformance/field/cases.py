"""A case from the field: YAML, inventory, and what its ``expected.md`` says of requests and of `check`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_REQUEST = re.compile(
    r"^-\s+(?:from\s+`(?P<proxy>[^`]+)`:\s*)?`(?P<url>[a-z]+://[^`]+)`(?P<headers>(?:\s+-H\s+'[^']+')*)\s*=>\s*"
    r"(?P<outcome>.*)$"
)
_HEADER = re.compile(r"-H\s+'([^']+)'")
_CODE = re.compile(r"\b(?:IST|EB)\d{4}\b")
_ADDRESS = re.compile(
    r"(?<![\w|./-])((?:\d{1,3}\.){3}\d{1,3}|[a-z0-9][a-z0-9.-]*\.[a-z][a-z0-9.-]*?)\.?:(\d+)\b"
)
_STATUS = re.compile(r"^([2-5]\d\d)\b|\banswers ([2-5]\d\d)\b")
_FLAGS = re.compile(r"\b(NC|NR|UH|UF|UC|FI|DI|UO)\b")

_CLOSED = ("connection refused", "nothing listens", "handshake fails", "double tls", "cannot read it")


@dataclass(frozen=True)
class Expected:
    """What the author of a case says will happen to a request; only what is said plainly is read."""

    text: str
    status: int | None = None
    is_closed: bool = False
    flags: str = ""
    addresses: frozenset[str] = frozenset()
    """``host:port`` of the servers that may answer."""
    is_passed_on: bool = False
    """To wherever the client meant it to go."""
    is_refused: bool = False
    """This tool refuses the YAML, whatever Istio does."""
    is_not_asked: bool = False
    """The YAML is refused before any request."""


@dataclass(frozen=True)
class Call:
    """One request of a case."""

    proxy: str | None
    url: str
    headers: tuple[str, ...]
    expected: Expected


@dataclass(frozen=True)
class Case:
    """One folder."""

    folder: Path
    calls: tuple[Call, ...]
    check: str
    """What the case says of `check`, in its words; empty for nothing."""
    outcome: str
    codes: frozenset[str] = field(default=frozenset())

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def wants_refusal(self) -> bool:
        """Whether `check` has to refuse the resources."""
        return bool(re.search(r"\brefused\b|IST0106|clear error", self.check)) and not self.allows_silence

    @property
    def allows_silence(self) -> bool:
        """Whether it says that `check` finds no error."""
        return self.check.lower().startswith(("no error", "no particular"))

    @property
    def wants_error(self) -> bool:
        """Whether `check` has to report an error."""
        return bool(re.match(r"an? (error|effect)\b", self.check)) or "error effect" in self.check

    @property
    def wants_word(self) -> bool:
        """Whether `check` has to report a warning or an error."""
        speaks = "warning" in self.check or "error" in self.check or bool(self.codes)
        return speaks and not self.allows_silence


def read_case(folder: Path) -> Case:
    """Read ``expected.md`` of *folder*."""
    text = (folder / "expected.md").read_text("utf-8")
    calls = tuple(
        Call(
            found["proxy"],
            found["url"],
            tuple(_HEADER.findall(found["headers"] or "")),
            read_outcome(found["outcome"]),
        )
        for found in map(_REQUEST.match, text.splitlines())
        if found is not None
    )
    check = _line(text, "Check")
    return Case(folder, calls, check, _line(text, "Outcome"), frozenset(_CODE.findall(check)))


def _line(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found is not None else ""


def read_outcome(text: str) -> Expected:
    """Read an outcome in words: a status, response flags, addresses, the end of a connection."""
    lowered = text.lower()
    status = _STATUS.search(text)
    closed = re.match(r"(connection )?(closed|refused)", lowered) is not None or any(
        words in lowered
        for words in (
            "connection refused",
            "nothing listens",
            "handshake fails",
            "double tls",
            "cannot read it",
        )
    )
    flags = _FLAGS.search(text.replace("(UF)", ""))
    return Expected(
        text,
        status=int(status[1] or status[2]) if status is not None and not closed else None,
        is_closed=closed,
        flags=flags[1] if flags is not None and (status is not None or closed) else "",
        addresses=frozenset(f"{host.rstrip('.')}:{port}" for host, port in _ADDRESS.findall(text)),
        is_passed_on="PassthroughCluster" in text or "passes through" in lowered,
        is_refused="refus" in lowered,
        is_not_asked=lowered.startswith("not asked"),
    )
