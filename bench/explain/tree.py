"""A trace as a tree of text that fits a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.explain.answers import percent, phrase
from bench.explain.trace import Branch, Hop, Origin, Outcome, Step, Trace

_NARROWEST = 40
_ASIDE = frozenset({"filter chain", "route configuration", "limits", "change", "mirror", "fault"})
"""Kinds of steps that mostly have the cause of the step before them."""
_MOST_ORIGINS = 8
"""Places of one step that are written out; ``--json`` has all."""


@dataclass(frozen=True, slots=True)
class _Node:
    """One line, what belongs to it, and what follows from it."""

    text: str
    details: tuple[str, ...] = ()
    children: tuple[_Node, ...] = ()


def tree(trace: Trace, *, width: int = 100) -> str:
    """Draw *trace* with lines of at most *width* columns (one long word may be longer)."""
    request = trace.request
    lines = [f"{request.method} {request.url}"]
    lines += (f"  {name}: {value}" for name, value in request.headers.items())
    lines += _draw([_hop(trace.hop)], "", max(width, _NARROWEST))
    return "\n".join(lines)


def _hop(hop: Hop) -> _Node:
    steps = _Steps()
    children = [steps.node(step) for step in hop.steps]
    children += _branches(hop.branches, steps)
    return _Node(f"{hop.proxy} ({hop.role})", children=tuple(children))


def _branches(branches: Sequence[Branch], steps: _Steps) -> Iterator[_Node]:
    if len(branches) == 1:
        yield from _branch(branches[0], steps)
        return
    for branch in branches:
        children = tuple(_branch(branch, _Steps(steps.before)))
        yield _Node(f"{percent(branch.probability)} of the requests", children=children)


def _branch(branch: Branch, steps: _Steps) -> Iterator[_Node]:
    for step in branch.steps:
        yield steps.node(step)
    if branch.hop is not None:
        yield _hop(branch.hop)
    elif branch.outcome is not None:
        yield _Node(f"=> {describe_outcome(branch.outcome)}")


def describe_outcome(outcome: Outcome) -> str:
    """Put the end of the way into words."""
    if outcome.kind == "endpoint":
        return f"{outcome.reason}, through {outcome.cluster}"
    flags = f" {outcome.flags}" if outcome.flags else ""
    if outcome.kind == "closed":
        return f"connection closed by {outcome.proxy}{flags}: {outcome.reason}"
    return f"{phrase(outcome.status or 0)}{flags} from {outcome.proxy}: {outcome.reason}"


def describe_origin(origin: Origin) -> str:
    """Write ``VirtualService shop/web at web.yaml:12``."""
    return f"{origin.resource} at {origin.position}" if origin.resource else str(origin.position)


class _Steps:
    """Writes one step after the other; asides do not name again what the steps before them have named."""

    def __init__(self, before: frozenset[Origin] = frozenset()) -> None:
        self.before = before

    def node(self, step: Step) -> _Node:
        is_aside = step.kind in _ASIDE
        new = [each for each in step.origins if not (is_aside and each in self.before)]
        self.before |= frozenset(new)
        named = [f"{origin.part}: {describe_origin(origin)}" for origin in new[:_MOST_ORIGINS]]
        if len(new) > _MOST_ORIGINS:
            named.append(f"and {len(new) - _MOST_ORIGINS} more places")
        return _Node(f"{step.kind} {step.text}", (*step.notes, *named))


def _draw(nodes: Sequence[_Node], indent: str, width: int) -> Iterator[str]:
    for index, node in enumerate(nodes):
        is_last = index == len(nodes) - 1
        below = indent + ("   " if is_last else "│  ")
        yield from _wrapped(node.text, indent + ("└─ " if is_last else "├─ "), below + "  ", width)
        inner = below + ("│  " if node.children else "   ")
        for detail in node.details:
            yield from _wrapped(detail, inner + "· ", inner + "  ", width)
        yield from _draw(node.children, below, width)


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first]
