"""Numbers on their way between processes: base64 of little-endian integers, fit for JSON and msgpack."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

import numpy as np

from bench.analysis.histogram import Ints, count_distinct

_FEW: Final = 32
"""Numbers that are counted before numpy has been called."""


def pack(numbers: Ints) -> tuple[str, str]:
    """Distinct *numbers* (8 bytes each) and how often each occurs (4 bytes each)."""
    if numbers.size <= _FEW:
        few: dict[int, int] = {}
        for number in sorted(numbers.tolist()):
            few[number] = few.get(number, 0) + 1
        return _text(struct.pack(f"<{len(few)}q", *few)), _text(struct.pack(f"<{len(few)}i", *few.values()))
    distinct, counts = count_distinct(numbers)
    return _text(distinct.astype("<i8").tobytes()), _text(counts.astype("<i4").tobytes())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def unpack(packed: tuple[str, str]) -> tuple[Ints, Ints]:
    """Inverse of ``pack``: distinct numbers and their counts."""
    distinct = np.frombuffer(base64.b64decode(packed[0]), dtype="<i8").astype(np.int64)
    counts = np.frombuffer(base64.b64decode(packed[1]), dtype="<i4").astype(np.int64)
    return distinct, counts


def pack_sequences(numbers: Ints) -> str:
    """Sequence numbers as the steps between them, deflated: mostly much less than a byte for each."""
    steps = np.diff(np.sort(numbers), prepend=0).astype("<i8").tobytes()
    return base64.b64encode(zlib.compress(steps, 1)).decode("ascii")


def unpack_sequences(text: str) -> Ints:
    """Inverse of ``pack_sequences``: in ascending order."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<i8")
    ascending: Ints = np.cumsum(steps, dtype=np.int64)
    return ascending
