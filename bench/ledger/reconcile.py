"""Level ``counters``: five books from the counters alone. Costs nothing, and cannot see what cancels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.ledger.balance import Account, Balance, Residual, balance, lost
from bench.ledger.counters import Downstream, Upstream, Window
from bench.result import BlindPair, Book, Cause, LedgerDamage, LedgerNote, NoteCode


@dataclass(frozen=True, slots=True)
class ClientCounts:
    """What the load generator says; ``due = sent + unsent``."""

    due: int
    sent: int
    answered: int
    unsent: int
    bad: int = 0
    """Sent, and failed or misrouted."""
    unanswered: int = 0
    """Of the failed: those whose connection ended before the first byte of an answer. The sidecar may never
    have read them."""
    unreported: int = 0
    """Of the failed and unsent: those of workers that died before they could report what became of them."""
    in_flight: int = 0
    """Sent, and neither answered nor given up."""


@dataclass(frozen=True, slots=True)
class ProxyBook:
    """One proxy: its window, its connection managers and its clusters."""

    window: Window
    listeners: tuple[str, ...]
    """``stat_prefix`` of each HTTP connection manager that takes this traffic."""
    clusters: tuple[str, ...]
    """All clusters that those may choose."""
    copies: tuple[int, int] = (0, 0)
    """How many copies of requests its rules have sent to clusters, at least and at most."""
    foreign: int = 0
    """Requests in the window that are known not to be of the load: probes, verification."""


@dataclass(frozen=True, slots=True)
class NodeBook:
    """One node: lines of its access log in the window."""

    name: str
    lines: int
    foreign: int = 0
    damages: tuple[LedgerDamage, ...] = ()


@dataclass(frozen=True, slots=True)
class Through:
    """Requests that proxies pass on without reading them: bytes, and what the client encrypts."""

    nodes: tuple[str, ...]
    """That may answer."""
    sent: int
    excused: int = 0
    """Of them: at most this many need not be in a node's log, since nothing of an answer came back."""


@dataclass(frozen=True, slots=True)
class Books:
    """All five."""

    client: ClientCounts
    """Of all requests."""
    sidecar: ProxyBook
    """Of all sidecars of clients together."""
    gateway: ProxyBook | None
    """None: sidecars leave the mesh themselves."""
    to_gateway: tuple[str, ...]
    """The sidecars' clusters that lead to the gateway."""
    nodes: tuple[NodeBook, ...]
    cluster_nodes: Mapping[str, tuple[str, ...]]
    """The cluster of each subset, of the proxy that leaves the mesh -> its nodes."""
    read: ClientCounts | None = None
    """Of the requests that proxies read; None: that is all of them."""
    through: tuple[Through, ...] = ()
    """Of the others: those that no proxy reads."""
    at_gateway: Through | None = None
    """Of the others: those that the gateway reads, though no sidecar does."""
    past_gateway: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Clusters of the sidecars whose requests no gateway reads, since it passes them on or they go straight
    to the nodes -> the nodes."""

    @property
    def exit(self) -> ProxyBook:
        """The proxies that leave the mesh."""
        return self.gateway or self.sidecar


BLIND_TO = tuple(BlindPair)
"""Counters are sums: a loss and a ghost of equal number at one hop leave all of them as they are."""


def account_of_counters(books: Books) -> Account:
    """Close every book that counters can close."""
    kept: list[Balance] = [_client(books.client)]
    if books.read is None or books.read.due:
        kept += [
            _client_to_sidecar(books),
            *books_of_proxy(Book.SIDECAR_LISTENER, Book.SIDECAR_ROUTING, books.sidecar),
        ]
    if books.gateway is not None and _has_gateway_books(books):
        kept += [
            _sidecar_to_gateway(books, books.gateway),
            *books_of_proxy(Book.GATEWAY_LISTENER, Book.GATEWAY_ROUTING, books.gateway),
        ]
    return Account("counters", (*kept, *_nodes(books)))


def _has_gateway_books(books: Books) -> bool:
    """Whether the gateway reads any of the requests."""
    if books.at_gateway is not None:
        return True
    reaches = bool(books.to_gateway) or not books.past_gateway
    return reaches and (books.read is None or books.read.due > 0)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is known of a path whose nodes belong to somebody else, and whose proxies may not all be seen."""

    client: ClientCounts
    sidecar: ProxyBook | None
    gateway: ProxyBook | None
    to_gateway: tuple[str, ...] = ()
    read: ClientCounts | None = None
    """As ``Books.read``."""
    at_gateway: Through | None = None
    """As ``Books.at_gateway``."""
    past_gateway: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """As ``Books.past_gateway``."""


def account_elsewhere(known: Elsewhere) -> Account:
    """Close the books of those who can be asked; nothing is said of the others."""
    kept: list[Balance] = [_client(known.client)]
    sidecar, gateway = known.sidecar, known.gateway
    has_gateway = known.read is None or known.read.due > 0 or known.at_gateway is not None
    if sidecar is not None:
        books = Books(
            known.client,
            sidecar,
            gateway,
            known.to_gateway,
            (),
            {},
            known.read,
            at_gateway=known.at_gateway,
            past_gateway=known.past_gateway,
        )
        has_gateway = _has_gateway_books(books)
        if known.read is None or known.read.due:
            kept += [
                _client_to_sidecar(books),
                *books_of_proxy(Book.SIDECAR_LISTENER, Book.SIDECAR_ROUTING, sidecar),
            ]
        if gateway is not None and has_gateway:
            kept.append(_sidecar_to_gateway(books, gateway))
    if gateway is not None and has_gateway:
        kept += books_of_proxy(Book.GATEWAY_LISTENER, Book.GATEWAY_ROUTING, gateway)
    return Account("counters", tuple(kept))


def _client(client: ClientCounts) -> Balance:
    ends = client.answered + client.bad
    residuals = [Residual(Cause.UNSENT, client.unsent), Residual(Cause.IN_FLIGHT, client.in_flight)]
    book = balance(Book.CLIENT, client.due, ends, residuals)
    if client.sent + client.unsent == client.due:
        return book
    # The two sums must hold each on its own: an error in one must not hide behind the other.
    gap = abs(client.due - client.sent - client.unsent)
    detail = f"due {client.due} is not sent {client.sent} and unsent {client.unsent}"
    return replace(
        book,
        unexplained=abs(book.unexplained or 0) + gap,
        examples=(LedgerNote(code=NoteCode.COUNTS_DIFFER, detail=detail),),
    )


def _client_to_sidecar(books: Books) -> Balance:
    damages = books.sidecar.window.damages()
    if damages:
        return lost(Book.CLIENT_TO_SIDECAR, damages)
    seen = sum(Downstream.of(books.sidecar.window, p).total for p in books.sidecar.listeners)
    client = books.read or books.client
    gap = client.sent - (seen - books.sidecar.foreign)
    excused = min(max(gap, 0), client.unanswered)
    # A worker that died could not report what it had sent last, nor whether that was read.
    unknown = max(-client.unreported, min(client.unreported, gap - excused))
    residuals = [
        Residual(Cause.NOT_CONNECTED, excused),
        Residual(Cause.WORKER_LOST, unknown),
        Residual(Cause.FOREIGN, -books.sidecar.foreign),
    ]
    return balance(Book.CLIENT_TO_SIDECAR, client.sent, seen, residuals, remarks=_on_trust(excused))


def _on_trust(excused: int) -> tuple[LedgerNote, ...]:
    return (LedgerNote(code=NoteCode.TAKEN_ON_TRUST, count=excused),) if excused else ()


def books_of_proxy(listener: Book, routing: Book, book: ProxyBook) -> Sequence[Balance]:
    """The two books that one proxy closes alone: read and answered, read and given to clusters."""
    damages = book.window.damages()
    if damages:
        return lost(listener, damages), lost(routing, damages)
    sides = [Downstream.of(book.window, prefix) for prefix in book.listeners]
    total, answered = sum(s.total for s in sides), sum(s.answered for s in sides)
    active = sum(side.active for side in sides)
    # A request without an answer that is not in flight: its client left. Each is reset, so resets bound it.
    left = total - answered - active
    gone = left if 0 <= left <= sum(side.rx_reset for side in sides) else 0
    residuals = [Residual(Cause.IN_FLIGHT, active), Residual(Cause.CLIENT_LEFT, gone)]
    return balance(listener, total, answered, residuals), _routing(routing, book, sides)


def _routing(title: Book, book: ProxyBook, sides: Sequence[Downstream]) -> Balance:
    ups = [Upstream.of(book.window, cluster) for cluster in book.clusters]
    total, routed = sum(s.total for s in sides), sum(s.routed for s in sides)
    aborted = sum(side.aborted for side in sides)
    attached = sum(up.total for up in ups)
    ejected = sum(up.ejected for up in ups)
    residuals = [
        Residual(Cause.REJECTED, max(0, total - routed - aborted)),
        Residual(Cause.FAULT_INJECTED, aborted),
        Residual(Cause.NO_ROUTE, sum(side.no_route for side in sides)),
        Residual(Cause.NO_CLUSTER, sum(side.no_cluster for side in sides)),
        Residual(Cause.DIRECT_ANSWER, sum(side.direct for side in sides)),
        Residual(Cause.OVERFLOW, sum(up.overflow for up in ups)),
        Residual(Cause.NO_HEALTHY_UPSTREAM, sum(up.none_healthy for up in ups)),
        Residual(Cause.CANCELLED, sum(up.cancelled for up in ups)),
        Residual(Cause.IN_FLIGHT, sum(up.waiting for up in ups)),
        Residual(Cause.RETRY, -sum(up.retries for up in ups)),
    ]
    # Of copies that are drawn the number that closes the book is taken, and said to be.
    fewest, many = book.copies
    surplus = attached + sum(residual.count for residual in residuals) - total
    copies = min(max(surplus, fewest), many)
    residuals.append(Residual(Cause.MIRROR, -copies))
    # Streams of HTTP/2 connections that ended stand in both sums. Where connects failed, too, their number is
    # known as a range only: the one that closes the book is taken, and said to be.
    least, most = (sum(up.torn[end] for up in ups) for end in (0, 1))
    rest = total - attached - sum(residual.count for residual in residuals)
    torn = min(max(ejected - rest, least), most)
    residuals.append(Residual(Cause.UPSTREAM_FAILURE, ejected - torn))
    on_trust = torn - least + copies - fewest
    return balance(title, total, attached, residuals, remarks=_on_trust(on_trust))


def _sidecar_to_gateway(books: Books, gateway: ProxyBook) -> Balance:
    damages = (*books.sidecar.window.damages(), *gateway.window.damages())
    if damages:
        return lost(Book.SIDECAR_TO_GATEWAY, damages)
    ups = [Upstream.of(books.sidecar.window, cluster) for cluster in books.to_gateway]
    passed = books.at_gateway or Through((), 0)
    sent = sum(up.total for up in ups) + passed.sent
    read = sum(Downstream.of(gateway.window, p).total for p in gateway.listeners)
    gap = sent - (read - gateway.foreign)
    # A connection that broke under a request: the gateway may never have read it.
    broken = min(max(gap, 0), sum(up.lost_on_the_way for up in ups) + passed.excused)
    residuals = [Residual(Cause.RESET, broken), Residual(Cause.FOREIGN, -gateway.foreign)]
    return balance(Book.SIDECAR_TO_GATEWAY, sent, read, residuals, remarks=_on_trust(broken))


def _nodes(books: Books) -> Sequence[Balance]:
    """One book for each group of clusters, and of requests that are passed on, that share nodes."""
    window = books.exit.window
    lines = {node.name: node for node in books.nodes}
    past = [(Upstream.of(books.sidecar.window, name), nodes) for name, nodes in books.past_gateway.items()]
    through = (*books.through, *(Through(nodes, up.total, up.lost_on_the_way) for up, nodes in past))
    passed = {f"{_PASSED}{number}": each for number, each in enumerate(through) if each.nodes}
    behind = {**books.cluster_nodes, **{key: each.nodes for key, each in passed.items()}}
    balances = []
    for keys, names in _groups(behind):
        clusters = [key for key in keys if key not in passed]
        others = [passed[key] for key in keys if key in passed]
        book = Book.GATEWAY_TO_NODES if books.gateway is not None else Book.SIDECAR_TO_NODES
        book = book if clusters else Book.CLIENT_TO_NODES
        missing = [name for name in names if name not in lines]
        found = [lines[name] for name in names if name in lines]
        harm = (*(window.damages() if clusters else ()), *(each for node in found for each in node.damages))
        if harm or missing:
            balances.append(lost(book, harm, nodes=names))
            continue
        ups = [Upstream.of(window, cluster) for cluster in clusters]
        sent = sum(up.total for up in ups) + sum(each.sent for each in others)
        read = sum(node.lines for node in found)
        foreign = sum(node.foreign for node in found)
        excused = sum(up.lost_on_the_way for up in ups) + sum(each.excused for each in others)
        broken = min(max(sent - read + foreign, 0), excused)
        residuals = [Residual(Cause.RESET, broken), Residual(Cause.FOREIGN, -foreign)]
        balances.append(balance(book, sent, read, residuals, remarks=_on_trust(broken), nodes=names))
    return balances


_PASSED = "passed on "


def _groups(
    cluster_nodes: Mapping[str, tuple[str, ...]],
) -> Sequence[tuple[tuple[str, ...], tuple[str, ...]]]:
    groups: list[tuple[set[str], set[str]]] = []
    for cluster, nodes in cluster_nodes.items():
        clusters, members = {cluster}, set(nodes)
        for other in [group for group in groups if group[1] & members]:
            groups.remove(other)
            clusters |= other[0]
            members |= other[1]
        groups.append((clusters, members))
    return [(tuple(sorted(clusters)), tuple(sorted(members))) for clusters, members in groups]
