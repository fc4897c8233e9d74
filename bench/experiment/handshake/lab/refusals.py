"""Paths that cannot shake hands, or cannot resume: provoked, named by codes, every request accounted for."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from bench.analysis.tls import CLIENT_REFUSED, name_failure
from bench.certs import write_deep_client, write_short_lived_server
from bench.experiment.handshake.lab.bench import Lab
from bench.experiment.handshake.lab.paths import LabPath, node_name
from bench.experiment.handshake.lab.sessions import RunningPath, gateway_entries, running_path
from bench.experiment.handshake.lab.windows import Drive, Step, drive
from bench.experiment.run_context import RunContext
from bench.preparation import Variation
from bench.result import Counts, Refusal
from bench.stack import NodeTlsOptions
from bench.telemetry import CONNECTION_FIELDS, ConnectionEntry
from bench.translate import TlsVersion

_RATE: Final = 30.0
_SECONDS: Final = 1.0
_LASTS_S: Final = 3.0
"""A certificate that expires in the middle of the load, which begins about a second after it was made."""
_EXPIRING_S: Final = 5.0
_ANSWERED: Final = "answered"
_NO_SESSION: Final = "no-session"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that goes wrong."""

    name: str
    expected: str
    """Name of a reason, or ``answered``, or ``no-session``."""
    node_tls: NodeTlsOptions = field(default_factory=NodeTlsOptions)
    tls_version: TlsVersion | None = None
    max_session_keys: int = 0
    prepare: Callable[[RunContext], None] | None = None
    """Changes the certificates before the stack starts."""
    provoke: Callable[[Lab, RunningPath], None] | None = None
    """Changes the running stack right before the load."""
    seconds: float = _SECONDS


def _deep(run: RunContext) -> None:
    write_deep_client(run.material.live.resolve(), run.material.names, intermediates=2)


def _unknown_client(run: RunContext) -> None:
    live = run.material.live.resolve()
    for name in ("client.crt", "client.key"):
        shutil.copyfile(run.material.wrong("other-ca") / name, live / name)


def _expiring(lab: Lab, ground: RunningPath) -> None:
    folder = ground.run.material.folder / "expiring"
    write_short_lived_server(ground.run.material, folder, lasts_s=_LASTS_S)
    lab.options.backend.make_faults(ground.stack).use_certificates(node_name(1), folder)


CASES: Final = (
    Case(
        "TLS version that the node does not speak",
        "alert-protocol-version",
        node_tls=NodeTlsOptions(versions=("TLSv1.3",)),
        tls_version="TLSv1_2",
    ),
    Case(
        "curve that the gateway does not offer",
        "alert-handshake-failure",
        node_tls=NodeTlsOptions(versions=("TLSv1.3",), curves="secp521r1"),
        tls_version="TLSv1_3",
    ),
    Case(
        "node that gives no session tickets",
        _NO_SESSION,
        node_tls=NodeTlsOptions(tickets=False),
        max_session_keys=8,
    ),
    Case("chain within the verify depth", _ANSWERED, prepare=_deep),
    Case(
        "chain longer than the verify depth",
        CLIENT_REFUSED,
        node_tls=NodeTlsOptions(verify_depth=1),
        prepare=_deep,
    ),
    Case(
        "server certificate that expires in mid-run",
        "certificate-verify-failed",
        provoke=_expiring,
        seconds=_EXPIRING_S,
    ),
    Case("client certificate that the node's CA does not know", CLIENT_REFUSED, prepare=_unknown_client),
)
_IN_MID_RUN: Final = frozenset({"server certificate that expires in mid-run"})
"""Cases in which requests are answered, too."""


def measure_refusals(lab: Lab) -> None:
    """Provoke each case on a stack of its own.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    for number, case in enumerate(CASES, 1):
        lab.observer.stage(f"refusals: {case.name}", case.seconds + 5)
        variation = Variation(
            access_log=CONNECTION_FIELDS,
            max_requests_per_connection=1,
            max_session_keys=case.max_session_keys,
            tls_version=case.tls_version,
            node_tls=case.node_tls,
        )
        path = LabPath(nodes=1)
        with running_path(lab, path, f"refusals-{number}", variation, prepare=case.prepare) as ground:
            if case.provoke is not None:
                case.provoke(lab, ground)
            with ground.run.instruments.open_meter(ground.stack, "egress") as meter:
                done = drive(ground.run, ground.stack, meter, [Step(_RATE, case.seconds)], 0)
            entries = gateway_entries(ground.run, ground.stack)
        lab.add(misrouted=done.misrouted, refusals=[judge_case(case, done, causes_of(entries))])


def causes_of(entries: Iterable[ConnectionEntry]) -> Mapping[str, int]:
    """Why requests got no answer of the node's, by the gateway's log."""
    found: Counter[str] = Counter()
    for entry in entries:
        name = name_failure(entry.failure)
        if name is None and entry.status == HTTPStatus.BAD_REQUEST and not entry.flags:
            # nginx shakes hands with every client, and refuses its requests by this status.
            name = CLIENT_REFUSED
        if name is not None:
            found[name] += 1
    return MappingProxyType(dict(found))


def judge_case(case: Case, done: Drive, causes: Mapping[str, int]) -> Refusal:
    """Hold what came of a case against what was provoked; every due request must have an end."""
    counts = Counts.sum(part.counts for stage in done.outcome.stages for part in stage.subsets)
    (window,) = done.windows
    is_clean = not causes and counts.answered == counts.due
    match case.expected:
        case "answered":
            found = is_clean
        case "no-session":
            found = is_clean and window.handshakes > 0 and not window.resumed
        case _:
            found = set(causes) == {case.expected} and counts.failed > 0
            found = found and (counts.answered > 0) is (case.name in _IN_MID_RUN)
    return Refusal(
        case=case.name,
        expected=case.expected,
        requests=counts.due,
        answered=counts.answered,
        failed=counts.failed,
        unsent=counts.unsent,
        causes=dict(causes),
        handshakes=window.handshakes,
        resumed=window.resumed,
        named=found and counts.is_balanced and not counts.misrouted,
    )
