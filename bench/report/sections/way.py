"""The way of the requests, hop by hop, as a table: what the drawing on the first page shows."""

from __future__ import annotations

from bench.report.document import Drawing, Note, Section, Table
from bench.report.text import UNKNOWN
from bench.report.way import WayFigures, message, tall_picture, wide_picture
from bench.report.way.figures import Box, words_of
from bench.report.way.words import TITLES, count, time_parts
from bench.result import WayLink
from bench.units import format_micros


def drawing(figures: WayFigures | None) -> Drawing | None:
    """The picture for the first page; None: nothing is known to draw."""
    if figures is None:
        return None
    return Drawing("The way of the requests", message(figures), wide_picture(figures), tall_picture(figures))


def way(figures: WayFigures | None) -> Section:
    """Parts, what is spoken to them, what they cost, whose certificates are shown."""
    lead = "From the client to the nodes. Names, ports and certificates are those of the Istio resources"
    if figures is None or figures.is_steady:
        lead += (
            "; requests are what each node's log holds, and what each of several gateways read, warm-ups"
            " included; CPU is per request of the whole load."
        )
    elif any(box.cpu_us is not None for layer in figures.layers for box in layer):
        lead += (
            "; CPU is per request, the median of the loads up to the lower bound; requests are of all loads."
        )
    else:
        lead += "."
    if figures is None:
        return Section("way", "Way", (Note("This result does not say what the requests pass."),), lead)
    rows = [_row(box, is_steady=figures.is_steady) for layer in figures.layers for box in layer]
    parts: list[Table | Note] = [
        Table(
            columns=("part", "what", "address", "spoken to it", "requests", "CPU", "shows", "to whom"),
            rows=tuple(rows),
            numbers_from=8,
        )
    ]
    times = figures.times
    if times is not None:
        parts.append(
            Table(
                columns=("time", "mean", "share"),
                rows=tuple(
                    (name, format_micros(round(value)), f"{value / times.within_us:.0%}")
                    for name, value in time_parts(figures)
                ),
                caption=f"Of {times.samples:,} requests, one in fifty of the steady trials, from the first"
                " byte at the sidecar to the last byte of the answer there, by the proxies' own clocks.",
            )
        )
    elif figures.is_steady:
        parts.append(
            Note(
                "Where the time goes is not known: no proxy reads these requests, too few were sampled, or"
                " the result is of a version that did not sample."
            )
        )
    return Section("way", "Way", tuple(parts), lead)


def _row(box: Box, *, is_steady: bool) -> tuple[str, ...]:
    part = box.part
    address = part.address
    if part.role in ("sidecar", "gateway") and box.port is not None:
        address = f"{address}, port {box.port}" if address else f"port {box.port}"
    shown = [(link.shown_by_target, _who(link)) for link in box.arriving if link.shown_by_target]
    shown += [(link.shown_by_source, link.target) for link in box.leaving if link.shown_by_source]
    by_name: dict[str, list[str]] = {}
    for certificate, whom in shown:
        names = by_name.setdefault(certificate, [])
        if whom not in names:
            names.append(whom)
    return (
        f"client beside {part.name}" if part.role == "client" else part.name,
        TITLES[part.role],
        address or UNKNOWN,
        ", ".join(dict.fromkeys(words_of(link) for link in box.arriving)) or UNKNOWN,
        "" if box.requests is None and (part.role != "node" or not is_steady) else count(box.requests),
        "" if part.role == "client" or (box.cpu_us is None and not is_steady) else format_micros(box.cpu_us),
        "; ".join(by_name) or "no certificate",
        "; ".join(", ".join(names) for names in by_name.values()),
    )


def _who(link: WayLink) -> str:
    """Who sees the certificate of the end that is connected to."""
    return "the client" if link.tls == "client" else link.source
