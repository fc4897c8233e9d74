"""What Envoy's response flags mean for the account.

Source: "Response flags" in Envoy's documentation of access logging; checked with Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bench.result import Cause

FLAG_CAUSES: Mapping[str, Cause | None] = MappingProxyType(
    {
        "NR": Cause.NO_ROUTE,
        "NC": Cause.NO_CLUSTER,
        "UH": Cause.NO_HEALTHY_UPSTREAM,
        "UF": Cause.UPSTREAM_FAILURE,
        "UO": Cause.OVERFLOW,
        "UC": Cause.RESET,
        "UR": Cause.RESET,
        "LR": Cause.RESET,
        "UPE": Cause.RESET,
        "UT": Cause.TIMEOUT,
        "SI": Cause.TIMEOUT,
        "DT": Cause.TIMEOUT,
        "UMSDR": Cause.TIMEOUT,
        "DC": Cause.CLIENT_LEFT,
        "FI": Cause.FAULT_INJECTED,
        "DPE": Cause.REJECTED,
        "IH": Cause.REJECTED,
        "DR": Cause.RESET,
        "DO": Cause.DRAINED,
        # Neither ends a request: a delay, and "retries are used up", which accompanies the real end.
        "DI": None,
        "URX": None,
        "-": None,
    }
)


def cause_of_flags(text: str) -> Cause | None:
    """The cause that the flags of one line name, the first that ends a request; None for a plain answer."""
    for flag in text.split(","):
        cause = FLAG_CAUSES.get(flag)
        if cause is not None:
            return cause
    return None
