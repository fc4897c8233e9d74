"""The way drawn twice: from left to right for screens, from top to bottom for phones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.report.text import UNKNOWN
from bench.report.way.canvas import Canvas
from bench.report.way.figures import Box, Gap, WayFigures, words_of
from bench.report.way.words import TITLES, count, cpu_parts, message, time_parts
from bench.result import WayRole
from bench.units import format_micros

WIDE: Final = 1160.0
TALL: Final = 344.0
MOST_BOXES: Final = 6
"""Parts of one layer that are drawn; of more, the last box says how many there are."""
_COLOURS: Final[dict[WayRole, str]] = {
    "client": "series-4",
    "sidecar": "series-1",
    "gateway": "series-2",
    "node": "series-3",
}
_BETWEEN: Final = "series-5"
_LINE: Final = 17.0


def wide_picture(figures: WayFigures) -> str:
    """Layers as columns."""
    canvas = Canvas(WIDE)
    top = 10.0
    layers = [_shown(layer) for layer in figures.layers]
    columns = len(layers)
    width = min(250.0, (WIDE - 108 * (columns - 1)) / columns)
    between = (WIDE - width * columns) / max(columns - 1, 1)
    sizes = [[_height(box, figures) for box in layer] for layer in layers]
    tallest = max(sum(each) + 12 * (len(each) - 1) for each in sizes)
    places: list[list[tuple[float, float, float]]] = []
    for number, layer in enumerate(layers):
        x = number * (width + between)
        y = top + (tallest - sum(sizes[number]) - 12 * (len(layer) - 1)) / 2
        column = []
        for box, height in zip(layer, sizes[number], strict=True):
            _draw(canvas, (x, y, width, height), box, _role(layer), figures)
            column.append((x, y, height))
            y += height + 12
        places.append(column)
    for number, gap in enumerate(figures.gaps):
        for first, second, is_tls in _connected(layers[number], layers[number + 1], figures):
            x1, y1, h1 = places[number][first]
            x2, y2, h2 = places[number + 1][second]
            colour = "series-3" if is_tls else "muted"
            canvas.arrow((x1 + width + 2, y1 + h1 / 2), (x2 - 2, y2 + h2 / 2), colour)
        # Around a single arrow; above the boxes where arrows spread.
        is_single = len(layers[number]) == len(layers[number + 1]) == 1
        middle = places[number + 1][0][0] - between / 2
        lines = [line for line in gap.spoken if line]
        y = top + tallest / 2 + 6 - 16 * len(lines) if is_single else top + 4
        for line in lines:
            canvas.text(middle, y, line, size=12, fill="muted", anchor="middle")
            y += 16
        _counted(canvas, (middle, top + tallest / 2 + 20 if is_single else y), gap, between, figures)
    bottom = _bars(canvas, top + tallest + 34, figures)
    return canvas.svg(bottom, message(figures), "way wide")


def tall_picture(figures: WayFigures) -> str:
    """Layers one below the other."""
    canvas = Canvas(TALL)
    y = 2.0
    for number, layer in enumerate(figures.layers):
        boxes = _shown(layer)
        for box in boxes:
            height = _height(box, figures)
            _draw(canvas, (0, y, TALL, height), box, _role(boxes), figures)
            y += height + 8
        if number < len(figures.gaps):
            gap = figures.gaps[number]
            is_tls = any(each[2] for each in _connected(boxes, _shown(figures.layers[number + 1]), figures))
            canvas.arrow((22, y - 6), (22, y + 30), "series-3" if is_tls else "muted")
            canvas.text(40, y + 8, " ".join(gap.spoken).rstrip(), size=12, fill="muted")
            _counted(canvas, (40, y + 24), gap, TALL - 40, figures, anchor="start")
            y += 50
    bottom = _bars(canvas, y + 22, figures)
    return canvas.svg(bottom, message(figures), "way tall")


def _role(layer: Sequence[Box | int]) -> WayRole:
    first = layer[0]
    assert isinstance(first, Box)  # noqa: S101 - a layer without a part is none
    return first.part.role


def _shown(layer: Sequence[Box]) -> list[Box | int]:
    """The boxes to draw; last, where there are too many, how many are left out."""
    if len(layer) <= MOST_BOXES:
        return list(layer)
    return [*layer[: MOST_BOXES - 1], len(layer) - MOST_BOXES + 1]


def _height(box: Box | int, figures: WayFigures) -> float:
    return 36.0 if isinstance(box, int) else 50 + _LINE * len(list(_lines(box, figures)))


def _draw(
    canvas: Canvas,
    place: tuple[float, float, float, float],
    box: Box | int,
    role: WayRole,
    figures: WayFigures,
) -> None:
    x, y, width, height = place
    canvas.box(x, y, width, height, _COLOURS[role])
    if isinstance(box, int):
        canvas.text(x + 16, y + 23, f"and {box:,} more", fill="muted")
        return
    name = f"beside {box.part.name}" if role == "client" else box.part.name
    canvas.text(x + 16, y + 20, TITLES[role], size=11.5, fill="muted")
    canvas.text(x + 16, y + 38, name, size=14.5, weight=600, room=width - 26)
    for number, line in enumerate(_lines(box, figures), 1):
        canvas.text(x + 16, y + 40 + _LINE * number, line, room=width - 26)


def _lines(box: Box, figures: WayFigures) -> Iterator[str]:
    part = box.part
    if part.role == "client":
        if len(figures.layers[0]) == 1 and figures.is_steady:
            yield f"{count(figures.due)} due, measured"
            yield f"{count(figures.answered)} answered correctly"
            yield f"CPU {format_micros(figures.generator_cpu_us)} per request"
        return
    place = part.address
    if part.role != "node" and box.port is not None:
        place = f"{part.address}, port {box.port}" if place else f"port {box.port}"
    if place:
        yield place
    if box.requests is not None or (part.role == "node" and figures.is_steady):
        yield f"{count(box.requests)} requests"
    words = {words_of(link) for link in box.arriving}
    if (
        part.role == "node"
        and len({words_of(link) for link in figures.links if link.target_role == "node"}) > 1
    ):
        yield " and ".join(sorted(words))
    if box.cpu_us is not None or figures.is_steady:
        yield f"CPU {format_micros(box.cpu_us)} per request"
    for shown in dict.fromkeys(_short(link.shown_by_target) for link in box.arriving if link.shown_by_target):
        yield f"shows {shown}"
    for mine in dict.fromkeys(_short(link.shown_by_source) for link in box.leaving if link.shown_by_source):
        yield f"shows {mine}{' onwards' if any(link.shown_by_target for link in box.arriving) else ''}"


def _short(certificate: str) -> str:
    """The common name of a subject alone; an identity as it is."""
    return next((each for each in certificate.split(",") if each.startswith("CN=")), certificate)


def _counted(
    canvas: Canvas,
    place: tuple[float, float],
    gap: Gap,
    room: float,
    figures: WayFigures,
    *,
    anchor: str = "middle",
) -> None:
    if not figures.is_steady:
        return
    if gap.sent is None or gap.read is None:
        text, colour = f"{UNKNOWN} requests", "muted"
    elif gap.sent == gap.read:
        text, colour = f"{gap.sent:,} requests", "ink"
    else:
        text, colour = f"{gap.sent:,} → {gap.read:,}", "ink"
    canvas.text(*place, text, size=12, fill=colour, anchor=anchor, room=room)


def _connected(
    first: Sequence[Box | int], second: Sequence[Box | int], figures: WayFigures
) -> list[tuple[int, int, bool]]:
    """Which boxes of two layers are connected, and whether by TLS; all of them where that is unknown."""
    found = []
    for one, source in enumerate(first):
        for two, target in enumerate(second):
            if isinstance(source, int) or isinstance(target, int):
                found.append((one, two, False))
                continue
            links = [
                link
                for link in source.leaving
                if (link.target_role, link.target) == (target.part.role, target.part.name)
            ]
            is_unknown = not figures.links and (
                source.part.role != "client" or source.part.name == target.part.name
            )
            if links or is_unknown:
                found.append((one, two, any(link.tls != "none" for link in links)))
    return found


def _bars(canvas: Canvas, y: float, figures: WayFigures) -> float:
    """Where time and CPU went, as parts of a whole; returns the height of the picture."""
    times = figures.times
    if times is not None:
        heading = f"Time: {format_micros(times.within_us)}, mean of {times.samples:,} requests"
        names = time_parts(figures)
        colours = [_COLOURS["sidecar"], _COLOURS["node"]]
        if times.gateway_us is not None:
            colours = [_COLOURS["sidecar"], _BETWEEN, _COLOURS["gateway"], _COLOURS["node"]]
        y = _bar(canvas, y, heading, [(c, n, v) for c, (n, v) in zip(colours, names, strict=True)])
    elif figures.is_steady:
        canvas.text(
            0,
            y,
            "Time by part: unknown (unread, or too few)",
            size=12.5,
            fill="muted",
            weight=600,
        )
        y += 22
    parts = cpu_parts(figures)
    roles = [layer[0].part.role for layer in figures.layers if layer[0].part.role != "client"]
    values = [value for _, value in parts if value is not None]
    if not values and not figures.is_steady:
        return y - 20
    if len(values) < len(parts) or not values:
        canvas.text(0, y + 6, "CPU by part: not fully measured", size=12.5, fill="muted", weight=600)
        return y + 20
    heading = f"CPU: {format_micros(sum(values))} per request, all parts"
    shown = [(_COLOURS[r], n, v) for r, (n, v) in zip(roles, parts, strict=True) if v is not None]
    return _bar(canvas, y + 6, heading, shown)


def _bar(canvas: Canvas, y: float, heading: str, parts: Sequence[tuple[str, str, float]]) -> float:
    whole = sum(value for *_, value in parts)
    canvas.text(0, y, heading, size=13, weight=600, room=canvas.width)
    canvas.bar(y + 9, [(colour, max(value, 0.0)) for colour, _, value in parts])
    items = [
        (colour, f"{name} {format_micros(_rounded(value))} ({value / whole:.0%})" if whole else name)
        for colour, name, value in parts
    ]
    return canvas.legend(y + 42, items) + 8


def _rounded(value: float) -> float:
    """Whole microseconds from ten on: more digits would claim too much."""
    return float(round(value)) if value >= 10 else value
