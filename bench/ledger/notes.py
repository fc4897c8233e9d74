"""What is said of a book beside its sums: damaged evidence, examples, remarks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bench.ledger.client_ids import ClientIds
from bench.ledger.tally import Ids, LogTally
from bench.result import DamageCode, LedgerDamage, LedgerNote, NoteCode

Mask = npt.NDArray[np.bool_]
MOST_EXAMPLES = 5
_FEW = 10
"""This many requests in a row may be lost at an end without the log being cut."""


def damages(tally: LogTally) -> tuple[LedgerDamage, ...]:
    """What is wrong with a log by itself."""
    found = []
    if tally.torn:
        what = f"{tally.name}: the last line has no end: {tally.torn!r}"
        found.append(LedgerDamage(code=DamageCode.LOG_TRUNCATED, detail=what))
    if tally.odd_lines:
        what = f"{tally.name}: {tally.odd_lines} lines are not lines of a log, such as {tally.first_odd!r}"
        found.append(LedgerDamage(code=DamageCode.LOG_LINE_BROKEN, detail=what))
    return tuple(found)


def cut(tally: LogTally, lost: Mask) -> tuple[LedgerDamage, ...]:
    """Whether ids that *tally* should have are all missing before its first line, or after its last."""
    missing, seen = np.flatnonzero(lost), np.flatnonzero(tally.count)
    if missing.size < _FEW:
        return ()
    if not seen.size:
        what = f"none of {missing.size} ids is in it"
    elif (before := int(np.count_nonzero(missing < seen[0]))) >= _FEW:
        what = f"{before} ids before its first line are missing"
    elif (after := int(np.count_nonzero(missing > seen[-1]))) >= _FEW:
        what = f"{after} ids after its last line are missing"
    else:
        return ()
    return (LedgerDamage(code=DamageCode.LOG_TRUNCATED, detail=f"{tally.name}: {what}"),)


def remarks(tally: LogTally) -> tuple[LedgerNote, ...]:
    """What is worth knowing of a log."""
    found = []
    if tally.foreign:
        found.append(LedgerNote(code=NoteCode.FOREIGN_LINES, part=tally.name, count=tally.foreign))
    if tally.duplicates:
        found.append(LedgerNote(code=NoteCode.MANY_LINES, part=tally.name, count=tally.duplicates))
    if tally.clock_steps:
        step = f"{tally.largest_step_s:.1f}"
        found.append(
            LedgerNote(code=NoteCode.CLOCK_BACK, part=tally.name, count=tally.clock_steps, detail=step)
        )
    return tuple(found)


def strangers(tally: LogTally) -> Iterator[LedgerNote]:
    """Ids of this run that were never due."""
    for example in tally.examples:
        yield LedgerNote(code=NoteCode.NEVER_DUE, id=example, part=tally.name)


def named(ids: Ids, mask: Mask, code: NoteCode, part: str = "", detail: str = "") -> list[LedgerNote]:
    """The first few ids of *mask*."""
    return [
        LedgerNote(code=code, id=ids.name(int(place)), part=part, detail=detail)
        for place in np.flatnonzero(mask)[:MOST_EXAMPLES]
    ]


def unknown_ids(client: ClientIds) -> tuple[LedgerDamage, ...]:
    """Whether the client itself kept too little to know."""
    if client.has_all:
        return ()
    detail = "its right answers cannot be separated from the rest"
    return (LedgerDamage(code=DamageCode.CLIENT_IDS_MISSING, detail=detail),)
