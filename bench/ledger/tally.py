"""One log as arrays over sequence numbers: who was seen, how often, with which end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bench.ledger.clock import ClockWatch
from bench.ledger.lines import Column, LineReader, unquoted

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
CodeNumbers = npt.NDArray[np.unsignedinteger[Any]]
"""Codes, of the smallest type that holds all that were given out: runs have millions of ids."""

_MOST_EXAMPLES = 5
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive sequence numbers: a stage of a run."""

    first: int
    size: int


@dataclass(frozen=True, slots=True)
class Ids:
    """All ids of a window: ``run_id/sequence`` with sequences of the spans."""

    run_id: str
    spans: tuple[Span, ...]

    @property
    def size(self) -> int:
        """How many ids there are."""
        return sum(span.size for span in self.spans)

    def indexes(self, sequences: Ints) -> Ints:
        """Place of each sequence number in the arrays; -1 for one that is in no span."""
        found = np.full(sequences.shape, -1, dtype=np.int64)
        offset = 0
        for span in self.spans:
            inside = (sequences >= span.first) & (sequences < span.first + span.size)
            found[inside] = sequences[inside] - span.first + offset
            offset += span.size
        return found

    def name(self, index: int) -> str:
        """The id at a place, as the header carries it but for leading zeros."""
        for span in self.spans:
            if index < span.size:
                return f"{self.run_id}/{span.first + index}"
            index -= span.size
        raise IndexError(index)


class Codes(dict[bytes, int]):
    """Numbers for texts, from 0, given out as they come."""

    def __missing__(self, key: bytes) -> int:
        code = len(self)
        self[key] = code
        return code

    @property
    def texts(self) -> list[str]:
        """The text of each code."""
        return [unquoted(key).decode("utf-8", "replace") for key in self]


def code_type(count: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest type that holds the codes from 0 to *count* - 1."""
    return np.min_scalar_type(max(0, count - 1))


@dataclass(slots=True, eq=False)
class LogTally:
    """What one log says of each id. Memory: 6 bytes for each id; with more than 256 clusters one more."""

    name: str
    ids: Ids
    count: Bytes
    """Lines of each id; 255 represents all above."""
    status: npt.NDArray[np.int16]
    """Of the last line."""
    flags: CodeNumbers
    """Code of the response flags of the last line."""
    cluster: CodeNumbers
    """Code of the cluster of the last line."""
    attempts: Bytes
    """Upstream attempts of all lines together; 255 represents all above."""
    flag_codes: Codes
    cluster_codes: Codes
    lines: int = 0
    """Rows of this run within the spans."""
    foreign: int = 0
    """Rows without an id of this run."""
    strangers: int = 0
    """Rows of this run with a sequence number of no span."""
    odd_lines: int = 0
    """Lines that are not rows."""
    first_odd: str = ""
    torn: str = ""
    clock_steps: int = 0
    largest_step_s: float = 0.0
    examples: list[str] = field(default_factory=list)
    """Ids of strangers."""

    @property
    def duplicates(self) -> int:
        """Ids with more than one line."""
        return int(np.count_nonzero(self.count > 1))


PROXY_FIELDS = ("id", "time", "status", "flags", "cluster", "attempts")
"""Names in a proxy's log; ``time`` in seconds or microseconds since the epoch."""
NODE_FIELDS = ("id", "time", "status")
"""Names in a node's log."""


class Watch(Protocol):
    """Somebody else who wants fields of the same lines: to read millions of them twice takes its time."""

    fields: tuple[str, ...]
    """None of the tally's own."""

    def add(self, ids: Column, columns: Sequence[Column]) -> None:
        """Take in some lines: their ids, and the values of ``fields``."""


def tally_log(
    name: str,
    chunks: Iterable[bytes],
    ids: Ids,
    *,
    fields: Sequence[str] = PROXY_FIELDS,
    watch: Watch | None = None,
) -> LogTally:
    """Read a whole log from its chunks; *fields* are ``PROXY_FIELDS`` or ``NODE_FIELDS``.

    A line without the fields of *watch* is not a row either.
    """
    size = ids.size
    tally = LogTally(
        name,
        ids,
        np.zeros(size, np.uint8),
        np.zeros(size, np.int16),
        np.zeros(size, np.uint8),
        np.zeros(size, np.uint8),
        np.zeros(size, np.uint8),
        Codes(),
        Codes(),
    )
    reader = LineReader((*fields, *watch.fields) if watch is not None else fields)
    prefix = f"{ids.run_id}/".encode()
    clock = ClockWatch()
    for columns in reader.batches(chunks):
        clock.add(_times(columns[1]))
        _add(tally, columns[: len(fields)], prefix)
        if watch is not None:
            watch.add(columns[0], columns[len(fields) :])
    clock.end()
    tally.clock_steps, tally.largest_step_s = clock.steps, clock.largest_s
    tally.odd_lines = reader.odd.lines
    tally.first_odd = reader.odd.first
    tally.torn = reader.odd.torn
    return tally


def merged(tallies: Sequence[LogTally]) -> LogTally:
    """One tally of several logs of the same ids, such as those of all sidecars; of one, that itself.

    Raises:
        ValueError: there is none.
    """
    first, *others = tallies
    if not others:
        return first
    whole = LogTally(
        " and ".join(each.name for each in tallies),
        first.ids,
        np.zeros_like(first.count),
        np.zeros_like(first.status),
        np.zeros(first.ids.size, np.uint8),
        np.zeros(first.ids.size, np.uint8),
        np.zeros_like(first.attempts),
        Codes(),
        Codes(),
    )
    for each in tallies:
        here = each.count > 0
        whole.status[here] = each.status[here]
        flags = _recoded(each.flag_codes, whole.flag_codes)
        whole.flags = _wide_enough(whole.flags, whole.flag_codes)
        whole.flags[here] = flags[each.flags[here]]
        clusters = _recoded(each.cluster_codes, whole.cluster_codes)
        whole.cluster = _wide_enough(whole.cluster, whole.cluster_codes)
        whole.cluster[here] = clusters[each.cluster[here]]
        for sums, more in ((whole.count, each.count), (whole.attempts, each.attempts)):
            np.minimum(sums.astype(np.uint16) + more, 255, out=sums, casting="unsafe")
        whole.lines += each.lines
        whole.foreign += each.foreign
        whole.strangers += each.strangers
        whole.odd_lines += each.odd_lines
        whole.first_odd = whole.first_odd or each.first_odd
        whole.torn = whole.torn or each.torn
        whole.clock_steps += each.clock_steps
        whole.largest_step_s = max(whole.largest_step_s, each.largest_step_s)
        whole.examples += each.examples
    return whole


def _recoded(own: Codes, common: Codes) -> Ints:
    """The code in *common* of each code in *own*."""
    return np.array([common[text] for text in own], np.int64)


def _wide_enough(codes: CodeNumbers, known: Codes) -> CodeNumbers:
    """The same codes in an array that holds all that are *known* now."""
    needed = code_type(len(known))
    return codes if codes.dtype.itemsize >= needed.itemsize else codes.astype(needed)


def _add(tally: LogTally, columns: list[Column], prefix: bytes) -> None:
    quoted = b'"' + prefix
    start = len(quoted)
    numbers = [
        number
        if raw.startswith(quoted) and (number := raw[start:-1]).isdigit() and len(number) <= _LONGEST_NUMBER
        else b"-1"
        for raw in columns[0]
    ]
    sequences = np.array(numbers, dtype=f"S{_LONGEST_NUMBER}").astype(np.int64)
    places = tally.ids.indexes(sequences)
    ours = places >= 0
    tally.foreign += int(np.count_nonzero(sequences < 0))
    stray = (sequences >= 0) & ~ours
    tally.strangers += int(np.count_nonzero(stray))
    for sequence in sequences[stray][: _MOST_EXAMPLES - len(tally.examples)]:
        tally.examples.append(f"{tally.ids.run_id}/{sequence}")
    where = places[ours]
    tally.lines += int(where.size)
    _count(tally.count, where, np.ones(where.size, np.int64))
    tally.status[where] = _numbers(columns[2])[ours]
    if len(columns) > len(NODE_FIELDS):
        tally.flags = _with_codes(tally.flags, where, tally.flag_codes, columns[3], ours)
        tally.cluster = _with_codes(tally.cluster, where, tally.cluster_codes, columns[4], ours)
        _count(tally.attempts, where, _numbers(columns[5])[ours].astype(np.int64))


def _with_codes(
    codes: CodeNumbers, where: Ints, known: Codes, column: Column, ours: npt.NDArray[np.bool_]
) -> CodeNumbers:
    """*codes* with those of the texts of *column* in their places."""
    numbers = np.array([known[text] for text in column], np.int64)[ours]
    wide = _wide_enough(codes, known)
    wide[where] = numbers
    return wide


def _count(totals: Bytes, where: Ints, amounts: Ints) -> None:
    """Add up to 255 and stay there: a number that wraps around could look right again."""
    places, inverse = np.unique(where, return_inverse=True)
    sums = np.bincount(inverse, weights=amounts, minlength=places.size).astype(np.int64)
    totals[places] = np.minimum(totals[places].astype(np.int64) + sums, 255).astype(np.uint8)


class _Numbers(dict[bytes, int]):
    """Small numbers by their JSON text; anything else is 0."""

    def __missing__(self, key: bytes) -> int:
        text = unquoted(key)
        value = int(text) if text.isdigit() and len(text) <= 4 else 0
        if len(self) < 10_000:
            self[key] = value
        return value


_KNOWN_NUMBERS = _Numbers()


def _numbers(column: Column) -> npt.NDArray[np.int16]:
    known = _KNOWN_NUMBERS
    return np.array([known[text] for text in column], np.int16)


def _times(column: Column) -> npt.NDArray[np.float64]:
    texts = [text.strip(b'"') for text in column] if column[0].startswith(b'"') else column
    try:
        return np.array(texts, dtype="S32").astype(np.float64)
    except ValueError:
        return np.zeros(0)
