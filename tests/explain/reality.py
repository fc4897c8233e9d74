"""Hold what ``explain`` predicts against what real Envoys do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UnsupportedError
from bench.explain.explain import client_address, explain
from bench.explain.proxies import STAND_INS
from bench.explain.request import parse_request
from bench.explain.trace import Cause, Ending, Hop
from bench.istio.inventory import Inventory
from bench.istio.registry import Registry, build_registry
from bench.istio.resource import Resources
from bench.translate import translate
from tests.explain.client import Message, Target, send
from tests.explain.samples import Sample, samples_for
from tests.explain.world import World, running

_BROKEN = {"NC", "UH", "UF", "UC"}


@dataclass(frozen=True)
class Surprise:
    """A request that went another way than predicted."""

    sample: Sample
    proxy: str
    predicted: str
    happened: str

    def __str__(self) -> str:
        return f"{self.proxy} {self.sample}: predicted {self.predicted}; happened {self.happened}"


@dataclass(frozen=True)
class Tried:
    """What came of a case."""

    requests: int
    surprises: tuple[Surprise, ...]
    broken: tuple[str, ...]
    """Ways (cluster and flags) that failed for want of a cluster, an endpoint or a listener."""


def try_case(
    resources: Resources,
    inventory: Inventory,
    root: Path,
    calls: Mapping[str, Sequence[Sample]] | None = None,
) -> Tried:
    """Start the proxies of a case that can be translated, send requests that try its routes, compare each.

    *calls* are requests of the case itself, by the proxy beside their client.
    """
    registry = build_registry(resources, inventory)
    starts = [name for name, proxy in inventory.proxies.items() if proxy.role == "sidecar"]
    surprises: list[Surprise] = []
    count = 0
    broken: set[str] = set()
    with running(registry, root) as world:
        for start in starts or list(inventory.proxies):
            if start not in world.proxies:
                continue
            config = translate(registry, start, config_source="static", tls_material=STAND_INS)
            own = (calls or {}).get(start, ())
            for sample in _unique([*own, *samples_for(config), *_beyond(registry, start)]):
                endings, target = _predict(registry, resources, world, sample, start)
                if target is None:
                    continue
                count += 1
                happened = Call(world, sample, f"r{count}", endings).send(target)
                expected = [_expected(world, each, sample) for each in endings]
                if happened not in expected:
                    summary = " or ".join(map(str, expected))
                    surprises.append(Surprise(sample, start, summary, str(happened)))
                broken |= {
                    f"{each.outcome.flags} {each.outcome.cluster}"
                    for each in endings
                    if not _BROKEN.isdisjoint(each.outcome.flags.split(","))
                }
    return Tried(count, tuple(surprises), tuple(sorted(broken)))


def _predict(
    registry: Registry, resources: Resources, world: World, sample: Sample, start: str
) -> tuple[list[Ending], Target | None]:
    """Give what ``explain`` says, and where to send to; no target for what cannot be reached here."""
    dialled = sample.dialled or sample.host.split(":")[0]
    url = f"{sample.scheme}://{dialled}:{sample.port}{sample.path}"
    headers = [f"Host: {sample.host}", *(f"{name}: {value}" for name, value in sample.headers.items())]
    request = parse_request(url, headers, sample.method)
    trace = explain(registry, resources, request, start)
    listener = trace.hop.steps[0].text if trace.hop.steps else ""
    bind = listener.rpartition("_")[0] or "0.0.0.0"
    endings = list(trace.endings())
    # Certificates that are named by their hash are not at hand.
    if any("by their hash" in text for text in _texts(trace.hop)):
        return endings, None
    port = world.listeners[start].get((bind, sample.port))
    if port is None:
        return endings, None
    meant = client_address(registry, request, start)
    if any(ending.outcome.cause is Cause.PASSED_ON for ending in endings):
        # No way from here to addresses of the resources, to other ports, or to names that DNS knows.
        summary = {each.address for ending in endings for each in ending.outcome.endpoints}
        is_reachable = not meant and summary == {"wherever the client meant it to go"}
        return endings, Target(port, world.elsewhere) if is_reachable else None
    is_ipv4 = meant.count(".") == 3
    return endings, Target(port, (meant, sample.port) if is_ipv4 else None)


def _beyond(registry: Registry, start: str) -> Iterator[Sample]:
    """Give requests that try the routes of the gateways, on the ports that their rules speak of."""
    for name, proxy in registry.inventory.proxies.items():
        if proxy.role != "gateway" or name == start:
            continue
        with contextlib.suppress(UnsupportedError):
            config = translate(registry, name, config_source="static", tls_material=STAND_INS)
            yield from samples_for(config, by_rule=True)


def _unique(samples: Iterable[Sample]) -> Iterator[Sample]:
    seen: set[str] = set()
    for sample in samples:
        if repr(sample) not in seen:
            seen.add(repr(sample))
            yield sample


def _texts(hop: Hop) -> Iterator[str]:
    steps = [*hop.steps, *(step for branch in hop.branches for step in branch.steps)]
    for step in steps:
        yield from (step.text, *step.notes)
    for branch in hop.branches:
        if branch.hop is not None:
            yield from _texts(branch.hop)


@dataclass(frozen=True)
class Seen:
    """What can be compared of one request."""

    status: int | None
    flags: str
    cluster: str
    endpoint: frozenset[str] | str
    """Predicted: those that it may be; happened: the one that it was."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Seen):
            return NotImplemented
        mine, theirs = self.endpoint, other.endpoint
        if isinstance(mine, frozenset) or isinstance(theirs, frozenset):
            many, one = (mine, theirs) if isinstance(mine, frozenset) else (theirs, mine)
            fits = one in many if many else True
        else:
            fits = mine == theirs
        return (self.status, self.flags, self.cluster) == (other.status, other.flags, other.cluster) and fits

    def __hash__(self) -> int:
        return hash((self.status, self.flags, self.cluster))


def _expected(world: World, ending: Ending, sample: Sample) -> Seen:
    outcome = ending.outcome
    if outcome.cause is Cause.PASSED_ON:
        host, port = world.elsewhere
        return Seen(200, outcome.flags, outcome.cluster, frozenset({f"{host}:{port}"}))
    if outcome.kind == "endpoint":
        reachable = frozenset(world.real(each.address) for each in outcome.endpoints)
        return Seen(200, outcome.flags, outcome.cluster, reachable)
    if outcome.kind == "closed":
        return Seen(None, "", "", frozenset())
    cluster = outcome.cluster if outcome.flags == "UH" else ""
    return Seen(outcome.status, outcome.flags, cluster, frozenset())


_LOGGED_S = 3.0
_OWN_S = 0.3
"""Envoy writes a line a moment after the answer; one without an id is taken only after this."""
_LAST_PROXY_S = 0.5
"""How long the line of the last proxy is preferred to those before it."""


@dataclass
class Call:
    """One request, and what is known of it afterwards."""

    world: World
    sample: Sample
    request_id: str
    endings: list[Ending]

    def send(self, target: Target) -> Seen:
        """Send it to *target*, and read the access log of the proxy that decided."""
        order = max((ending.proxies for ending in self.endings), key=len)
        before = {name: len(self.world.proxies[name].lines()) for name in order}
        status = self._status(target)
        if status is None:
            return Seen(None, "", "", "")
        began = time.monotonic()
        while time.monotonic() < began + _LOGGED_S:
            # A connection that is passed through is logged without any header, and that of a call before
            # may be logged only now: a line with the call's own id comes first.
            ids = (self.request_id, None) if time.monotonic() > began + _OWN_S else (self.request_id,)
            for name in reversed(order):
                lines = self.world.proxies[name].lines()[before[name] :]
                entry = next((each for each in lines if each.get("id") in ids), None)
                if entry is not None:
                    return _seen(status, entry)
                if name == order[-1] and time.monotonic() < began + _LAST_PROXY_S:
                    break
            time.sleep(0.01)
        return Seen(status, "not logged", "", "")

    def _status(self, target: Target) -> int | None:
        sample = self.sample
        headers = {"X-Test-Id": self.request_id, **sample.headers}
        message = Message(sample.scheme, sample.host, sample.path, sample.method, headers)
        return send(message, target, self.world.client_pair)


def _seen(status: int, entry: dict[str, Any]) -> Seen:
    if entry["flags"] == "DPE":
        # What came was not HTTP: Envoy says so and closes the connection.
        return Seen(None, "", "", "")
    written = "" if entry["flags"] in (None, "-") else entry["flags"]
    # A retry limit shows as URX beside the flag that explains it.
    flags = ",".join(flag for flag in written.split(",") if flag != "URX")
    reached_one = status == 200 and flags in ("", "DI") and entry["host"]
    cluster = entry["cluster"] or "" if reached_one or flags == "UH" else ""
    return Seen(status, flags, cluster, entry["host"] or "")
