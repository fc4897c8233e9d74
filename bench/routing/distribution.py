"""Whether observed counts fit the shares that the rules give: an exact test with a stated error probability.

Each destination's count is binomial under the rules. Two-sided exact test (the sum of all outcomes that
are no more probable than the observed one, as ``scipy.stats.binomtest``), Bonferroni over the destinations: a
right
distribution is refused with at most the stated probability, whatever the number of destinations.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Share(Generic[KeyT]):
    """One destination: what was expected and what came."""

    key: KeyT
    expected: Fraction
    observed: int
    p_value: float
    """Probability of a count at least as unlikely, if the expected share is right."""
    fits: bool


@dataclass(frozen=True, slots=True)
class DistributionTest(Generic[KeyT]):
    """The judgement over all destinations."""

    samples: int
    error_probability: float
    """Probability that right shares are refused: at most this."""
    shares: tuple[Share[KeyT], ...]
    strangers: tuple[tuple[KeyT, int], ...]
    """What came that may not come at all, with its count."""

    @property
    def fits(self) -> bool | None:
        """Whether everything fits; None without a single sample."""
        if self.strangers:
            return False
        if not self.samples:
            return None
        return all(share.fits for share in self.shares)


def judge_distribution(
    observed: Mapping[KeyT, int],
    expected: Mapping[KeyT, Fraction],
    *,
    error_probability: float = 1e-6,
) -> DistributionTest[KeyT]:
    """Compare *observed* counts with *expected* shares.

    Raises:
        ValueError: the shares do not add up to one, a count is negative, or the probability is none.
    """
    if sum(expected.values()) != 1 or any(share < 0 for share in expected.values()):
        raise ValueError("expected shares must be probabilities that add up to one")
    if any(count < 0 for count in observed.values()):
        raise ValueError("counts cannot be negative")
    if not 0 < error_probability < 1:
        raise ValueError("error_probability lies between 0 and 1")
    samples = sum(observed.values())
    uncertain = [key for key, share in expected.items() if 0 < share < 1]
    level = error_probability / max(1, len(uncertain))
    shares = tuple(
        _judge(key, share, observed.get(key, 0), samples, level) for key, share in expected.items() if share
    )
    strangers = tuple((key, count) for key, count in observed.items() if count and not expected.get(key))
    return DistributionTest(samples, error_probability, shares, strangers)


def _judge(key: KeyT, share: Fraction, count: int, samples: int, level: float) -> Share[KeyT]:
    if share == 1:
        return Share(key, share, count, 1.0 if count == samples else 0.0, count == samples)
    from scipy.stats import binomtest  # noqa: PLC0415 - takes half a second, and few ask for it

    p_value = float(binomtest(count, samples, float(share)).pvalue) if samples else 1.0
    return Share(key, share, count, p_value, p_value >= level)
