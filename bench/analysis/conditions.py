"""What makes several results comparable, or not: their fingerprints and settings, side by side."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.verdict import judge
from bench.result import Result


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that may differ between results."""

    name: str
    values: tuple[str | None, ...]
    """One for each result; None: that result does not say."""
    of: str
    """Family: ``scenario``, ``rate``, ``traffic``, ``workers``, ``key``, ``config``, ``experiment``,
    ``stack``, ``machine``, ``versions`` or ``run``."""

    @property
    def is_equal(self) -> bool:
        """Whether all results say the same. What one of them does not say is not known to be equal."""
        return len(set(self.values)) == 1


def conditions(results: Sequence[Result]) -> tuple[Condition, ...]:
    """All conditions of which at least one of *results* says something, those that decide first."""

    def each(of: str, name: str, value: Callable[[Result], str | None]) -> Condition:
        return Condition(name, tuple(value(result) for result in results), of)

    def every(of: str, table: Callable[[Result], Mapping[str, str]]) -> list[Condition]:
        tables = [table(result) for result in results]
        names = dict.fromkeys(name for known in tables for name in known)
        return [Condition(name, tuple(known.get(name) or None for known in tables), of) for name in names]

    found = (
        each("scenario", "scenario", lambda result: result.scenario),
        each("scenario", "scenario files", lambda result: result.fingerprint.scenario_hash or None),
        each("scenario", "semantics", lambda result: result.semantics),
        # They change what a scenario says without changing its files.
        each("run", "options", _options),
        each("rate", "arrival rate", _rates),
        each("traffic", "traffic", _traffic),
        each("workers", "workers", lambda result: str(result.traffic.workers) if result.traffic else None),
        each("run", "measured", _measured),
        each("key", "key type", _key),
        each("experiment", "variants", _variants),
        *every("config", lambda result: result.fingerprint.config_hashes),
        each("stack", "stack", lambda result: result.fingerprint.stack),
        *every("machine", lambda result: result.fingerprint.machine),
        *every("versions", lambda result: result.fingerprint.versions),
    )
    return tuple(condition for condition in found if set(condition.values) != {None})


def spoilers(results: Sequence[Result]) -> tuple[str | None, ...]:
    """For each result why its figures cannot be compared as they are; None: nothing speaks against it."""
    found: list[str | None] = []
    for result in results:
        state = judge(result).state
        if result.state == "aborted":
            found.append("was aborted")
        elif state == "generator-limited":
            found.append("was limited by its own generator")
        elif not any(trial.experiment == "steady" for trial in result.trials):
            found.append("has no steady trial")
        else:
            found.append(None)
    return tuple(found)


def ratio(values: Sequence[float | None], number: int) -> float | None:
    """Value *number* by the first; None where either is unknown or the first is zero."""
    first, other = values[0], values[number]
    return other / first if first and other is not None else None


def _options(result: Result) -> str:
    """What the command line said, without where the result went and how it was shown."""
    try:
        words = shlex.split(result.command)[2:]
    except ValueError:
        return result.command
    kept = []
    skipping = False
    for word in words:
        if skipping:
            skipping = False
        elif word in ("--out", "--locust-csv", "--locust-html", "--web-bind"):
            skipping = True
        elif word not in ("--quiet", "--json", "--web-ui") and not word.startswith("--out="):
            kept.append(word)
    return shlex.join(kept) or "none"


def _rates(result: Result) -> str | None:
    rates = {trial.arrival_rate for trial in result.trials if trial.experiment == "steady"}
    ordered = sorted(rates, key=lambda rate: rate or 0)
    reported = ["closed loop" if rate is None else f"{rate:g} requests/s" for rate in ordered]
    return " and ".join(reported) or None


def _traffic(result: Result) -> str | None:
    """The load beside its rate, in words; how long and by how many workers are conditions of their own."""
    found = result.traffic
    if found is None:
        return None
    kept = "kept alive" if found.keep_alive else "one for each request"
    if found.requests_per_connection is not None:
        kept = f"{found.requests_per_connection} requests each"
    mix = " + ".join(f"{each.share:.3g} × {each.request}" for each in found.mix)
    return f"{found.schedule}, {found.connections} connections, {kept}, {mix or found.url}"


def _key(result: Result) -> str | None:
    return result.fingerprint.key or (result.handshake.key if result.handshake else None)


def _variants(result: Result) -> str | None:
    found = result.variants
    if found is None:
        return "none"
    return " / ".join(f"{each.name} {' '.join(each.settings) or 'as it is'}" for each in found.variants)


def _measured(result: Result) -> str | None:
    steady = [trial for trial in result.trials if trial.experiment == "steady"]
    lengths = " or ".join(dict.fromkeys(f"{trial.duration_s:g} s" for trial in steady))
    return f"{len(steady)} trials of {lengths}" if steady else None
