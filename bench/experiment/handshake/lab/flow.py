"""`egress-bench handshake`: the matrix, then sessions, pools, storms, refusals and the first hop."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from bench.analysis.tls import lab_findings
from bench.experiment.handshake.lab.bench import Lab
from bench.experiment.handshake.lab.matrix import measure_ground, round_s
from bench.experiment.handshake.lab.mesh import measure_mesh
from bench.experiment.handshake.lab.pools import measure_pools
from bench.experiment.handshake.lab.refusals import measure_refusals
from bench.experiment.handshake.lab.sessions import measure_sessions
from bench.experiment.handshake.lab.settings import LabOptions, Part
from bench.experiment.handshake.lab.storms import measure_storms
from bench.experiment.handshake.lab.traffic import LabTraffic, lab_traffic
from bench.experiment.instruments import REAL, Instruments, one_generator
from bench.measure import Finished, RunRecord, fingerprint_of, kept
from bench.observer import Observer
from bench.preparation import prepare
from bench.result import TlsLab
from bench.scenario.load import LoadedScenario
from bench.scenario.overrides import override
from bench.telemetry import openssl_version

_PREPARATION_S = 3.0
_REPORT_S = 3.0
_ON_THE_SCENARIO: frozenset[Part] = frozenset({"matrix", "storms", "mesh"})
"""Parts that are measured on the scenario's own path; the others have paths of their own."""
_REST_S = {"sessions": 40.0, "pools": 30.0, "storms": 40.0, "refusals": 45.0, "mesh": 30.0}
"""What the other parts take in a quick look; for the progress bar only."""
_FULL_REST_S = {"sessions": 100.0, "pools": 60.0, "storms": 50.0, "refusals": 25.0, "mesh": 12.0}
"""The same with ``--full``."""
_GROUND_S = 9.0
"""Starting the stacks of a ground, and its bytes on the wire."""


def run_lab(
    loaded: LoadedScenario,
    options: LabOptions,
    observer: Observer,
    *,
    instruments: Instruments = REAL,
) -> Finished:
    """Measure what TLS handshakes cost at the gateway of *loaded*, and why.

    Everything that was measured is on disk after each ground and each part.

    Raises:
        InputError: the resources cannot be translated, or no request makes the gateway start TLS.
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    started_at = datetime.now(UTC)
    observer.plan(_planned_s(loaded, options))
    observer.stage("translating the Istio resources", 1)
    prepared = prepare(loaded)
    found = lab_traffic(prepared) if _ON_THE_SCENARIO & set(options.parts) else LabTraffic(loaded, {})
    loaded = found.loaded
    record = RunRecord.open(
        loaded,
        out=options.out,
        command=options.command,
        fingerprint=fingerprint_of(prepared, options.backend.kind, options.backend.versions()),
        started_at=started_at,
        name=f"{loaded.scenario.name}-handshake",
    )
    record.tls_lab = TlsLab(is_full=options.is_full, libraries=_libraries(record))
    for warning in found.warnings:
        record.warn(warning, observer)
    record.save()
    with kept(record, write_report=instruments.write_report):
        with one_generator(instruments, record.folder / "logs" / "generator") as tools:
            lab = Lab(loaded, options, record, observer, tools)
            for part in options.parts:
                PARTS_OF[part](lab)
        for warning in lab_findings(record.tls_lab):
            record.warn(warning, observer)
    observer.stage("writing the report", _REPORT_S)
    return Finished(record.complete(), record.folder, instruments.write_report(record.folder))


def time_for_next(left_s: float, grounds: int) -> float:
    """Seconds that the next of *grounds* may take of those left: more than its share, as most need less."""
    return min(left_s, 1.2 * left_s / grounds)


def _matrix(lab: Lab) -> None:
    plans = lab.options.grounds(lab.loaded.scenario.tls.key)
    left_s = lab.options.schedule.ground_s * len(plans)
    for number, plan in enumerate(plans):
        lab.observer.stage(f"{plan.name}: making certificates", 1)
        with lab.context(override(lab.loaded, key=plan.key)) as run:
            found = measure_ground(
                run,
                plan,
                lab.options.schedule,
                rounds=lab.options.rounds,
                time_s=time_for_next(left_s, len(plans) - number),
            )
        left_s = max(0.0, left_s - found.rounds_s)
        lab.add(
            misrouted=found.misrouted,
            cells=found.cells,
            speeds=() if found.speed is None else (found.speed,),
            cost_models=() if found.model is None else (found.model,),
        )


PARTS_OF: Mapping[Part, Callable[[Lab], None]] = MappingProxyType(
    {
        "matrix": _matrix,
        "sessions": measure_sessions,
        "pools": measure_pools,
        "storms": measure_storms,
        "refusals": measure_refusals,
        "mesh": measure_mesh,
    }
)


def _libraries(record: RunRecord) -> dict[str, str]:
    versions = record.fingerprint.versions
    return {
        "gateway": f"BoringSSL, in Envoy {versions.get('envoy', 'of unknown version')}",
        "node": f"OpenSSL {versions.get('openssl', 'of unknown version')}, in nginx",
        "direct client": ssl.OPENSSL_VERSION,
        "oracle": openssl_version() or "none: there is no openssl on PATH",
    }


def _planned_s(loaded: LoadedScenario, options: LabOptions) -> float:
    schedule = options.schedule
    rounds = options.rounds or (schedule.rounds if schedule.rounds == schedule.most_rounds else None)
    # Where it is not known how many it takes to be precise, their time is given; the last goes on beyond it.
    rounds_s = round_s(schedule) * rounds if rounds else schedule.ground_s + round_s(schedule) / 2
    parts_s = _FULL_REST_S if options.is_full else _REST_S
    rest = sum(parts_s[part] for part in options.parts if part != "matrix")
    grounds = len(options.grounds(loaded.scenario.tls.key)) if "matrix" in options.parts else 0
    return _PREPARATION_S + grounds * (rounds_s + _GROUND_S) + rest + _REPORT_S
