"""`egress-bench faults`: clean loads without an alarm, then one load for each fault, each to be named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import InputError
from bench.experiment.faults import network
from bench.experiment.faults.aims import NotPossibleError, find_aims, requests_sent
from bench.experiment.faults.field import Field
from bench.experiment.faults.kinds import Fault
from bench.experiment.faults.load import WARM_UP_S, Observed, Proving, every_fault
from bench.load.run import LoadGenerator
from bench.measure import (
    SIDECAR_LOG,
    Finished,
    RunRecord,
    Topology,
    fingerprint_of,
    kept,
    topology_of,
    way_of,
)
from bench.observer import Observer
from bench.preparation import Prepared, Variation, make_material, prepare
from bench.report import write_report
from bench.result import FaultResult, FaultsResult, RunWarning
from bench.scenario.load import LoadedScenario
from bench.stack.artifacts import save_config
from bench.stack.backend import Backend
from bench.stack.runs import supervised_folder
from bench.telemetry import GATEWAY_FIELDS
from bench.translate import ConfigSource

CLEAN_RUNS = 2
_CLEAN_S = 2.0
_CLEAN_RATE = 200.0
_MOST_NAMED = 5
_MOST_TRIES = 3
_AROUND_LOAD_S = 4.0
"""Start of the generator, matching and recovery, for each load; for the progress bar only."""
_PREPARATION_S = 6.0
_AT = {"at": SIDECAR_LOG["at"]}


@dataclass(frozen=True, slots=True)
class FaultsOptions:
    """What the command line says."""

    out: Path
    command: str
    backend: Backend
    clean: int = CLEAN_RUNS
    """Loads without a fault, which must raise no alarm."""
    only: tuple[str, ...] = ()
    """Names of faults; empty: all."""
    config_source: ConfigSource = "eds"


def prove(loaded: LoadedScenario, options: FaultsOptions, observer: Observer) -> Finished:
    """Inject each fault into a running load and see whether the instruments name it.

    Raises:
        InputError: there is no fault of that name, or the resources cannot be translated.
        StackError, LoadError, MeasurementError: a part, the load or a fault did not do what it must; what was
            proven until then is on disk.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    faults = choose(options.only, with_network=options.backend.kind != "local")
    started_at = datetime.now(UTC)
    observer.plan(_planned_s(faults, options.clean))
    observer.stage("translating the Istio resources", 1)
    prepared = prepare(loaded)
    record = RunRecord.open(
        loaded,
        out=options.out,
        command=options.command,
        fingerprint=fingerprint_of(prepared, options.backend.kind, options.backend.versions()),
        started_at=started_at,
        name=f"{loaded.scenario.name}-faults",
    )
    record.faults = FaultsResult()
    record.save()
    with kept(record):
        _prove(prepared, faults, options, record, observer)
    observer.stage("writing the report", 2)
    return Finished(record.complete(), record.folder, write_report(record.folder))


def choose(names: Sequence[str], *, with_network: bool = False) -> tuple[Fault, ...]:
    """The faults of these names; without one all, those of the network only if asked for.

    Raises:
        InputError: a name is none.
    """
    known = {fault.name: fault for fault in (*every_fault(), *network.FAULTS)}
    for name in names:
        if name not in known:
            raise InputError(f"there is no fault {name!r}.", remedy=f"Faults are: {', '.join(known)}.")
    if names:
        return tuple(fault for fault in known.values() if fault.name in names)
    return (*every_fault(), *(network.FAULTS if with_network else ()))


def _prove(
    prepared: Prepared, faults: Sequence[Fault], options: FaultsOptions, record: RunRecord, observer: Observer
) -> None:
    scenario = prepared.loaded.scenario
    source = options.config_source
    topology = topology_of(prepared, source)
    try:
        aims = find_aims(prepared, topology)
    except NotPossibleError as error:
        for fault in faults:
            _add_impossible(record, fault, str(error), observer)
        return
    _note_left_out(prepared, topology, record, observer)
    logging = Variation(access_log={**GATEWAY_FIELDS, **_AT}, sidecar_access_log={**GATEWAY_FIELDS, **_AT})
    with supervised_folder(f"{scenario.name} keys") as private:
        observer.stage(f"making certificates ({scenario.tls.key})", 2)
        material = make_material(prepared.loaded, private / "material")
        record.way = way_of(prepared, material)
        observer.stage("starting the stack", 1)
        stack = options.backend.make_stack(prepared.stack_spec("faults", source, material, logging))
        folder = record.folder / "logs" / "generator"
        with stack, LoadGenerator(folder) as generator:
            save_config(stack, record.folder / "config" / "faults")
            parts = options.backend.make_faults(stack)
            ground = Field(stack, parts, prepared, topology, material, aims, source)
            ground.await_recovery()
            proving = Proving(ground, folder, generator.run_load)
            for number in range(1, options.clean + 1):
                observer.stage(f"clean run {number} of {options.clean}", _load_s(_CLEAN_S))
                seen = _try(proving, f"{record.run_id}.c{number}", None, observer)
                _add_clean(record, number, seen)
            for number, fault in enumerate(faults, 1):
                observer.stage(f"fault {number} of {len(faults)}: {fault.title}", _load_s(fault.measure_s))
                obstacle = fault.obstacle(ground)
                if obstacle is not None:
                    _add_impossible(record, fault, obstacle, observer)
                    continue
                try:
                    seen = _try(proving, f"{record.run_id}.f{number}", fault, observer)
                except NotPossibleError as error:
                    _add_impossible(record, fault, str(error), observer)
                    continue
                found = _judge(fault, seen)
                record.add_load(seen.seconds, seen.events)
                _add_fault(record, found)
                observer.note(_line(found))


def _note_left_out(prepared: Prepared, topology: Topology, record: RunRecord, observer: Observer) -> None:
    sent = requests_sent(prepared, topology)
    left_out = [each.name for each in prepared.loaded.scenario.traffic.mix if each.name not in sent]
    if left_out:
        more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        warning = RunWarning(
            code="left-out-of-faults",
            message="the load is what sidecar and gateway both read. Left out, since they go past the gateway"
            f" or are passed on as bytes: {', '.join(left_out[:_MOST_NAMED])}{more}.",
            advice="No fault is aimed at them.",
        )
        record.warn(warning, observer)
        record.save()


def _try(proving: Proving, run_id: str, fault: Fault | None, observer: Observer) -> Observed:
    """Drive one load; again if it did not come out right, and the generator was late by itself.

    Then the machine was too busy to say whose doing it was. A load without a late generator counts as it is.
    """
    measure_s, rate = (_CLEAN_S, _CLEAN_RATE) if fault is None else (fault.measure_s, fault.arrival_rate)
    for attempt in range(_MOST_TRIES):
        name = run_id if not attempt else f"{run_id}r{attempt}"
        seen = proving.run(name, fault, measure_s=measure_s, arrival_rate=rate)
        if seen.limited is None or _is_right(fault, seen):
            break
        observer.note(f"generator-limited, nothing is concluded: {seen.limited}")
    return seen


def _is_right(fault: Fault | None, seen: Observed) -> bool:
    if fault is None:
        return not seen.findings
    # The clearest finding must be the right one; further ones are what follows from it.
    return bool(seen.findings) and seen.findings[0].cause is fault.cause


def _judge(fault: Fault, seen: Observed) -> FaultResult:
    named = next((finding for finding in seen.findings if finding.cause is fault.cause), None)
    shown = named or (seen.findings[0] if seen.findings else None)
    return FaultResult(
        name=fault.name,
        title=fault.title,
        expected=str(fault.cause),
        detected=_is_right(fault, seen),
        limited=None if _is_right(fault, seen) else seen.limited,
        found=str(shown.cause) if shown is not None else None,
        detail=shown.detail if shown is not None else "nothing was noticed",
        named_by=shown.instrument if shown is not None else None,
        noticed_by=seen.noticed_by,
        noticed_s=seen.noticed_s,
        requests=shown.requests if shown is not None else 0,
        of_requests=seen.requests,
        also=tuple(str(finding.cause) for finding in seen.findings if finding is not shown),
        early_alarms=seen.early,
    )


def _impossible(fault: Fault, why: str) -> FaultResult:
    return FaultResult(
        name=fault.name,
        title=fault.title,
        expected=str(fault.cause),
        detected=False,
        impossible=why,
        found=None,
        detail=f"not possible here: {why}",
        named_by=None,
        noticed_by=None,
        noticed_s=None,
        requests=0,
        of_requests=0,
    )


def _add_impossible(record: RunRecord, fault: Fault, why: str, observer: Observer) -> None:
    _add_fault(record, _impossible(fault, why))
    observer.note(f"– {fault.title}: not possible here: {why}")


def _add_clean(record: RunRecord, number: int, seen: Observed) -> None:
    known = record.faults or FaultsResult()
    if seen.findings and seen.limited is not None:
        text = f"clean run {number}: {seen.limited}; it looked like: {seen.findings[0].cause}"
        record.faults = known.model_copy(update={"limited": (*known.limited, text)})
        record.save()
        return
    alarms = tuple(f"clean run {number}: {each.cause}: {each.detail}" for each in seen.findings)
    record.faults = known.model_copy(
        update={
            "clean_runs": known.clean_runs + 1,
            "clean_requests": known.clean_requests + seen.requests,
            "false_alarms": known.false_alarms + alarms,
        }
    )
    record.save()


def _add_fault(record: RunRecord, found: FaultResult) -> None:
    known = record.faults or FaultsResult()
    record.faults = known.model_copy(update={"faults": (*known.faults, found)})
    record.save()


def _line(found: FaultResult) -> str:
    sign = "✓" if found.detected else "✗" if found.limited is None else "–"
    when = f"{found.noticed_s:.2f} s" if found.noticed_s is not None else "–"
    return f"{sign} {found.title}: {found.found or 'nothing'} ({found.named_by or '–'}, {when})"


def _load_s(measure_s: float) -> float:
    return WARM_UP_S + measure_s + _AROUND_LOAD_S


def _planned_s(faults: Sequence[Fault], clean: int) -> float:
    loads = [_CLEAN_S] * clean + [fault.measure_s for fault in faults]
    return _PREPARATION_S + sum(_load_s(seconds) for seconds in loads)
