"""Level ``full``: each request id followed through client, sidecar, gateway and nodes.

Every id is judged alone, so a loss never hides behind a ghost. A hop's log says how many attempts it made
(``%UPSTREAM_REQUEST_ATTEMPT_COUNT%``); the next hop must have seen each of them, unless the response flag
says why not. What no flag and no count of the client excuses is unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.ledger.balance import Account, Balance, Cause, Damage, Fault, Residual
from bench.ledger.flags import FLAG_CAUSES, cause_of_flags
from bench.ledger.tally import Bytes, Ids, LogTally

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
_MOST_EXAMPLES = 5
_FEW = 10
"""So many requests in a row may be lost at an end without the log being cut."""
# Flags whose last attempt never was, or need not be, in the next hop's log.
_LOST_ON_THE_WAY = frozenset(
    {
        Cause.UPSTREAM_FAILURE,
        Cause.RESET,
        Cause.TIMEOUT,
        Cause.CLIENT_LEFT,
        Cause.OVERFLOW,
        Cause.NO_HEALTHY_UPSTREAM,
        Cause.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class ClientIds:
    """What the load generator says of the ids of a window."""

    ids: Ids
    sent: int
    unsent: int
    not_connected: int = 0
    in_flight: int = 0
    wanted: Bytes | None = None
    """For each id, which entry of ``wants`` must answer it; None: not checked here."""
    wants: tuple[tuple[str, ...], ...] = ()
    """Names of the nodes that may answer."""


@dataclass(frozen=True, slots=True)
class Logs:
    """The tallies of all logs; all of the same ids."""

    sidecar: LogTally
    gateway: LogTally
    nodes: tuple[LogTally, ...]
    to_gateway: frozenset[str]
    """The sidecar's clusters that lead to the gateway."""
    cluster_nodes: Mapping[str, tuple[str, ...]]
    """The gateway's clusters -> names of their nodes."""


def account_of_ids(client: ClientIds, logs: Logs) -> Account:
    """Match everything.

    Raises:
        ValueError: the tallies are not all of the client's ids.
    """
    tallies = (logs.sidecar, logs.gateway, *logs.nodes)
    if any(tally.ids != client.ids for tally in tallies):
        raise ValueError("all logs must be tallied for the client's ids")
    at_nodes = _AtNodes.of(logs.nodes, client.ids.size)
    return Account(
        "full",
        (
            _client_to_sidecar(client, logs.sidecar),
            _hop(
                "sidecar to gateway",
                logs.sidecar,
                _attempts(logs.sidecar, logs.to_gateway),
                logs.gateway.count,
                {logs.gateway: np.ones(client.ids.size, np.bool_)},
            ),
            _hop(
                "gateway to nodes",
                logs.gateway,
                _attempts(logs.gateway, frozenset(logs.cluster_nodes)),
                at_nodes.count,
                {node: _meant_for(node.name, logs) for node in logs.nodes},
            ),
            _right_nodes(client, logs, at_nodes),
            _flags("sidecar response flags", logs.sidecar),
            _flags("gateway response flags", logs.gateway),
        ),
    )


@dataclass(frozen=True, slots=True)
class _AtNodes:
    """All nodes together."""

    count: Bytes
    node: Bytes
    """Index of the last node that saw the id."""
    several: Mask
    """More than one node saw it."""

    @classmethod
    def of(cls, nodes: Sequence[LogTally], size: int) -> _AtNodes:
        count = np.zeros(size, np.uint16)
        node = np.zeros(size, np.uint8)
        seen = np.zeros(size, np.uint8)
        for index, tally in enumerate(nodes):
            here = tally.count > 0
            count += tally.count
            node[here] = index
            seen += here
        return cls(np.minimum(count, 255).astype(np.uint8), node, seen > 1)


def _client_to_sidecar(client: ClientIds, sidecar: LogTally) -> Balance:
    missing = int(np.count_nonzero(sidecar.count == 0))
    twice = sidecar.count > 1
    rest = missing
    residuals = []
    for cause, most in (
        (Cause.UNSENT, client.unsent),
        (Cause.NOT_CONNECTED, client.not_connected),
        (Cause.IN_FLIGHT, client.in_flight),
    ):
        taken = min(rest, most)
        rest -= taken
        residuals.append(Residual(cause, taken))
    extra = int(sidecar.count[twice].astype(np.int64).sum()) - int(np.count_nonzero(twice))
    examples = [*_named(client.ids, twice, "twice at the sidecar"), *_strangers(sidecar)]
    if rest:
        lost = sidecar.count == 0
        examples = [*_named(client.ids, lost, "not in the sidecar's log"), *examples]
    # What was not sent must be missing: an id less than that was sent without being counted.
    ghosts = max(0, client.unsent - missing)
    gap = abs(client.ids.size - client.sent - client.unsent)
    return Balance(
        "client to sidecar",
        "due",
        client.ids.size,
        "read by the sidecar",
        sidecar.lines,
        _without_zero(residuals),
        (*_damages(sidecar), *(_cut(sidecar, sidecar.count == 0) if rest else ())),
        rest + extra + sidecar.strangers + ghosts + gap,
        tuple(examples),
        _remarks(sidecar),
    )


def _attempts(tally: LogTally, clusters: frozenset[str]) -> Bytes:
    """Attempts of each id that must show at the next hop: those to *clusters* only."""
    leads_on = np.zeros(256, np.bool_)
    for code, name in enumerate(tally.cluster_codes.texts):
        leads_on[code] = name in clusters
    return np.where(leads_on[tally.cluster] & (tally.count > 0), tally.attempts, 0).astype(np.uint8)


def _meant_for(node: str, logs: Logs) -> Mask:
    """The ids that the gateway sent to a cluster with *node* in it."""
    leads_there = np.zeros(256, np.bool_)
    for code, name in enumerate(logs.gateway.cluster_codes.texts):
        leads_there[code] = node in logs.cluster_nodes.get(name, ())
    meant: Mask = leads_there[logs.gateway.cluster] & (logs.gateway.count > 0)
    return meant


def _hop(
    book: str, before: LogTally, attempts: Bytes, seen: Bytes, after: Mapping[LogTally, Mask]
) -> Balance:
    """*after* says of each log behind the hop which ids may be in it."""
    gap = np.maximum(attempts.astype(np.int64) - seen, 0)
    residuals, lost = _excused(before, attempts, gap)
    extra = np.maximum(seen.astype(np.int64) - attempts, 0)
    strangers = sum(tally.strangers for tally in after)
    examples = [
        *_named(before.ids, lost > 0, f"sent on by {before.name} and not seen after it"),
        *_named(before.ids, extra > 0, f"seen more often after {before.name} than it was sent"),
        *(text for tally in after for text in _strangers(tally)),
    ]
    damages = [damage for tally in (before, *after) for damage in _damages(tally)]
    for tally, meant in after.items():
        damages += _cut(tally, (lost > 0) & meant)
    # Ids that come out of nowhere: the log before the hop may be the one that was cut.
    damages += _cut(before, (extra > 0) & (before.count == 0))
    return Balance(
        book,
        f"attempts of {before.name}",
        int(attempts.sum(dtype=np.int64)),
        "seen after it",
        int(seen.sum(dtype=np.int64)),
        residuals,
        tuple(damages),
        int(lost.sum()) + int(extra.sum()) + strangers,
        tuple(examples[: 2 * _MOST_EXAMPLES]),
        tuple(text for tally in after for text in _remarks(tally)),
    )


def _excused(before: LogTally, attempts: Bytes, gap: Numbers) -> tuple[tuple[Residual, ...], Numbers]:
    """What flags say of each missing attempt, and the attempts of each id that stay missing."""
    lost = gap.copy()
    residuals: list[Residual] = []
    for code, text in enumerate(before.flag_codes.texts):
        where = np.flatnonzero((gap > 0) & (before.flags == code))
        if not where.size:
            continue
        missing, tried = gap[where], attempts[where].astype(np.int64)
        cause = cause_of_flags(text)
        # The last attempt is excused by its flag, those before it by having been tried again.
        last = np.minimum(missing, 1) if cause in _LOST_ON_THE_WAY else np.zeros_like(missing)
        retried = np.minimum(missing - last, tried - 1)
        lost[where] = missing - last - retried
        if cause is not None:
            residuals.append(Residual(cause, int(last.sum())))
        residuals.append(Residual(Cause.RETRY, int(retried.sum())))
    return _added_up(residuals), lost


def _right_nodes(client: ClientIds, logs: Logs, at_nodes: _AtNodes) -> Balance:
    """Whether each id is at a node that its cluster, and the client, allow."""
    gateway, nodes = logs.gateway, logs.nodes
    names = [tally.name for tally in nodes]
    allowed = np.zeros((256, 256), np.bool_)
    for code, cluster in enumerate(gateway.cluster_codes.texts):
        for index, name in enumerate(names):
            allowed[code, index] = name in logs.cluster_nodes.get(cluster, ())
    arrived = at_nodes.count > 0
    right = allowed[gateway.cluster, at_nodes.node] & (gateway.count > 0)
    wrong = arrived & ~right
    examples = _named(client.ids, wrong, "at a node that its cluster does not have")
    if client.wanted is not None:
        may = np.zeros((256, 256), np.bool_)
        for row, wanted in enumerate(client.wants):
            for index, name in enumerate(names):
                may[row, index] = name in wanted
        misrouted = arrived & ~may[client.wanted, at_nodes.node]
        examples = [*_named(client.ids, misrouted, "at a node that must not answer it"), *examples]
        wrong |= misrouted
    # Retries may reach a second node of one cluster; only that of the last is known here.
    several = at_nodes.several & (gateway.attempts < 2)
    examples += _named(client.ids, several, "at several nodes without a retry")
    wrong |= several
    seen = int(np.count_nonzero(arrived))
    return Balance(
        "node of each request",
        "ids at a node",
        seen,
        "at the right node",
        seen - int(np.count_nonzero(wrong)),
        damages=tuple(damage for tally in (gateway, *nodes) for damage in _damages(tally)),
        unexplained=int(np.count_nonzero(wrong)),
        examples=tuple(examples[: 2 * _MOST_EXAMPLES]),
    )


def _flags(book: str, tally: LogTally) -> Balance:
    seen = tally.count > 0
    residuals: list[Residual] = []
    plain = unexplained = 0
    examples: list[str] = []
    for code, text in enumerate(tally.flag_codes.texts):
        here = int(np.count_nonzero(seen & (tally.flags == code)))
        cause = cause_of_flags(text)
        if cause is not None:
            residuals.append(Residual(cause, here))
        elif text in FLAG_CAUSES or text in ("", "-"):
            plain += here
        elif here:
            unexplained += here
            examples.append(f"{here} lines with the flags {text}")
    return Balance(
        book,
        "ids in the log",
        int(np.count_nonzero(seen)),
        "without a flag that ends a request",
        plain,
        _added_up(residuals),
        _damages(tally),
        unexplained,
        tuple(examples),
    )


def _damages(tally: LogTally) -> tuple[Damage, ...]:
    found = []
    if tally.torn:
        found.append(Damage(Fault.LOG_TRUNCATED, f"{tally.name}: the last line has no end: {tally.torn!r}"))
    if tally.odd_lines:
        what = f"{tally.name}: {tally.odd_lines} lines are none of a log, such as {tally.first_odd!r}"
        found.append(Damage(Fault.LOG_LINE_BROKEN, what))
    return tuple(found)


def _cut(tally: LogTally, lost: Mask) -> tuple[Damage, ...]:
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
    return (Damage(Fault.LOG_TRUNCATED, f"{tally.name}: {what}"),)


def _remarks(tally: LogTally) -> tuple[str, ...]:
    found = []
    if tally.foreign:
        found.append(f"{tally.name}: {tally.foreign} lines are not of this run")
    if tally.duplicates:
        found.append(f"{tally.name}: {tally.duplicates} ids have more than one line")
    if tally.clock_steps:
        found.append(
            f"{tally.name}: its clock went back {tally.clock_steps} times, by up to "
            f"{tally.largest_step_s:.1f} s"
        )
    return tuple(found)


def _strangers(tally: LogTally) -> Iterator[str]:
    for example in tally.examples:
        yield f"{example}: in the log of {tally.name}, and never due"


def _named(ids: Ids, mask: Mask, what: str) -> list[str]:
    return [f"{ids.name(int(place))}: {what}" for place in np.flatnonzero(mask)[:_MOST_EXAMPLES]]


def _without_zero(residuals: Sequence[Residual]) -> tuple[Residual, ...]:
    return tuple(residual for residual in residuals if residual.count)


def _added_up(residuals: Sequence[Residual]) -> tuple[Residual, ...]:
    totals: dict[Cause, int] = {}
    for residual in residuals:
        totals[residual.cause] = totals.get(residual.cause, 0) + residual.count
    return tuple(Residual(cause, count) for cause, count in totals.items() if count)
