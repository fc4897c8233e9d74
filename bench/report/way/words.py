"""The way in words: what the drawing says, for screen readers and for Markdown."""

from __future__ import annotations

from bench.report.text import UNKNOWN, some
from bench.report.way.figures import Box, WayFigures, words_of
from bench.result import WayRole
from bench.units import format_count, format_micros

TITLES: dict[WayRole, str] = {
    "client": "load generator",
    "sidecar": "sidecar",
    "gateway": "egress gateway",
    "node": "node",
}


def message(figures: WayFigures) -> str:
    """What the drawing says, in sentences."""
    hops = " to ".join(_layer(layer) for layer in figures.layers)
    sentences = [f"Requests go from {hops}."]
    if figures.due is not None and figures.answered is not None:
        sentences.append(f"{figures.answered:,} of {figures.due:,} were answered correctly.")
    for role in ("gateway", "node"):
        boxes = [box for layer in figures.layers for box in layer if box.part.role == role]
        known = [f"{box.part.name} had {box.requests:,}" for box in boxes if box.requests is not None]
        if known:
            sentences.append(f"Warm-ups included, {some(known)}.")
    sentences += [text for text in (_time(figures), _cpu(figures)) if text]
    return " ".join(sentences)


def _layer(layer: tuple[Box, ...]) -> str:
    role = layer[0].part.role
    names = [box.part.name for box in layer]
    if role == "client":
        return f"the load generator beside {some(names)}"
    plural = "s" if len(layer) > 1 else ""
    words = {words_of(link) for box in layer for link in box.arriving}
    spoken = f" (by {words.pop()})" if len(words) == 1 else ""
    return f"{'the ' if not plural else ''}{TITLES[role]}{plural} {some(names)}{spoken}"


def _time(figures: WayFigures) -> str:
    times = figures.times
    if times is None:
        return ""
    return (
        f"Of {format_micros(times.within_us)} on average"
        f" {_list([f'{name} {format_micros(value)}' for name, value in time_parts(figures)])}."
    )


def _cpu(figures: WayFigures) -> str:
    known = [f"{name} {format_micros(value)}" for name, value in cpu_parts(figures) if value is not None]
    return f"CPU per request: {_list(known)}." if known else ""


def time_parts(figures: WayFigures) -> list[tuple[str, float]]:
    """Where the time went; the parts add up to the whole."""
    times = figures.times
    if times is None:
        return []
    found = [("in the sidecar", times.sidecar_us)]
    if times.between_us is not None:
        found.append(("between sidecar and gateway", times.between_us))
    if times.gateway_us is not None:
        found.append(("in the gateway", times.gateway_us))
    return [*found, ("beyond: nodes, TLS, network", times.beyond_us)]


def cpu_parts(figures: WayFigures) -> list[tuple[str, float | None]]:
    """CPU by layer; None as soon as one part of the layer is unknown."""
    found: list[tuple[str, float | None]] = []
    for layer in figures.layers:
        role = layer[0].part.role
        if role == "client":
            continue
        values = [box.cpu_us for box in layer]
        known = [value for value in values if value is not None]
        name = {"sidecar": "sidecar", "gateway": "gateway", "node": "node"}[role]
        plural = f"{name}s" if len(layer) > 1 else name
        found.append((plural, sum(known) if len(known) == len(values) else None))
    return found


def count(value: int | None) -> str:
    """A count, or that it is unknown."""
    return UNKNOWN if value is None else format_count(value)


def _list(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
