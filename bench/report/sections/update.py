"""The moment of an update: what each change did to the requests under way, by config source."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.analysis.compare import source_word
from bench.report.document import Chart, Figure, Mark, Note, Part, Section, Table
from bench.report.text import UNKNOWN, micros
from bench.result import ChangeResult, Result, UpdateResult, UpdatesOfSource
from bench.units import format_bytes, format_count


def update(result: Result, over_time: str | None = None) -> Section:
    """Each config source with its changes, and what the figures say of when to use which."""
    found = result.update or UpdateResult(arrival_rate=0)
    parts: list[Part] = [Note(advice(found)), _sources(found)]
    if over_time is not None:
        parts.append(Chart("over-time", "Each second of the load, with every change marked.", over_time))
    for source in found.sources:
        parts.append(_changes(source))
        parts += [
            Note(f"{source_word(source.way)}, {change.name}: refused: {change.refused}", "bad")
            for change in source.changes
            if change.refused is not None
        ]
        if source.limited is not None:
            parts.append(Note(f"{source_word(source.way)}: {source.limited}."))
    return Section(
        "update",
        "The moment of an update",
        tuple(parts),
        f"The gateway's configuration changed under {found.arrival_rate:g} requests/s. Times are from the"
        " write; accepted is what Envoy's own counters say, old and new are destinations by the gateway's"
        " log. Static means that the whole cluster file is replaced. Hot restart means that the whole"
        " configuration is in the bootstrap and another Envoy takes over, while the one before drains:"
        " accepted is then that the new one serves.",
    )


def update_figures(result: Result) -> tuple[Figure, ...]:
    """What to read first."""
    found = result.update or UpdateResult(arrival_rate=0)
    count = sum(source.count for source in found.sources)
    wrong = sum(source.failed + source.misrouted for source in found.sources)
    open_books = [source.way for source in found.sources if not source.balances]
    mark: Mark = "bad" if wrong else "good"
    return (
        Figure("changes", format_count(count), f"over {len(found.sources)} config sources", "plain"),
        Figure(
            "failed or misrouted",
            format_count(wrong),
            f"of {sum(source.requests for source in found.sources):,} requests",
            mark,
        ),
        Figure(
            "client, gateway, nodes",
            "balance" if not open_books else "differ",
            ", ".join(open_books) or "the same requests everywhere",
            "bad" if open_books else "good",
        ),
    )


def advice(found: UpdateResult) -> str:
    """When to use which, from the figures alone."""
    if len(found.sources) < 2:
        return "One config source says nothing of when to use which."
    accepted = {source.way: median_accepted_s(source) for source in found.sources}
    known = {name: value for name, value in accepted.items() if value is not None}
    parts = []
    if known:
        slowest, fastest = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
        parts.append(
            f"A change is accepted after {known[fastest] * 1000:.0f} ms by {source_word(fastest)} and after"
            f" {known[slowest] * 1000:.0f} ms by {source_word(slowest)} (medians)."
        )
    closed = {source.way: closed_per_change(source) for source in found.sources}
    parts.append(
        "Connections to the nodes closed per change: "
        + ", ".join(f"{source_word(name)} {value:.1f}" for name, value in closed.items())
        + "."
    )
    parts += when_to_use(found)
    return " ".join(parts)


def when_to_use(found: UpdateResult) -> Iterator[str]:
    """The sentences "use … when": each only where its figures were measured and say so."""
    closed = {source.way: closed_per_change(source) for source in found.sources if not source.is_hot_restart}
    kept = min(closed.values(), default=0.0)
    keeping = [name for name, value in closed.items() if value <= kept * 1.25 and name != "static"]
    if "static" in closed and keeping and closed["static"] > kept * 1.25:
        words = " or ".join(source_word(name) for name in keeping)
        yield (
            "Use static when changes are rare and the handshakes after each of them do not matter, since a"
            f" replaced cluster closes its connections. Use {words} when connections must outlive a change."
        )
    elif "static" in closed and len(closed) > 1:
        yield "Use static when that is all you need: its changes cost no more connections here."
    served = [each for each in found.sources if each.control_memory_bytes is not None]
    if served:
        yield (
            "Use ADS when several proxies must follow, or more clusters than Envoy may watch files: it"
            f" watches none, and asks for a control plane of {format_bytes(served[0].control_memory_bytes)}."
        )
    yield from _of_hot_restart(found)


def _of_hot_restart(found: UpdateResult) -> Iterator[str]:
    restarted = [change for each in found.sources if each.is_hot_restart for change in each.changes]
    reached = [change.first_new_s for change in restarted if change.first_new_s is not None]
    if reached:
        yield (
            "Use a hot restart for what nothing else changes, such as the bootstrap or Envoy itself: requests"
            f" on kept connections reach the new one after {statistics.median(reached):.1f} s (median), and"
            " every connection is opened again."
        )


def median_accepted_s(source: UpdatesOfSource) -> float | None:
    """The median over the changes, in seconds."""
    known = [change.accepted_s for change in source.changes if change.accepted_s is not None]
    return statistics.median(known) if known else None


def closed_per_change(source: UpdatesOfSource) -> float:
    """Connections to the nodes that the gateway closed, by changes made."""
    return sum(change.connections_closed for change in source.changes) / max(1, source.count)


def _sources(found: UpdateResult) -> Table:
    return Table(
        columns=(
            "config source",
            "changes",
            "accepted, median",
            "requests",
            "failed",
            "misrouted",
            "closed per change",
            "gateway memory",
            "control plane",
            "books",
        ),
        rows=tuple(
            (
                source_word(source.way),
                format_count(source.count),
                _ms(median_accepted_s(source)),
                f"{source.requests:,}",
                format_count(source.failed),
                format_count(source.misrouted),
                f"{closed_per_change(source):.1f}",
                _memory(source),
                _control(source),
                "balance"
                if source.balances
                else f"{source.requests:,} / {source.at_gateway:,} / {source.at_nodes:,}",
            )
            for source in found.sources
        ),
        marks=tuple(
            "bad" if source.failed or source.misrouted or not source.balances else "plain"
            for source in found.sources
        ),
        caption="Memory before the first change and after the last. Books: client / gateway / nodes.",
    )


def _changes(source: UpdatesOfSource) -> Table:
    return Table(
        columns=(
            source_word(source.way),
            "accepted",
            "ACK",
            "first on new",
            "last on old",
            "failed",
            "misrouted",
            "closed",
            "clients' closed",
            "opened",
            "handshakes",
            "resumed",
            "p99 before",
            "p99 after",
        ),
        rows=tuple(_change_row(change) for change in source.changes),
        marks=tuple(
            "bad" if change.failed or change.misrouted or change.refused else "plain"
            for change in source.changes
        ),
        caption="Closed and opened: to the nodes; clients' closed: of sidecars to the gateway. p99: of the"
        " second before the write and of the one after it, or of all of a longer change, at the gateway.",
    )


def _change_row(change: ChangeResult) -> tuple[str, ...]:
    return (
        change.name,
        _ms(change.accepted_s),
        _ms(change.acknowledged_s),
        _ms(change.first_new_s),
        _ms(change.last_old_s),
        format_count(change.failed),
        format_count(change.misrouted),
        format_count(change.connections_closed),
        format_count(change.clients_disconnected),
        format_count(change.connections_opened),
        format_count(change.handshakes),
        format_count(change.sessions_resumed),
        micros(change.p99_before_us),
        micros(change.p99_after_us),
    )


def _memory(source: UpdatesOfSource) -> str:
    if source.memory_before_bytes is None or source.memory_after_bytes is None:
        return UNKNOWN
    return f"{format_bytes(source.memory_before_bytes)} → {format_bytes(source.memory_after_bytes)}"


def _control(source: UpdatesOfSource) -> str:
    if source.control_memory_bytes is None or source.control_cpu_s is None:
        return "none"
    return f"{format_bytes(source.control_memory_bytes)}, {source.control_cpu_s:.2f} s CPU"


def _ms(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value * 1000:.0f} ms"
