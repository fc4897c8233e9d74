"""Histograms and subsets for tests, made from plain values."""

import numpy as np

from bench.analysis.histogram import Histogram
from bench.result import Counts, SubsetOutcome


def histogram(*values) -> Histogram:
    """A histogram of these microseconds."""
    made = Histogram()
    made.record(np.asarray(values, dtype=np.int64))
    return made


def blob(*values) -> str:
    """The same, as it is stored."""
    return histogram(*values).encode()


def an_outcome(name="v1", *, reasons=None, response=(), service=(), lag=(), **counts) -> SubsetOutcome:
    """One subset; counts that are not given are those of right answers, as many as response times."""
    answered = counts.setdefault("answered", len(response))
    failed, misrouted = counts.setdefault("failed", 0), counts.setdefault("misrouted", 0)
    sent = counts.setdefault("sent", answered + failed + misrouted)
    unsent = counts.setdefault("unsent", 0)
    counts.setdefault("due", sent + unsent)
    return SubsetOutcome(
        name=name,
        counts=Counts(**counts, reasons=reasons or {}),
        response_time=blob(*response),
        service_time=blob(*service),
        lag=blob(*lag),
    )
