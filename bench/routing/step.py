"""A request at one proxy of its way, and what is decided there without looking at routes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from bench.istio.models import CorsPolicy
from bench.routing.decision import Branch, CannotJudgeError, Hop, LocalAnswer, Outcome, Unjudged
from bench.routing.patterns import compile_test
from bench.routing.request import Message
from bench.routing.rules import Rule

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"})


@dataclass(slots=True)
class Step:
    """A request on its way at one proxy."""

    proxy: str
    port: int
    """The real port that it came to."""
    sni: str | None
    """None: plain text; empty: TLS without SNI."""
    message: Message
    probability: Fraction
    hops: tuple[Hop, ...]
    address: str = ""
    """That the client dialled, at the proxy beside it; empty: not known."""

    def through(self, rule: Rule) -> Step:
        """The same after *rule* took it."""
        hop = Hop(self.proxy, rule.why, rule.delay, rule.mirrors)
        return replace(self, hops=(*self.hops, hop))

    def with_probability(self, probability: Fraction) -> Step:
        """One of several ways on from here."""
        return replace(self, probability=probability)

    def end(self, outcome: Outcome) -> Branch:
        """The way ends here."""
        return Branch(self.probability, outcome, self.hops)


def check_ordinary(message: Message) -> None:
    """Refuse what is not an ordinary request.

    Raises:
        CannotJudgeError: it is none.
    """
    if not message.host or message.method not in METHODS or not message.path.startswith("/"):
        raise CannotJudgeError("not an ordinary request: without Host or path, or of an unusual method")
    if "#" in message.path or "?" in message.path or "#" in message.query:
        raise CannotJudgeError("the path holds a query or a fragment")


def is_preflight(message: Message) -> bool:
    """Whether a browser asks with it for leave to send another request (CORS)."""
    return (
        message.method == "OPTIONS"
        and any(message.headers.get("origin", ()))
        and any(message.headers.get("access-control-request-method", ()))
    )


def preflight_answer(proxy: str, rule: Rule, cors: CorsPolicy, message: Message) -> Outcome:
    """What a rule with a CORS policy answers to a preflight."""
    origin = message.headers["origin"][0]
    tests = [compile_test(allowed) for allowed in cors.allow_origins]
    if origin in cors.allow_origin or any(test is not None and test(origin) for test in tests):
        return LocalAnswer(200, proxy, f"{rule.why} answers the preflight of an allowed origin", body="")
    return Unjudged(proxy, f"{rule.why}: a preflight of an origin that is not allowed")
