"""The account of a trial: what each hop has counted before the load, and after all of it was answered.

Nothing is asked while requests are measured, so the counters cost the load nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from bench.errors import BenchError, MeasurementError
from bench.ledger import (
    BLIND_TO,
    Account,
    Balance,
    Books,
    Downstream,
    NodeBook,
    ProxyBook,
    Upstream,
    Window,
    account_of_counters,
    lost,
)
from bench.load import LoadOutcome, LoadPlan
from bench.measure.copies import Range
from bench.measure.request_matching import Matcher
from bench.measure.sent import client_counts, copies_at, passed_on, sent_past_sidecars, through
from bench.measure.topology import Topology
from bench.result import (
    Book,
    DamageCode,
    LedgerBook,
    LedgerDamage,
    LedgerLevel,
    LedgerResult,
    MissingBook,
    MissingCode,
)
from bench.stack import Component, Stack
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.telemetry import Admin, LogMark, wait_until_flushed

COUNTERS = (
    r"^(http\..*\.(downstream_rq_(total|completed|1xx|active|rx_reset)|downstream_cx_upgrades_total|rq_total|no_route|no_cluster"
    r"|rq_direct_response)|http\..*\.fault\.aborts_injected|cluster\..*\.upstream_(rq|cx)_.*|server\.uptime)$"
)
_OWN = ("http.admin.", "http.async-client.")
"""Envoy's own HTTP, which no request of the load passes."""
_MANAGER = (".downstream_rq_total", "http.")
_ACTIVE = ".downstream_rq_active"
_SETTLE_S = 1.0
"""So long may requests still be under way in a proxy after the client is done with all of its own."""
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Readings:
    """All hops at one moment; a proxy that did not answer has no counters."""

    counters: Mapping[str, Mapping[str, int]]
    instances: Mapping[str, str]
    """Proxy -> what distinguishes one life of its process from the next."""
    logs: Mapping[str, LogMark]
    """Part -> the end of its access log."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Requests of a trial at single parts; parts that cannot say are missing."""

    at_nodes: dict[str, int]
    at_gateways: dict[str, int]


class Bookkeeper:
    """Keeps the account of the trials on one stack."""

    def __init__(self, stack: Stack, topology: Topology, matcher: Matcher | None = None) -> None:
        """Keep the account at level ``counters``; with a *matcher* also at level ``full``."""
        self._stack = stack
        self._topology = topology
        self._matcher = matcher

    def read(self) -> Readings:
        """Read all hops; takes some 20 ms.

        Raises:
            StackError: a part that must run does not.
        """
        parts = [self._stack.component(name) for name in self._topology.proxies]
        return Readings(
            counters={part.name: _counters(part) for part in parts},
            instances={part.name: _instance(part) for part in parts},
            logs={
                part.name: LogMark.at_end(part.access_log)
                for part in self._stack.components()
                if part.access_log is not None
            },
        )

    def close(self, before: Readings, load: LoadPlan, outcome: LoadOutcome) -> LedgerResult:
        """Close the books of a trial whose load is over."""
        ended_at = time.monotonic()
        self._settle()
        nodes = [part for part in self._stack.components() if part.role == "node"]
        time.sleep(max(0.0, ended_at + 1.5 * FLUSH_INTERVAL_S - time.monotonic()))
        account, seen = self._account(before, nodes, load, outcome)
        if not account.is_balanced or self._matcher is not None:
            # A busy machine may flush late: look again when the logs are quiet for sure.
            self._flush()
            account, seen = self._account(before, nodes, load, outcome)
        counts = client_counts(outcome)
        books = [book_of(balance, "counters") for balance in account.balances]
        if self._matcher is None:
            return LedgerResult(
                level="counters",
                books=tuple(books),
                requests=counts.due,
                at_nodes=seen.at_nodes,
                at_gateways=seen.at_gateways,
                missing=_missing(load, self._topology),
                blind_to=BLIND_TO,
            )
        try:
            found = self._matcher.match(before.logs, load, outcome)
        except MeasurementError as error:
            damage = LedgerDamage(code=DamageCode.LOG_TRUNCATED, detail=str(error))
            books.append(book_of(lost(Book.MATCHING, (damage,)), "full"))
            return LedgerResult(
                level="full",
                books=tuple(books),
                requests=counts.due,
                at_nodes=seen.at_nodes,
                at_gateways=seen.at_gateways,
            )
        books += [book_of(balance, "full") for balance in found.account.balances]
        return LedgerResult(
            level="full",
            books=tuple(books),
            requests=counts.due,
            at_nodes=seen.at_nodes,
            at_gateways=seen.at_gateways,
            missing=_missing(load, self._topology),
            matching_s=found.seconds,
            log_bytes=found.log_bytes,
            matched=found.matched,
            misrouted=found.misrouted,
            misroute_upper_bound=found.upper_bound,
            connections=found.connections,
        )

    def _account(
        self, before: Readings, nodes: list[Component], load: LoadPlan, outcome: LoadOutcome
    ) -> tuple[Account, _Seen]:
        """The account, and what each part saw."""
        after = self.read()
        topology = self._topology
        of_sidecars, of_gateways = copies_at(topology, load, outcome)
        sidecar = _proxy_book(topology.clients, topology.sidecar_clusters, before, after, of_sidecars)
        gateway = None
        if topology.has_gateway:
            gateway = _proxy_book(topology.gateways, topology.gateway_clusters, before, after, of_gateways)
        passed = passed_on(load, topology)
        node_books = tuple(_node_book(node, before.logs.get(node.name), load.run_id) for node in nodes)
        account = account_of_counters(
            Books(
                client=client_counts(outcome),
                sidecar=sidecar,
                gateway=gateway,
                to_gateway=topology.to_gateway,
                nodes=node_books,
                cluster_nodes=_without_idle(topology.cluster_nodes, (gateway or sidecar).window),
                read=client_counts(outcome, without=passed) if passed else None,
                through=through(load, outcome, passed - topology.read_by_gateway),
                at_gateway=sent_past_sidecars(load, outcome, topology),
                past_gateway={**topology.past_gateway, **_used(topology.straight, sidecar.window)},
            )
        )
        at_nodes = {each.name: each.lines - each.foreign for each in node_books if not each.damages}
        gateways = topology.gateways if topology.has_gateway else ()
        return account, _Seen(at_nodes, _read_by_each(gateways, before, after))

    def _settle(self) -> None:
        """Wait until no proxy has a request under way; what stays is named by the books."""
        deadline = time.monotonic() + _SETTLE_S
        for name in self._topology.proxies:
            part = self._stack.component(name)
            while time.monotonic() < deadline:
                counters = _counters(part)
                if not any(
                    value
                    for key, value in counters.items()
                    if key.endswith(_ACTIVE) and not key.startswith(_OWN)
                ):
                    break
                time.sleep(_POLL_S)

    def _flush(self) -> None:
        try:
            wait_until_flushed(
                [part.access_log for part in self._stack.components() if part.access_log is not None],
                quiet_s=2 * FLUSH_INTERVAL_S,
            )
        except MeasurementError:
            # Somebody else calls the nodes: the books will show it.
            return


def _missing(load: LoadPlan, topology: Topology) -> tuple[MissingBook, ...]:
    """Which books this traffic cannot have."""
    passed = passed_on(load, topology) - topology.read_by_gateway
    found = []
    if passed:
        names = tuple(kind.name for kind in load.requests if kind.name in passed)
        found.append(MissingBook(code=MissingCode.PASSED_ON, requests=names))
    if not topology.has_gateway:
        found.append(MissingBook(code=MissingCode.NO_GATEWAY))
    alone = tuple(kind.name for kind in load.requests if kind.name in passed and not kind.expect.nodes)
    if alone:
        found.append(MissingBook(code=MissingCode.NO_NODE, requests=alone))
    return tuple(found)


def book_of(balance: Balance, level: LedgerLevel) -> LedgerBook:
    """A book as it is in the result."""
    return LedgerBook(
        level=level,
        book=balance.book,
        nodes=balance.nodes,
        left=balance.left,
        right=balance.right,
        named={residual.cause: residual.count for residual in balance.residuals},
        unexplained=balance.unexplained,
        state=balance.state,
        damages=balance.damages,
        examples=balance.examples,
        remarks=balance.remarks,
    )


def _counters(part: Component) -> Mapping[str, int]:
    """Its counters; none if it does not answer: the books then say that they are missing."""
    if part.admin_url is None:
        return {}
    try:
        with Admin(part.admin_url, name=part.name, timeout_s=2.0) as admin:
            return admin.stats(COUNTERS)
    except BenchError:
        return {}


def _instance(part: Component) -> str:
    if part.pid is None:
        return part.container or ""
    try:
        return f"process {part.pid}, started at {psutil.Process(part.pid).create_time():.2f}"
    except psutil.Error:
        return f"process {part.pid}, ended"


def _proxy_book(
    proxies: Sequence[str],
    clusters: tuple[str, ...],
    before: Readings,
    after: Readings,
    copies: Range = (0, 0),
) -> ProxyBook:
    """The book of *proxies* together: their counters add up."""
    window = Window(
        ", ".join(proxies),
        _added_up(before, proxies),
        _added_up(after, proxies),
        "; ".join(before.instances[each] for each in proxies),
        "; ".join(after.instances[each] for each in proxies),
    )
    ending, beginning = _MANAGER
    managers = tuple(
        name.removeprefix(beginning).removesuffix(ending)
        for name in window.after
        if name.startswith(beginning) and name.endswith(ending) and not name.startswith(_OWN)
    )
    return ProxyBook(window, managers, clusters, copies)


def _read_by_each(gateways: Sequence[str], before: Readings, after: Readings) -> dict[str, int]:
    """Requests that each of *gateways* read between the readings."""
    found = {}
    for name in gateways:
        book = _proxy_book((name,), (), before, after)
        if book.listeners and not book.window.damages():
            found[name] = sum(Downstream.of(book.window, each).total for each in book.listeners)
    return found


def _added_up(readings: Readings, proxies: Sequence[str]) -> Mapping[str, int]:
    """The counters of all; none if one of them did not answer: sums without it would be wrong."""
    each = [readings.counters[proxy] for proxy in proxies]
    if len(each) == 1:
        return each[0]
    total: Counter[str] = Counter()
    for counters in each:
        total.update(counters)
    return total if all(each) else {}


def _without_idle(
    cluster_nodes: Mapping[str, tuple[str, ...]], window: Window
) -> Mapping[str, tuple[str, ...]]:
    """Leave out clusters that sent nothing, as long as each node stays in some book.

    A cluster of all subsets together shares its nodes with each of them, and would make one book of all.
    """
    kept = dict(_used(cluster_nodes, window))
    covered = {node for nodes in kept.values() for node in nodes}
    for cluster, nodes in sorted(cluster_nodes.items(), key=lambda item: len(item[1])):
        if not covered.issuperset(nodes):
            kept[cluster] = nodes
            covered.update(nodes)
    return kept


def _used(clusters: Mapping[str, tuple[str, ...]], window: Window) -> Mapping[str, tuple[str, ...]]:
    """Those that sent something."""
    return {name: nodes for name, nodes in clusters.items() if Upstream.of(window, name).total}


def _node_book(node: Component, mark: LogMark | None, run_id: str) -> NodeBook:
    if mark is None:
        missing = _truncated(f"{node.name} keeps no access log")
        return NodeBook(node.name, 0, damages=(missing,))
    try:
        found = mark.count_since(f'"id":"{run_id}/'.encode())
    except MeasurementError as error:
        return NodeBook(node.name, 0, damages=(_truncated(f"{node.name}: {error.what}"),))
    # Lines of bytes have no id: whose they are is not known, and nothing else calls these nodes.
    foreign = found.lines - found.marked if node.protocol != "bytes" else 0
    torn = (_truncated(f"{node.name}: the last line has no end"),) if found.is_torn else ()
    return NodeBook(node.name, found.lines, foreign, torn)


def _truncated(detail: str) -> LedgerDamage:
    return LedgerDamage(code=DamageCode.LOG_TRUNCATED, detail=detail)
