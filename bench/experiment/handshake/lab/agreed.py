"""What gateway and node agreed on, as Envoy counts it for each cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.stack import Component
from bench.telemetry import Admin


@dataclass(frozen=True, slots=True)
class Agreed:
    """The most frequent of each; None: Envoy counted none."""

    signature: str | None
    curve: str | None
    cipher: str | None
    version: str | None


def read_agreed(gateway: Component) -> Agreed:
    """Ask *gateway*.

    Raises:
        StackError, MeasurementError: it does not answer.
    """
    if gateway.admin_url is None:
        return Agreed(None, None, None, None)
    with Admin(gateway.admin_url, name=gateway.name) as admin:
        return most_agreed(admin.stats(r"^cluster\..*\.ssl\.(sigalgs|curves|ciphers|versions)\."))


def most_agreed(counters: Mapping[str, int]) -> Agreed:
    """From counters such as ``cluster.NAME.ssl.sigalgs.ALGORITHM``; names of clusters hold dots."""
    found: dict[str, Counter[str]] = {}
    for name, count in counters.items():
        _, _, rest = name.rpartition(".ssl.")
        group, _, value = rest.partition(".")
        found.setdefault(group, Counter())[value] += count

    def most(group: str) -> str | None:
        best = found.get(group, Counter[str]()).most_common(1)
        return best[0][0] if best and best[0][1] else None

    return Agreed(most("sigalgs"), most("curves"), most("ciphers"), most("versions"))
