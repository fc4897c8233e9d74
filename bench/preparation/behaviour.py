"""How the nodes of a scenario behave, as a stack is given it."""

from __future__ import annotations

from bench.scenario import Node
from bench.stack import NodeBehaviour


def behaviour_of(node: Node) -> NodeBehaviour:
    """The behaviour that *node* is written with."""
    if node.size is None:
        sizes: tuple[tuple[int, float], ...] = ()
    elif isinstance(node.size, int):
        sizes = ((node.size, 1.0),)
    else:
        sizes = tuple((each.bytes, each.share) for each in node.size)
    if isinstance(node.delay, tuple):
        delays = tuple((each.ms, each.share) for each in node.delay)
    else:
        delays = ((float(node.delay), 1.0),) if node.delay else ()
    return NodeBehaviour(
        protocol=node.protocol,
        greets=node.greets,
        sizes=sizes,
        delays=delays,
        faults=tuple((each.status, each.share) for each in node.faults),
    )
