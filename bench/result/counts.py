"""How due requests ended: the counts that generator, analysis and result share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Self

from pydantic import Field, field_validator

from bench.result.base import Model
from bench.result.reasons import Reason, ReasonCode


class Counts(Model):
    """Where each due request ended: ``due = sent + unsent``, ``sent = answered + failed + misrouted``."""

    due: int
    sent: int
    answered: int
    """Right status, right node, right body."""
    unsent: int
    """Due, and never put on a connection."""
    failed: int
    """Sent, and no right answer: transport error, timeout, wrong status, wrong body."""
    misrouted: int
    """Answered well-formed by a node that must not answer this request."""
    answered_by: dict[str, int] = Field(default_factory=dict)
    """Node -> right answers, of requests that several nodes may answer."""
    reasons: dict[str, int] = Field(default_factory=dict)
    """Why requests failed, were misrouted or stayed unsent: ``Reason.key``, e.g. ``status:503``: count."""

    @field_validator("reasons")
    @classmethod
    def _are_reasons(cls, reasons: dict[str, int]) -> dict[str, int]:
        for key in reasons:
            Reason.of(key)
        return reasons

    @property
    def is_balanced(self) -> bool:
        """Whether every due request has exactly one end."""
        return (
            self.due == self.sent + self.unsent and self.sent == self.answered + self.failed + self.misrouted
        )

    @property
    def bad(self) -> int:
        """All that were not answered correctly."""
        return self.failed + self.misrouted + self.unsent

    @property
    def wrong_bodies(self) -> int:
        """Those of ``failed`` that came with a wrong body."""
        return sum(
            count for key, count in self.reasons.items() if Reason.of(key).code is ReasonCode.WRONG_BODY
        )

    @classmethod
    def sum(cls, parts: Iterable[Counts]) -> Self:
        """All *parts* together, the most frequent reason first."""
        found = tuple(parts)
        reasons: Counter[str] = Counter()
        nodes: Counter[str] = Counter()
        for part in found:
            reasons.update(part.reasons)
            nodes.update(part.answered_by)
        return cls(
            due=sum(part.due for part in found),
            sent=sum(part.sent for part in found),
            answered=sum(part.answered for part in found),
            unsent=sum(part.unsent for part in found),
            failed=sum(part.failed for part in found),
            misrouted=sum(part.misrouted for part in found),
            answered_by=dict(sorted(nodes.items())),
            reasons=dict(reasons.most_common()),
        )


class SubsetOutcome(Model):
    """One kind of request in one stage. Histograms are HDR V2 blobs in base64, microseconds."""

    name: str
    counts: Counts
    response_time: str
    """done - due."""
    service_time: str
    """done - sent; a request that opens its own connection counts as sent when it begins to connect."""
    lag: str
    """sent - due."""
