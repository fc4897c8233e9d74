"""Faults of nodes: killed, frozen, failing, slow, cut short, or with another's page."""

from __future__ import annotations

import os
import time

from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, no_second
from bench.experiment.faults.kinds import Fault
from bench.experiment.faults.relay import Relay

_FREEZE_S = 2.0
_SLOWER_S = 0.02
_BIG = 200_000
"""Bytes of a page that is sent in several pieces, so that an answer can break off in its middle."""


def _kill(field: Field) -> None:
    node = field.aims.first.node
    field.parts.kill(node)
    field.heal_later(lambda: field.parts.restart(node))


def _freeze(field: Field) -> None:
    node = field.aims.first.node
    field.heal_later(lambda: field.parts.resume(node))
    field.parts.pause(node)


def _answer_500(field: Field) -> None:
    field.rewrite_node(
        field.aims.first.node, lambda text: text.replace("location / {", "location / {\n return 500;", 1)
    )


def _slow_down(field: Field) -> None:
    field.lead_over(
        field.aims.first.node, lambda real, host: Relay(real, host=host, delay_s=lambda: _SLOWER_S)
    )


def _cut_short(field: Field) -> None:
    node = field.aims.first.node
    page = field.page(node)
    text = page.read_text(encoding="utf-8")
    field.replace_page(node, f"{text}<!-- {'x' * _BIG} -->\n")
    # nginx remembers how long the page is, reports it, and then finds only half of that.
    remember = "http {\n    open_file_cache max=16 inactive=1h;\n    open_file_cache_valid 1h;\n"
    field.rewrite_node(node, lambda conf: conf.replace("http {\n", remember, 1))
    time.sleep(0.3)
    os.truncate(page, page.stat().st_size // 2)


def _serve_other_page(field: Field) -> None:
    first, second = field.aims.pair()
    field.replace_page(first.node, field.page(second.node).read_text(encoding="utf-8"))


FAULTS = (
    Fault("node-killed", "node killed", Cause.NODE_DOWN, _kill),
    # A slow or silent node is distinguished from a slow machine by the other nodes, which are neither.
    Fault(
        "node-frozen",
        "node frozen 2 s",
        Cause.NODE_FROZEN,
        _freeze,
        obstacle=no_second,
        hold_s=_FREEZE_S,
        measure_s=3.3,
    ),
    Fault("node-500", "node answers 500", Cause.NODE_ERRORS, _answer_500),
    Fault(
        "node-slower",
        "one node 20 ms slower",
        Cause.NODE_SLOW,
        _slow_down,
        obstacle=no_second,
        hold_s=1.8,
        measure_s=3.0,
    ),
    Fault("body-truncated", "bodies truncated", Cause.TRUNCATED_BODY, _cut_short),
    Fault(
        "wrong-page",
        "node answers with the other's page",
        Cause.WRONG_PAGE,
        _serve_other_page,
        obstacle=no_second,
    ),
)
