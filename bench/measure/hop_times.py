"""Where the time of a trial's requests went, from the logs of some requests that every proxy keeps.

All proxies on the way log the same ones, those whose ids end alike. Means add up, which percentiles do not.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from bench.errors import MeasurementError
from bench.headers import ID_HEADER
from bench.preparation import SAMPLED_LOG
from bench.result import HopTimes
from bench.stack import Stack
from bench.telemetry import LogMark

SAMPLED_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "at": "%START_TIME(%s%6f)%",
        "id": f"%REQ({ID_HEADER.upper()})%",
        "took": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "waited": "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%",
    }
)
"""What the log of some requests holds."""
MOST_LINES = 100_000
"""Of one proxy in one trial: more make no mean better."""
_LATEST_US = 10_000_000
"""So long after the last request began at a sidecar, one of them may begin at the gateway."""


class _Seen(NamedTuple):
    """One request as a proxy saw it; microseconds."""

    took: int
    waited: int


@dataclass(frozen=True, slots=True)
class HopWatch:
    """The logs of some requests, each from its present end on."""

    sidecars: tuple[LogMark, ...]
    gateways: tuple[LogMark, ...]
    """Empty: there is no gateway."""

    @classmethod
    def begin(cls, stack: Stack, sidecars: Sequence[str], gateways: Sequence[str]) -> HopWatch:
        """Watch the proxies of these names; none of them need keep such a log."""
        return cls(_marks(stack, sidecars), _marks(stack, gateways))

    def times(self, first_us: int, last_us: int) -> HopTimes | None:
        """Times of the requests that began between two moments, microseconds since the epoch.

        None where no request was seen by every proxy on its way.
        """
        try:
            at_sidecar = _read(self.sidecars, first_us, last_us)
            at_gateway = _read(self.gateways, first_us, last_us + _LATEST_US)
        except MeasurementError:
            # Somebody touched the logs: not known is not wrong.
            return None
        if not self.gateways:
            return _of_one(list(at_sidecar.values()))
        return _of_two([(seen, at_gateway[key]) for key, seen in at_sidecar.items() if key in at_gateway])


def _of_one(seen: Sequence[_Seen]) -> HopTimes | None:
    if not seen:
        return None
    within, beyond = (statistics.fmean(values) for values in zip(*seen, strict=True))
    return HopTimes(samples=len(seen), within_us=within, sidecar_us=within - beyond, beyond_us=beyond)


def _of_two(seen: Sequence[tuple[_Seen, _Seen]]) -> HopTimes | None:
    if not seen:
        return None
    within, waited = (statistics.fmean(values) for values in zip(*(first for first, _ in seen), strict=True))
    inside, beyond = (statistics.fmean(values) for values in zip(*(last for _, last in seen), strict=True))
    return HopTimes(
        samples=len(seen),
        within_us=within,
        sidecar_us=within - waited,
        between_us=waited - inside,
        gateway_us=inside - beyond,
        beyond_us=beyond,
    )


def _marks(stack: Stack, names: Sequence[str]) -> tuple[LogMark, ...]:
    logs = [stack.component(name).access_log for name in names]
    return tuple(LogMark.at_end(log.with_name(SAMPLED_LOG)) for log in logs if log is not None)


def _read(marks: Sequence[LogMark], first_us: int, last_us: int) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for mark in marks:
        for number, line in enumerate(_lines(mark)):
            if number == MOST_LINES:
                break
            try:
                entry = json.loads(line)
                if first_us <= int(entry["at"]) <= last_us and entry["id"]:
                    found[str(entry["id"])] = _Seen(int(entry["took"]), int(entry["waited"]))
            except (ValueError, TypeError, KeyError):
                # Answered by the proxy itself, or half a line: it has no such times.
                continue
    return found


def _lines(mark: LogMark) -> Iterator[bytes]:
    rest = b""
    for chunk in mark.chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
