"""YAML text to plain values, document by document, with the line of each field on demand.

The events of libyaml (C) are put together here, so that a repeated key is seen, the words mean what they mean
to Kubernetes, and neither deep nesting nor multiplying aliases can exhaust the machine. Lines are not kept: a
document is parsed a second time when somebody asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from bench.errors import Position
from bench.istio.problem import Code, Path, Problem
from bench.istio.scalars import key_text, resolve

DEEPEST_NESTING = 100
MOST_VALUES_BY_ALIASES = 1_000_000
"""What all aliases of one text may be for; a text that *writes* more values is fine."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING_TAG = "tag:yaml.org,2002:str"
_BINARY_TAG = "tag:yaml.org,2002:binary"
_KNOWN_TAGS = {
    "tag:yaml.org,2002:" + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
} | {"!"}
_MERGE = "<<"


@dataclass(slots=True)
class Document:
    """One YAML document."""

    data: Any
    file: str
    first_line: int
    """Line of its first token in the file, counted from 1."""
    text: str
    """The part of the file that it was read from."""
    offset: int
    """Lines in the file before :attr:`text`."""
    _root: Any = field(default=None, repr=False)
    _entries: dict[int, dict[str, tuple[Any, Any]]] = field(default_factory=dict, repr=False)
    """Node -> what is under each of its keys: thousands of faults in one mapping stay linear."""

    def position(self, path: Path = ()) -> Position:
        """``file:line`` of the field at *path*, or of the nearest one above it that is written."""
        line, column = self.first_line, 0
        node = self._composed()
        if node is not None:
            line, column = node.start_mark.line + self.offset + 1, node.start_mark.column + 1
            for part in path:
                mark, node = self._child(node, part)
                if mark is None:
                    break
                line, column = mark.line + self.offset + 1, mark.column + 1
        return Position(self.file, line, column)

    def has(self, path: Path) -> bool:
        """Whether the field at *path* is written."""
        node = self._composed()
        for part in path:
            mark, node = self._child(node, part)
            if mark is None:
                return False
        return True

    def _composed(self) -> Any:
        """The root of the text with its marks; None where it cannot be had."""
        if self._root is None:
            try:
                self._root = yaml.compose(self.text, Loader=_Loader)
            except yaml.YAMLError:
                # A part of a file can depend on a directive above it.
                self._root = False
        return self._root or None

    def _child(self, node: Any, part: str | int) -> tuple[Any, Any]:
        """Give the mark and the node of *part* below *node*; no mark when it is not written."""
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            return child.start_mark, child
        if not isinstance(node, yaml.MappingNode) or not isinstance(part, str):
            return None, None
        entries = self._entries.get(id(node))
        if entries is None:
            entries = self._entries[id(node)] = _entries_of(node)
        return entries.get(part, (None, None))


class _DocumentError(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, line: int, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.line, self.what, self.remedy = line, what, remedy


def read_documents(text: str, file: str, report: Callable[[Problem], None]) -> Iterator[Document]:
    """The documents of *text* that are not empty.

    Faults go to *report*: after a fault of syntax the rest of the file is not read; a document with another
    fault (a repeated key) is left out and the next one is read.
    """
    text = text.removeprefix("\ufeff")
    try:
        parser = _Loader(text)
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        report(_unreadable(Position(file, line), "a character here is not Unicode text.", "Remove it."))
        return
    builder = _Builder(parser)
    try:
        while (event := parser.get_event()) is not None and not isinstance(event, StreamEndEvent):
            if isinstance(event, StreamStartEvent):
                continue
            start = event.start_mark
            data, end = builder.document()
            if builder.faults:
                _report_all(builder.faults, file, report)
            elif data is not None:
                yield Document(data, file, builder.first_line, text[start.index : end.index], start.line)
    except _DocumentError as error:
        _report_all([*builder.faults, error], file, report)
    except yaml.YAMLError as error:
        _report_all(builder.faults, file, report)
        report(_syntax_problem(error, text, file))
    finally:
        parser.dispose()


def _report_all(faults: list[_DocumentError], file: str, report: Callable[[Problem], None]) -> None:
    for fault in faults:
        report(_unreadable(Position(file, fault.line), fault.what, fault.remedy))


class _Builder:
    """Puts the events of one document after the other together."""

    def __init__(self, parser: Any) -> None:
        self._next = parser.get_event
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._expanded = 0
        self.faults: list[_DocumentError] = []
        """What is wrong with the last document, without being a reason to stop."""
        self.first_line = 1
        """Line of the last document's first token."""

    def document(self) -> tuple[Any, Any]:
        """The next document's value, and the mark of its end.

        Raises:
            _DocumentError: nothing can be made of the document.
        """
        self._anchors, self._open_anchors, self.faults = {}, set(), []
        event = self._next()
        self.first_line = event.start_mark.line + 1
        if isinstance(event, DocumentEndEvent):
            return None, event.end_mark
        value, _ = self._node(event, 0)
        return value, self._next().end_mark

    def _node(self, event: Any, depth: int) -> tuple[Any, int]:
        """The value that begins with *event*, and how many values it has with its aliases written out."""
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        if event.tag is not None and event.tag not in _KNOWN_TAGS:
            raise _DocumentError(
                event.start_mark.line + 1,
                f"the YAML tag {event.tag} means nothing to Kubernetes.",
                "Leave it out; bytes that are not text are `body_base64` of a request."
                if event.tag == _BINARY_TAG
                else "Leave it out.",
            )
        if kind is ScalarEvent:
            value, size = self._scalar(event), 1
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, size)
            return value, size
        if depth >= DEEPEST_NESTING:
            raise _DocumentError(
                event.start_mark.line + 1, f"nested more than {DEEPEST_NESTING} levels deep."
            )
        if event.anchor is not None:
            self._open_anchors.add(event.anchor)
        value, size = (self._mapping if kind is MappingStartEvent else self._sequence)(depth + 1)
        if event.anchor is not None:
            self._open_anchors.discard(event.anchor)
            self._anchors[event.anchor] = (value, size)
        return value, size

    @staticmethod
    def _scalar(event: Any) -> Any:
        if event.implicit[0]:
            return resolve(event.value)
        if event.tag is None or event.tag in (_STRING_TAG, "!"):
            return event.value
        return resolve(event.value)

    def _alias(self, event: Any) -> tuple[Any, int]:
        line = event.start_mark.line + 1
        if event.anchor in self._open_anchors:
            raise _DocumentError(line, f"the alias *{event.anchor} is inside of what it represents.")
        if event.anchor not in self._anchors:
            raise _DocumentError(line, f"the alias *{event.anchor} has no anchor &{event.anchor} before it.")
        value, size = self._anchors[event.anchor]
        self._expanded += size
        if self._expanded > MOST_VALUES_BY_ALIASES:
            raise _DocumentError(
                line,
                f"the aliases of this file represent more than {MOST_VALUES_BY_ALIASES} values.",
                "Write the values out, or split the file.",
            )
        return value, size

    def _sequence(self, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        total = 1
        while not isinstance(event := self._next(), SequenceEndEvent):
            value, size = self._node(event, depth)
            items.append(value)
            total += size
        return items, total

    def _mapping(self, depth: int) -> tuple[dict[str, Any], int]:
        entries: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        total = 1
        while type(key_event := self._next()) is not MappingEndEvent:
            line = key_event.start_mark.line + 1
            is_merge = type(key_event) is ScalarEvent and key_event.value == _MERGE and key_event.implicit[0]
            key, key_size = self._node(key_event, depth)
            value, size = self._node(self._next(), depth)
            total += key_size + size
            if is_merge:
                merged += self._sources(value, line)
                continue
            name = None if isinstance(key, list | dict) else key_text(key)
            if name is None:
                raise _DocumentError(line, "a key must be a text.")
            if name in entries:
                self.faults.append(
                    _DocumentError(line, f'the key "{name}" is written twice.', "Keep one of the two.")
                )
            entries[name] = value
        if merged:
            entries = {**_first_wins(merged), **entries}
        return entries, total

    @staticmethod
    def _sources(value: Any, line: int) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise _DocumentError(line, "only an object, or a list of objects, can be merged with <<.")
        return sources


def _first_wins(sources: list[dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for source in reversed(sources):
        result.update(source)
    return result


def _entries_of(node: Any) -> dict[str, tuple[Any, Any]]:
    """Index mark and value by key; what is written in the mapping itself comes before what is merged in."""
    entries: dict[str, tuple[Any, Any]] = {}
    mappings, seen = [node], set()
    while mappings:
        mapping = mappings.pop(0)
        if not isinstance(mapping, yaml.MappingNode) or id(mapping) in seen:
            continue
        seen.add(id(mapping))
        for key, value in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value == _MERGE:
                mappings += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            entries.setdefault(key.value, (key.start_mark, value))
            if not key.style and (name := key_text(resolve(key.value))) is not None:
                entries.setdefault(name, (key.start_mark, value))
    return entries


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        what = str(getattr(error, "problem", "") or "it cannot be read")
        context = getattr(error, "context", None)
        remedy = None
        if _is_about_a_tab(text, mark):
            remedy = "YAML is indented with spaces: replace the tab."
        said = f"{context}: {what}" if context else what
        return _unreadable(Position(file, mark.line + 1), f"not valid YAML: {said}.", remedy)
    # A reader's error (a control character) has an offset in UTF-8 and no mark.
    offset = getattr(error, "position", 0) or 0
    line = text.encode("utf-8", "surrogatepass")[:offset].count(b"\n") + 1
    reason = getattr(error, "reason", error)
    return _unreadable(Position(file, line), f"not valid YAML: {reason}.", "Remove the character.")


def _unreadable(where: Position, what: str, remedy: str | None) -> Problem:
    return Problem(where, what, remedy, code=Code.UNREADABLE)


def _is_about_a_tab(text: str, mark: yaml.Mark) -> bool:
    """Whether a tab is at *mark*, or begins its line."""
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    return "\t" in line[: len(line) - len(line.lstrip())] or line[mark.column : mark.column + 1] == "\t"
