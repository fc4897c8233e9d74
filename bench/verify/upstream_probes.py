"""Calls to nodes whose certificate the gateway must refuse or take, many at once, each judged for itself.

Whether a handshake was refused is known from the gateway's counters, which it keeps by cluster: what is asked
together goes to different ones.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.headers import ID_HEADER
from bench.result import VerificationLine
from bench.scenario import MixedRequest
from bench.telemetry import Admin
from bench.verify.callers import Caller
from bench.verify.calls import Answer, Call

_REFUSED = r"^cluster\.(.*)\.ssl\.fail_verify_(?:error|san)$"
"""Counters of handshakes in which Envoy did not trust the other side."""
_TRIES = 20
_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One subset, called through the path."""

    request: MixedRequest
    call: Call
    exit: str
    """The proxy that speaks to the node."""
    clusters: frozenset[str]
    """Those of the exit by which it gets there."""

    @property
    def name(self) -> str:
        """The request's."""
        return self.request.name

    @property
    def client(self) -> str:
        """The sidecar beside which it is called."""
        return self.request.client

    def shares_cluster(self, other: Probe) -> bool:
        """Whether the counters of one of its clusters could speak of the other, too."""
        return self.exit == other.exit and not self.clusters.isdisjoint(other.clusters)


@dataclass(frozen=True, slots=True)
class Probed:
    """One control and what its cause is found by."""

    line: VerificationLine
    request: MixedRequest
    id: str
    """Of the last call, in the logs of the stack."""
    answer: Answer


@dataclass(frozen=True, slots=True)
class Refusals:
    """Handshakes in which an exit did not trust the other side, up to one moment."""

    counted: Mapping[tuple[str, str], int]
    """Exit and cluster, as its counters write it -> how many."""

    @classmethod
    def read(cls, admins: Mapping[str, Admin]) -> Refusals:
        """Ask each exit; raises as ``Admin.stats``."""
        counted = Counter[tuple[str, str]]()
        for name, admin in admins.items():
            for counter, value in admin.stats(_REFUSED).items():
                found = re.match(_REFUSED, counter)
                if found is not None:
                    counted[name, found[1]] += value
        return cls(counted)

    def of(self, probe: Probe) -> int:
        """Those at the clusters of *probe*; Envoy writes ``:`` in their names as ``_``."""
        return sum(self.counted.get((probe.exit, each.replace(":", "_")), 0) for each in probe.clusters)


class Prober:
    """Asks probes, with ids that count up."""

    def __init__(
        self,
        caller: Callable[[str], Caller],
        refusals: Callable[[], Refusals],
        *,
        at_once: int = 1,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Ask nothing yet.

        Args:
            caller: gives the caller beside a sidecar.
            refusals: reads the counters of the exits.
            at_once: that may be called side by side.
            sleep: waits this many seconds.
        """
        self._caller = caller
        self._refusals = refusals
        self._at_once = at_once
        self._sleep = sleep
        self._ids = (f"tls/{number:013d}" for number in itertools.count())

    def ask(self, kind: str, accepts: Mapping[Probe, bool]) -> list[Probed]:
        """Call each until it is as it must be, and judge it; *kind* is that of the nodes' certificates.

        Connections from before, whose end may be met first, are a reason to ask again; and then one by one.

        Args:
            kind: ``right``, or that of a wrong one.
            accepts: probe -> whether the exit must go on with such a node.

        Raises:
            MeasurementError: a client's place cannot make calls.
            StackError: an exit does not answer.
        """
        probed: dict[Probe, Probed] = {}
        waiting = list(accepts)
        for number in range(_TRIES):
            if number:
                self._sleep(_AGAIN_S)
            at_once = 1 if number else self._at_once
            before = self._refusals()
            for together in apart(waiting):
                answers = self._call(together, at_once)
                after = self._refusals()
                for probe, (request_id, answer) in answers.items():
                    line = _line(probe, kind, answer, after.of(probe) - before.of(probe), accepts[probe])
                    probed[probe] = Probed(line, probe.request, request_id, answer)
                before = after
            waiting = [probe for probe in waiting if not probed[probe].line.passed]
            if not waiting:
                break
        return [probed[probe] for probe in accepts]

    def _call(self, probes: Sequence[Probe], at_once: int) -> dict[Probe, tuple[str, Answer]]:
        """Probe -> the id of its call and the answer."""
        found: dict[Probe, tuple[str, Answer]] = {}
        for client in dict.fromkeys(probe.client for probe in probes):
            own = [(probe, next(self._ids)) for probe in probes if probe.client == client]
            calls = [probe.call.with_header(ID_HEADER, request_id) for probe, request_id in own]
            answers = self._caller(client)(calls, at_once=at_once)
            found |= {
                probe: (request_id, answer) for (probe, request_id), answer in zip(own, answers, strict=True)
            }
        return found


def apart(probes: Sequence[Probe]) -> list[list[Probe]]:
    """Groups in which no two share a cluster, as few as a look at each in turn finds."""
    groups: list[list[Probe]] = []
    for probe in probes:
        fitting = (group for group in groups if not any(map(probe.shares_cluster, group)))
        group = next(fitting, None)
        if group is None:
            groups.append([probe])
        else:
            group.append(probe)
    return groups


def _line(probe: Probe, kind: str, answer: Answer, refused: int, accepts: bool) -> VerificationLine:
    right = str(probe.request.expect.status)
    node = answer.node
    got = str(answer.status) if answer.status is not None else answer.error or "nothing"
    what = "names" if kind == "wrong-san" else "certificates"
    unchecked = right if kind == "right" else f"{right} ({what} are not checked)"
    return VerificationLine(
        name=f"{probe.name}, node cert {kind}",
        sent=f"{probe.name} through the path, all nodes with a certificate of the kind {kind}",
        expected=unchecked if accepts else "503 handshake refused",
        got=f"{got}{' handshake refused' if refused else ''}",
        node=node,
        passed=str(answer.status) == right and node is not None
        if accepts
        else answer.status == 503 and node is None and refused > 0,
        kind="tls-control",
    )
