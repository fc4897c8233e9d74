"""The counter books of proxies that run elsewhere, by their admin API: a port-forward is enough."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.ledger import BLIND_TO, Elsewhere, ProxyBook, Window, account_elsewhere
from bench.load import LoadOutcome, LoadPlan
from bench.measure.bookkeeper import COUNTERS, book_of
from bench.measure.copies import Range
from bench.measure.sent import client_counts, copies_at, passed_on, sent_past_sidecars
from bench.measure.topology import Topology
from bench.result import LedgerResult, MissingBook, MissingCode
from bench.telemetry import Admin

_TIMEOUT_S = 5.0
_MANAGER = ".downstream_rq_total"
_OTHERS = ("admin", "async-client", "agent", "stats", "inbound")
"""Begin the names of connection managers that no request of this load passes: Envoy's own, inbound ones."""
_DRIFT_S = 3
"""By this much may the age of a process differ from the clock: it is reported in whole seconds."""


@dataclass(frozen=True, slots=True)
class RemoteReading:
    """One process at one moment."""

    counters: Mapping[str, int]
    """None of it where it did not answer."""
    uptime_s: int | None
    taken_at: float
    """``time.monotonic()`` in seconds."""


Readings = Mapping[str, Sequence[RemoteReading]]
"""Proxy -> its processes, in the order of their addresses."""


class RemoteBooks:
    """Reads proxies before and after a load, and closes the books that their counters can close."""

    def __init__(self, admin: Mapping[str, Sequence[str]], topology: Topology) -> None:
        """*admin*: proxy -> the URL of each of its processes; several are replicas that share the load."""
        self._admin = admin
        self._topology = topology

    def read(self) -> Readings:
        """Read every process; one that does not answer gives nothing."""
        return {proxy: [_read(proxy, url) for url in urls] for proxy, urls in self._admin.items()}

    def close(self, before: Readings, load: LoadPlan, outcome: LoadOutcome) -> LedgerResult:
        """Close the books of a load that is over."""
        after = self.read()
        topology = self._topology
        sidecars = [name for name in topology.clients if name in self._admin]
        gateways = [topology.gateway] if topology.has_gateway and topology.gateway in self._admin else []
        missing: list[MissingBook] = []
        of_sidecars, of_gateways = copies_at(topology, load, outcome)
        sidecar = None
        if len(sidecars) == len(topology.clients):
            sidecar = _book(sidecars, topology.sidecar_clusters, before, after, of_sidecars)
        else:
            missing.append(_without(MissingCode.NO_ADMIN, [n for n in topology.clients if n not in sidecars]))
        gateway = None
        if gateways:
            gateway = _book(gateways, topology.gateway_clusters, before, after, of_gateways)
        elif topology.has_gateway:
            missing.append(_without(MissingCode.NO_ADMIN, [topology.gateway]))
        else:
            missing.append(MissingBook(code=MissingCode.NO_GATEWAY))
        passed = passed_on(load, topology)
        unread = passed - topology.read_by_gateway
        if unread:
            names = tuple(kind.name for kind in load.requests if kind.name in unread)
            missing.append(MissingBook(code=MissingCode.PASSED_ON_ELSEWHERE, requests=names))
        sidecar = _if_counted(sidecar, missing)
        gateway = _if_counted(gateway, missing)
        missing.append(MissingBook(code=MissingCode.NODES_ELSEWHERE))
        account = account_elsewhere(
            Elsewhere(
                client=client_counts(outcome),
                sidecar=sidecar,
                gateway=gateway,
                to_gateway=topology.to_gateway,
                read=client_counts(outcome, without=passed) if passed else None,
                at_gateway=sent_past_sidecars(load, outcome, topology),
                past_gateway=topology.past_gateway,
            )
        )
        return LedgerResult(
            level="counters",
            books=tuple(book_of(balance, "counters") for balance in account.balances),
            requests=client_counts(outcome).due,
            missing=tuple(missing),
            blind_to=BLIND_TO,
        )


def _without(code: MissingCode, proxies: Sequence[str]) -> MissingBook:
    return MissingBook(code=code, parts=tuple(proxies))


def _read(proxy: str, url: str) -> RemoteReading:
    try:
        with Admin(url, name=proxy, timeout_s=_TIMEOUT_S) as admin:
            counters = admin.stats(COUNTERS)
            return RemoteReading(counters, admin.server_info().uptime_s, time.monotonic())
    except BenchError:
        return RemoteReading({}, None, time.monotonic())


def _book(
    proxies: Sequence[str], clusters: tuple[str, ...], before: Readings, after: Readings, copies: Range
) -> ProxyBook:
    """The book of *proxies* together, with all processes of each."""
    starts = [
        (f"{proxy} {number}", one, two)
        for proxy in proxies
        for number, (one, two) in enumerate(zip(before[proxy], after[proxy], strict=True), 1)
    ]
    restarted = [name for name, one, two in starts if _is_another_life(one, two)]
    window = Window(
        ", ".join(proxies),
        _sum([one for _, one, _ in starts]),
        _sum([two for _, _, two in starts]),
        "as found",
        f"{', '.join(restarted)} started again" if restarted else "as found",
    )
    managers = tuple(
        name.removeprefix("http.").removesuffix(_MANAGER)
        for name in window.after
        if name.startswith("http.") and name.endswith(_MANAGER) and not _is_of_others(name)
    )
    return ProxyBook(window, managers, clusters, copies)


def _is_of_others(counter: str) -> bool:
    name = counter.removeprefix("http.").removesuffix(_MANAGER)
    return name.startswith(_OTHERS)


def _is_another_life(before: RemoteReading, after: RemoteReading) -> bool:
    """Return whether the process is younger than the time between the two readings allows."""
    if before.uptime_s is None or after.uptime_s is None:
        return False
    return after.uptime_s + _DRIFT_S < before.uptime_s + (after.taken_at - before.taken_at)


def _sum(readings: Sequence[RemoteReading]) -> Mapping[str, int]:
    """The counters of all; none if one of them did not answer: sums without it would be wrong."""
    total: Counter[str] = Counter()
    for each in readings:
        total.update(each.counters)
    return total if readings and all(each.counters for each in readings) else {}


def _if_counted(book: ProxyBook | None, missing: list[MissingBook]) -> ProxyBook | None:
    """Give *book* if the proxy keeps the statistics that it is made of; Istio leaves most out by default."""
    if book is None or not (book.window.before and book.window.after):
        return book
    has_clusters = any(name.startswith("cluster.outbound|") for name in book.window.after)
    if book.listeners and has_clusters:
        return book
    missing.append(_without(MissingCode.NO_STATISTICS, book.window.proxy.split(", ")))
    return None
