"""What must become of a request: destinations with exact probabilities, or a proxy's own answer, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


class CannotJudgeError(Exception):
    """The rules at hand do not say what happens; never to be replaced by a guess."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a destination."""

    address: str
    """IP address, or a name that DNS resolves."""
    port: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Destination:
    """A service's port, or a subset of it, and the endpoints that may answer."""

    host: str
    port: int
    subset: str
    """Empty for all endpoints."""
    endpoints: tuple[Endpoint, ...]

    @property
    def name(self) -> str:
        """For sentences: ``host:port`` with the subset."""
        return f"{self.host}:{self.port}" + (f" subset {self.subset}" if self.subset else "")


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies of the request that go elsewhere; their answers are thrown away."""

    host: str
    port: int
    subset: str
    probability: Fraction


@dataclass(frozen=True, slots=True)
class Delay:
    """An injected wait before the request goes on or is aborted."""

    probability: Fraction
    seconds: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One proxy on the way and what it decided."""

    proxy: str
    why: str
    """One sentence that names the resource and its ``file:line``."""
    delay: Delay | None = None
    mirrors: tuple[Mirror, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The request reaches one of the destination's endpoints, as it looks after all rewrites."""

    destination: Destination
    host: str
    """The Host header that the endpoint sees."""
    path: str
    """Without query."""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """A proxy answers itself."""

    status: int
    by: str
    """Name of the proxy."""
    why: str
    flag: str = ""
    """Envoy's response flag, such as NR, NC, UH, FI; empty when it sets none."""
    location: str | None = None
    body: str | None = None
    """None: whatever Envoy writes."""


@dataclass(frozen=True, slots=True)
class NoConnection:
    """Nothing listens: the client gets no HTTP answer at all."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The rules known here do not decide this case."""

    by: str
    reason: str


Outcome = Delivered | LocalAnswer | NoConnection | Unjudged


@dataclass(frozen=True, slots=True)
class Branch:
    """One way that the request may take."""

    probability: Fraction
    outcome: Outcome
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """All ways of a request; their probabilities add up to one."""

    branches: tuple[Branch, ...]

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, if only one is possible."""
        first = self.branches[0].outcome
        return first if all(branch.outcome == first for branch in self.branches) else None

    @property
    def is_judged(self) -> bool:
        """Whether every branch is decided."""
        return not any(isinstance(branch.outcome, Unjudged) for branch in self.branches)

    def distribution(self) -> dict[Outcome, Fraction]:
        """Each possible outcome with its probability, equal outcomes added up."""
        return add_up((branch.outcome, branch.probability) for branch in self.branches)

    def destinations(self) -> dict[Destination | None, Fraction]:
        """Each destination with its probability; None represents everything that reaches no destination."""
        shares: dict[Destination | None, Fraction] = {}
        for branch in self.branches:
            outcome = branch.outcome
            key = outcome.destination if isinstance(outcome, Delivered) else None
            shares[key] = shares.get(key, Fraction(0)) + branch.probability
        return shares


def add_up(parts: Iterable[tuple[Outcome, Fraction]]) -> dict[Outcome, Fraction]:
    """Sum the probabilities of equal outcomes, in the order in which they first come."""
    shares: dict[Outcome, Fraction] = {}
    for outcome, probability in parts:
        shares[outcome] = shares.get(outcome, Fraction(0)) + probability
    return shares
