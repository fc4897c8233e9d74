"""The schema versions of ``result.json``, and how a result of an older one is read today.

1. Failure reasons, books of the ledger and their causes were sentences; the null-target baseline was called
   floor; what a metric of a comparison belongs to was read off its name.
2. Reasons, books, causes, damages and notes are codes with data (``bench.result.reasons``,
   ``bench.result.ledger_codes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bench.result.ledger_codes import Book, Cause, DamageCode, NoteCode
from bench.result.reasons import Reason, ReasonCode

SCHEMA_VERSION: Final = 2

_BOOKS: Final[Mapping[str, Book]] = {
    "client": Book.CLIENT,
    "client to sidecar": Book.CLIENT_TO_SIDECAR,
    "sidecar listener": Book.SIDECAR_LISTENER,
    "sidecar routing": Book.SIDECAR_ROUTING,
    "sidecar to gateway": Book.SIDECAR_TO_GATEWAY,
    "gateway listener": Book.GATEWAY_LISTENER,
    "gateway routing": Book.GATEWAY_ROUTING,
    "node of each request": Book.RIGHT_NODES,
    "sidecar response flags": Book.SIDECAR_FLAGS,
    "gateway response flags": Book.GATEWAY_FLAGS,
    "matching": Book.MATCHING,
}
_TO_NODES: Final = "gateway to "
_CAUSES: Final[Mapping[str, Cause]] = {
    "retry": Cause.RETRY,
    "reset": Cause.RESET,
    "timeout": Cause.TIMEOUT,
    "overflow (UO)": Cause.OVERFLOW,
    "no route (NR)": Cause.NO_ROUTE,
    "no cluster (NC)": Cause.NO_CLUSTER,
    "no healthy upstream (UH)": Cause.NO_HEALTHY_UPSTREAM,
    "upstream failure (UF)": Cause.UPSTREAM_FAILURE,
    "answered by the proxy": Cause.DIRECT_ANSWER,
    "fault injected (FI)": Cause.FAULT_INJECTED,
    "client left (DC)": Cause.CLIENT_LEFT,
    "cancelled before it had a connection": Cause.CANCELLED,
    "rejected before routing": Cause.REJECTED,
    "mirrored copy": Cause.MIRROR,
    "never reached the proxy": Cause.NOT_CONNECTED,
    "unsent": Cause.UNSENT,
    "drained": Cause.DRAINED,
    "in flight at the end": Cause.IN_FLIGHT,
    "not of this run": Cause.FOREIGN,
}
_DAMAGES: Final[Mapping[str, DamageCode]] = {
    "counters reset by a restart": DamageCode.COUNTERS_RESET,
    "counters missing": DamageCode.COUNTERS_MISSING,
    "log truncated or rotated": DamageCode.LOG_TRUNCATED,
    "log line broken": DamageCode.LOG_LINE_BROKEN,
    "duplicate ids": DamageCode.LOG_LINE_BROKEN,
}

Json = dict[str, Any]


def upgrade(document: Json) -> Json:
    """A document of any older version in the form of ``SCHEMA_VERSION``.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not what its version says.
    """
    return _from_1(document) if document["schema_version"] == 1 else document


def _from_1(old: Json) -> Json:
    new = {**old, "schema_version": 2}
    new["trials"] = [_trial(trial) for trial in old.get("trials", ())]
    new["totals"] = [_subset(subset) for subset in old.get("totals", ())]
    new["comparisons"] = [
        {**each, "scope": "process" if each["metric"].endswith(" memory") else "load"}
        for each in old.get("comparisons", ())
    ]
    new["examples"] = [{**each, "reason": _reason(each["reason"])} for each in old.get("examples", ())]
    if old.get("generator") is not None:
        generator = dict(old["generator"])
        generator["null_target_baseline"] = generator.pop("floor", None)
        new["generator"] = generator
    return new


def _trial(old: Json) -> Json:
    new = {**old, "subsets": [_subset(each) for each in old["subsets"]], "total": _subset(old["total"])}
    if old.get("ledger") is not None:
        new["ledger"] = {**old["ledger"], "books": [_book(book) for book in old["ledger"]["books"]]}
    return new


def _subset(old: Json) -> Json:
    return {**old, "reasons": {_reason(text): count for text, count in old.get("reasons", {}).items()}}


def _reason(text: str) -> str:
    return Reason(ReasonCode.UNKNOWN, text).key


def _book(old: Json) -> Json:
    new = {key: value for key, value in old.items() if key not in ("left_name", "right_name")}
    name = str(old["book"])
    if name.startswith(_TO_NODES):
        nodes = name.removeprefix(_TO_NODES).split(", ")
        new |= {"book": Book.GATEWAY_TO_NODES, "nodes": [] if nodes == ["nodes"] else nodes}
    else:
        new["book"] = _BOOKS[name]
    new["named"] = {_CAUSES[cause]: count for cause, count in old.get("named", {}).items()}
    new["damages"] = [_damage(text) for text in old.get("damages", ())]
    for key in ("examples", "remarks"):
        new[key] = [{"code": NoteCode.TEXT, "detail": text} for text in old.get(key, ())]
    return new


def _damage(text: str) -> Json:
    fault, _, detail = text.partition(": ")
    return {"code": _DAMAGES[fault], "detail": detail}
