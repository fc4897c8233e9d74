"""Results of trials for tests that look at a few of their fields; of the rest nothing is known."""

from bench.result import Latency, SubsetResult, TrialResult

NOTHING = Latency(samples=0)


def subset_result(name="all", requests=0, **more):
    """*requests* that all were sent and answered, without times."""
    known = {
        "name": name,
        **dict.fromkeys(("due", "sent", "answered"), requests),
        **dict.fromkeys(("unsent", "failed", "misrouted"), 0),
        **dict.fromkeys(("response_time", "service_time", "lag"), NOTHING),
    }
    return SubsetResult(**(known | more))


def trial_result(name="1: static", *, requests=0, **more):
    """A steady trial of a second, with *requests* in its whole."""
    known = {
        "name": name,
        "experiment": "steady",
        "config_source": "static",
        "block": 1,
        "position": 1,
        "started_at": "2026-01-01T00:00:00+00:00",
        "duration_s": 1,
        "arrival_rate": 1,
        "achieved_rate": 1,
        "subsets": (),
        "total": subset_result(requests=requests),
        "costs": (),
    }
    return TrialResult(**(known | more))
