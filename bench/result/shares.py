"""How often each node answered, against how often the weights say that it must."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model


class NodeShare(Model):
    """One destination of a weighted route."""

    nodes: tuple[str, ...]
    """The nodes behind it."""
    expected: float
    """Its part of all answers, 0 to 1."""
    observed: int
    """Right answers of its nodes."""
    p_value: float
    """Probability of a count at least as unlikely, if the expected share is right (exact binomial test)."""
    fits: bool


class SharesResult(Model):
    """The answers of one subset by node, over the measured stages of the steady trials."""

    subset: str
    source: Literal["scenario", "istio"]
    """Where the expected shares come from: ``expect.shares``, or the weights of the Istio resources."""
    answers: int
    error_probability: float
    """At most this is the probability that right shares are refused, over all nodes of the subset."""
    shares: tuple[NodeShare, ...]

    @property
    def fits(self) -> bool:
        """Whether the answers fit the shares; without an answer nothing contradicts them."""
        return all(share.fits for share in self.shares)
