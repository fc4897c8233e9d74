"""What an HTTP client sees of a connection that a proxy behind its own proxy closes: a 503 of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.explain.trace import Branch, Endpoint, Hop, Outcome, Step


@dataclass(frozen=True, slots=True)
class Sender:
    """The proxy that sent a request on."""

    proxy: str
    cluster: str
    endpoints: tuple[Endpoint, ...]
    speaks_tls: bool


def at_proxy(hop: Hop, sender: Sender, probability: float, steps: tuple[Step, ...]) -> list[Branch]:
    """Give the ways on through *hop*, to which *sender* sent a request; *steps* led there.

    A way on which the other proxy, or one behind it that only passes bytes on, closes the connection ends at
    the sender, which answers 503 to its client.
    """
    found: list[Branch] = []
    going_on: list[Branch] = []
    for branch in hop.branches:
        closed = _closing(branch)
        if closed is None:
            going_on.append(branch)
            continue
        outcome, more = closed
        outcome = Outcome(
            "answer",
            sender.proxy,
            f"{outcome.proxy} closes the connection: {outcome.reason}",
            outcome.cause,
            status=503,
            flags="UF" if not hop.steps or sender.speaks_tls else "UC",
            cluster=sender.cluster,
            endpoints=sender.endpoints,
        )
        found.append(Branch(probability * branch.probability, (*steps, *hop.steps, *more), outcome))
    share = sum(branch.probability for branch in going_on)
    if share:
        scaled = tuple(replace(each, probability=each.probability / share) for each in going_on)
        found.insert(0, Branch(probability * share, steps, hop=replace(hop, branches=scaled)))
    return found


def _closing(branch: Branch) -> tuple[Outcome, tuple[Step, ...]] | None:
    """Give the outcome of *branch* if every way on it ends with a closed connection."""
    if branch.outcome is not None:
        return (branch.outcome, branch.steps) if branch.outcome.kind == "closed" else None
    if branch.hop is None:
        return None
    ends = [_closing(each) for each in branch.hop.branches]
    first = ends[0] if ends and None not in ends else None
    return None if first is None else (first[0], (*branch.steps, *branch.hop.steps, *first[1]))
