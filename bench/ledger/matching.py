"""Level ``full``: each request id followed through client, sidecar, gateway and nodes.

Every id is judged alone, so a loss never hides behind a ghost. A hop's log says how many attempts it made
(``%UPSTREAM_REQUEST_ATTEMPT_COUNT%``); the next hop must have seen each of them, unless the response flag
says why not. What neither a flag nor the client's own word on that very id excuses is unexplained.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.ledger.balance import Account, Balance, Residual, added_up
from bench.ledger.client_ids import ClientIds, End
from bench.ledger.flags import FLAG_CAUSES, cause_of_flags
from bench.ledger.notes import MOST_EXAMPLES, cut, damages, named, remarks, strangers, unknown_ids
from bench.ledger.tally import Bytes, CodeNumbers, LogTally, code_type
from bench.result import Book, Cause, LedgerNote, NoteCode

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
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
_ANSWER_BEGAN = frozenset({Cause.RESET, Cause.TIMEOUT})
"""Causes that excuse a lost attempt only as long as no answer to it had begun: then somebody has read it."""


@dataclass(frozen=True, slots=True)
class Logs:
    """The tallies of all logs; all of the same ids."""

    sidecar: LogTally
    """Of all sidecars together."""
    gateway: LogTally | None
    """Of the gateway and its replicas together; None: sidecars lead to the nodes themselves."""
    nodes: tuple[LogTally, ...]
    to_gateway: frozenset[str]
    """The sidecar's clusters that lead to the gateway."""
    cluster_nodes: Mapping[str, tuple[str, ...]]
    """The clusters of whoever leads to the nodes -> names of their nodes."""

    @property
    def exit(self) -> LogTally:
        """The log before the nodes."""
        return self.gateway if self.gateway is not None else self.sidecar


def account_of_ids(client: ClientIds, logs: Logs) -> Account:
    """Match everything.

    Raises:
        ValueError: the tallies are not all of the client's ids.
    """
    if any(tally.ids != client.ids for tally in (logs.sidecar, logs.exit, *logs.nodes)) or (
        client.ends.size != client.ids.size
    ):
        raise ValueError("all logs must be tallied for the client's ids")
    at_nodes = _AtNodes.of(logs.nodes, client.ids.size)
    balances = [_client_to_sidecar(client, logs.sidecar)]
    if logs.gateway is not None:
        attempts = _attempts(logs.sidecar, logs.to_gateway)
        balances.append(
            _hop(
                Book.SIDECAR_TO_GATEWAY,
                logs.sidecar,
                attempts,
                logs.gateway.count,
                (logs.gateway,),
                meant_for=lambda _: np.ones(client.ids.size, np.bool_),
            )
        )
    balances += [
        _hop(
            Book.GATEWAY_TO_NODES if logs.gateway is not None else Book.SIDECAR_TO_NODES,
            logs.exit,
            _attempts(logs.exit, frozenset(logs.cluster_nodes)),
            at_nodes.count,
            logs.nodes,
            meant_for=lambda node: _meant_for(node.name, logs),
        ),
        _right_nodes(client, logs, at_nodes),
        _answers(client, logs, at_nodes),
        _flags(Book.SIDECAR_FLAGS, logs.sidecar),
    ]
    if logs.gateway is not None:
        balances.append(_flags(Book.GATEWAY_FLAGS, logs.gateway))
    return Account("full", tuple(balances))


@dataclass(frozen=True, slots=True)
class _AtNodes:
    """All nodes together."""

    count: Bytes
    node: CodeNumbers
    """Index of the last node that saw the id."""
    several: Mask
    """More than one node saw it."""

    @classmethod
    def of(cls, nodes: Sequence[LogTally], size: int) -> _AtNodes:
        count = np.zeros(size, np.uint16)
        node = np.zeros(size, code_type(len(nodes)))
        several = np.zeros(size, np.bool_)
        for index, tally in enumerate(nodes):
            here = tally.count > 0
            several |= here & (count > 0)
            node[here] = index
            np.minimum(count + tally.count, 255, out=count)
        return cls(count.astype(np.uint8), node, several)


def _client_to_sidecar(client: ClientIds, sidecar: LogTally) -> Balance:
    """Each id that was sent is in the sidecar's log once, unless its own connection ended unanswered."""
    seen = sidecar.count > 0
    twice = sidecar.count > 1
    lost = ~seen & client.of(End.ANSWERED, End.FAILED)
    ghosts = seen & client.of(End.UNSENT)
    extra = int(sidecar.count[twice].astype(np.int64).sum()) - int(np.count_nonzero(twice))
    residuals = [
        Residual(cause, int(np.count_nonzero(~seen & client.of(end))))
        for cause, end in (
            (Cause.UNSENT, End.UNSENT),
            (Cause.NOT_CONNECTED, End.UNANSWERED),
            (Cause.WORKER_LOST, End.UNKNOWN),
        )
    ]
    name, ids = sidecar.name, client.ids
    examples = [
        *named(ids, lost & client.of(End.ANSWERED), NoteCode.GHOST, name),
        *named(ids, lost & client.of(End.FAILED), NoteCode.NOT_LOGGED, name, "sent by the client"),
        *named(ids, ghosts, NoteCode.UNSENT_AND_LOGGED, name),
        *named(ids, twice, NoteCode.LOGGED_TWICE, name),
        *strangers(sidecar),
    ]
    return Balance(
        Book.CLIENT_TO_SIDECAR,
        client.ids.size,
        sidecar.lines,
        added_up(residuals),
        (*damages(sidecar), *unknown_ids(client), *cut(sidecar, lost)),
        int(np.count_nonzero(lost)) + int(np.count_nonzero(ghosts)) + extra + sidecar.strangers,
        tuple(examples[: 2 * MOST_EXAMPLES]),
        remarks(sidecar),
    )


def _answers(client: ClientIds, logs: Logs, at_nodes: _AtNodes) -> Balance:
    """Each right answer that a node must have given is of an id that a node has seen: else it is a ghost."""
    answered = client.of(End.ANSWERED)
    if client.wanted is not None:
        of_nodes = np.array([bool(nodes) for nodes in client.wants], np.bool_)
        answered &= of_nodes[client.wanted]
    else:
        # Whoever must answer is not known: a proxy may, if its log says that it did.
        answered &= logs.exit.count > 0
        answered &= _attempts(logs.exit, frozenset(logs.cluster_nodes)) > 0
    seen = answered & (at_nodes.count > 0)
    ghosts = answered & ~seen
    return Balance(
        Book.ANSWERS,
        int(np.count_nonzero(answered)),
        int(np.count_nonzero(seen)),
        damages=(
            *unknown_ids(client),
            *(damage for node in logs.nodes for damage in damages(node)),
            *(damage for node in logs.nodes for damage in cut(node, ghosts & _meant_for(node.name, logs))),
        ),
        unexplained=int(np.count_nonzero(ghosts)),
        examples=tuple(named(client.ids, ghosts, NoteCode.GHOST, "any node")),
    )


def _attempts(tally: LogTally, clusters: frozenset[str]) -> Bytes:
    """Attempts of each id that must show at the next hop: those to *clusters* only."""
    leads_on = _each_code([name in clusters for name in tally.cluster_codes.texts])
    return np.where(leads_on[tally.cluster] & (tally.count > 0), tally.attempts, 0).astype(np.uint8)


def _meant_for(node: str, logs: Logs) -> Mask:
    """The ids that the last proxy sent to a cluster with *node* in it."""
    leads_there = _each_code(
        [node in logs.cluster_nodes.get(name, ()) for name in logs.exit.cluster_codes.texts]
    )
    meant: Mask = leads_there[logs.exit.cluster] & (logs.exit.count > 0)
    return meant


def _each_code(holds: list[bool]) -> Mask:
    """Whether something holds, by code; ids without a line have code 0, which need not be given out."""
    return np.array(holds or [False], np.bool_)


def _hop(
    book: Book,
    before: LogTally,
    attempts: Bytes,
    seen: Bytes,
    after: Sequence[LogTally],
    *,
    meant_for: Callable[[LogTally], Mask],
) -> Balance:
    """*after* are the logs behind the hop, *meant_for* says of each which ids may be in it."""
    gap = np.maximum(attempts.astype(np.int64) - seen, 0)
    residuals, lost = _excused(before, attempts, gap)
    extra = np.maximum(seen.astype(np.int64) - attempts, 0)
    never_due = sum(tally.strangers for tally in after)
    examples = [
        *named(before.ids, lost > 0, NoteCode.LOST_BEHIND, before.name),
        *named(before.ids, extra > 0, NoteCode.SEEN_TOO_OFTEN, before.name),
        *(note for tally in after for note in strangers(tally)),
    ]
    harm = [damage for tally in (before, *after) for damage in damages(tally)]
    for tally in after if lost.any() else ():
        harm += cut(tally, (lost > 0) & meant_for(tally))
    # Ids that come out of nowhere: the log before the hop may be the one that was cut.
    harm += cut(before, (extra > 0) & (before.count == 0))
    return Balance(
        book,
        int(attempts.sum(dtype=np.int64)),
        int(seen.sum(dtype=np.int64)),
        residuals,
        tuple(harm),
        int(lost.sum()) + int(extra.sum()) + never_due,
        tuple(examples[: 2 * MOST_EXAMPLES]),
        tuple(note for tally in after for note in remarks(tally)),
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
        if cause in _ANSWER_BEGAN:
            status = before.status[where]
            last[(status > 0) & (status < 500)] = 0
        retried = np.minimum(missing - last, tried - 1)
        lost[where] = missing - last - retried
        if cause is not None:
            residuals.append(Residual(cause, int(last.sum())))
        residuals.append(Residual(Cause.RETRY, int(retried.sum())))
    return added_up(residuals), lost


def _right_nodes(client: ClientIds, logs: Logs, at_nodes: _AtNodes) -> Balance:
    """Whether each id is at a node that its cluster, and the client, allow."""
    gateway, nodes = logs.exit, logs.nodes
    names = [tally.name for tally in nodes]
    clusters = gateway.cluster_codes.texts
    allowed = _table([logs.cluster_nodes.get(cluster, ()) for cluster in clusters], names)
    arrived = at_nodes.count > 0
    right = allowed[gateway.cluster, at_nodes.node] & (gateway.count > 0)
    wrong = arrived & ~right
    examples = named(client.ids, wrong, NoteCode.NODE_OF_OTHER_CLUSTER)
    if client.wanted is not None:
        may = _table(client.wants, names)
        misrouted = arrived & ~may[client.wanted, at_nodes.node]
        examples = [*named(client.ids, misrouted, NoteCode.WRONG_NODE), *examples]
        wrong |= misrouted
    # Retries may reach a second node of one cluster; only that of the last is known here.
    several = at_nodes.several & (gateway.attempts < 2)
    examples += named(client.ids, several, NoteCode.SEVERAL_NODES)
    wrong |= several
    seen = int(np.count_nonzero(arrived))
    return Balance(
        Book.RIGHT_NODES,
        seen,
        seen - int(np.count_nonzero(wrong)),
        damages=tuple(damage for tally in (gateway, *nodes) for damage in damages(tally)),
        unexplained=int(np.count_nonzero(wrong)),
        examples=tuple(examples[: 2 * MOST_EXAMPLES]),
    )


def _table(rows: Sequence[Collection[str]], names: Sequence[str]) -> Mask:
    """For each of *rows* and each of *names*: whether the row has it. There is at least one of each."""
    places = {name: place for place, name in enumerate(names)}
    table = np.zeros((max(1, len(rows)), max(1, len(names))), np.bool_)
    for number, row in enumerate(rows):
        table[number, [places[name] for name in row if name in places]] = True
    return table


def _flags(book: Book, tally: LogTally) -> Balance:
    seen = tally.count > 0
    residuals: list[Residual] = []
    plain = unexplained = 0
    examples: list[LedgerNote] = []
    for code, text in enumerate(tally.flag_codes.texts):
        here = int(np.count_nonzero(seen & (tally.flags == code)))
        cause = cause_of_flags(text)
        if cause is not None:
            residuals.append(Residual(cause, here))
        elif text in FLAG_CAUSES or text in ("", "-"):
            plain += here
        elif here:
            unexplained += here
            examples.append(LedgerNote(code=NoteCode.UNKNOWN_FLAGS, part=tally.name, count=here, detail=text))
    return Balance(
        book,
        int(np.count_nonzero(seen)),
        plain,
        added_up(residuals),
        damages(tally),
        unexplained,
        tuple(examples),
    )
