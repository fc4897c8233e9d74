"""The main job: stacks up, calls verified, load in interleaved blocks, handshakes, result and report."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis.limits import samples_needed
from bench.certs import Material
from bench.experiment.capacity import measure_capacity, planned_s
from bench.experiment.handshake import handshake_plans, handshake_variations, measure_handshakes
from bench.experiment.instruments import REAL, Instruments, one_generator
from bench.experiment.options import RunOptions
from bench.experiment.run_context import AROUND_TRIAL_S, RunContext
from bench.experiment.steady import BASELINE_S, measure_steady, steady_plans
from bench.experiment.verification import WrongPathError
from bench.measure import (
    Finished,
    RunRecord,
    fingerprint_of,
    kept,
    require_matchable,
    require_read,
    topology_of,
    way_of,
)
from bench.observer import Observer
from bench.preparation import Prepared, make_material, prepare
from bench.result import RunWarning
from bench.scenario import mean_rate
from bench.scenario.load import LoadedScenario
from bench.stack.runs import supervised_folder

_PREPARATION_S = 6.0
_REPORT_S = 4.0


def run(
    loaded: LoadedScenario, options: RunOptions, observer: Observer, *, instruments: Instruments = REAL
) -> Finished:
    """Do the whole job for one scenario.

    Raises:
        InputError: the resources cannot be translated, the result folder cannot be written.
        StackError: a part is missing, refused its configuration or died.
        LoadError, MeasurementError: the load could not be driven or measured.
        InterruptedRunError: Ctrl-C or SIGTERM.
        Whatever is raised after the first trial, its result and report are on disk.
    """
    started_at = datetime.now(UTC)
    options.locust_outputs.check()
    if options.ledger == "full":
        require_matchable(loaded.scenario.traffic)
    observer.plan(_planned_s(loaded, options))
    observer.stage("translating the Istio resources", 1)
    prepared = prepare(loaded)
    if options.ledger == "full":
        require_read(topology_of(prepared, "static"), prepared.leaving)
    for together in _stacks_at_once(prepared, options):
        options.backend.require_watches(together)
    record = RunRecord.open(
        loaded,
        out=options.out,
        command=options.command,
        started_at=started_at,
        fingerprint=fingerprint_of(prepared, options.backend.kind, options.backend.versions()),
    )
    record.warnings += _warnings(prepared, options)
    for warning in record.warnings:
        observer.warning(warning)
    record.save()
    if options.locust_outputs.web is not None:
        observer.note(
            f"Locust's web UI: http://{options.locust_outputs.web}/ while load runs, a new one for each trial"
        )
    with kept(record, write_report=instruments.write_report):
        try:
            _measure(prepared, options, record, observer, instruments)
        except WrongPathError as error:
            # A finding about the user's resources, not a failure of the run: it has a report and exit code 1.
            return Finished(record.abort(str(error)), record.folder, instruments.write_report(record.folder))
    observer.stage("writing the report", _REPORT_S)
    return Finished(record.complete(), record.folder, instruments.write_report(record.folder))


def _measure(
    prepared: Prepared,
    options: RunOptions,
    record: RunRecord,
    observer: Observer,
    instruments: Instruments,
) -> None:
    scenario = prepared.loaded.scenario
    with supervised_folder(f"{scenario.name} keys") as private:
        observer.stage(f"making certificates ({scenario.tls.key})", 2)
        material = make_material(prepared.loaded, private / "material", options.keys)
        _keep_certificates(material, record.folder / "config" / "certificates")
        record.way = way_of(prepared, material)
        verifier = instruments.make_verifier(prepared, material)
        settings = options.handshake_of(scenario)
        with one_generator(instruments, record.folder / "logs" / "generator") as kept_instruments:
            context = RunContext(prepared, options, record, observer, material, verifier, kept_instruments)
            measure_steady(context)
            if settings is not None:
                measure_handshakes(context, settings)
            if scenario.capacity is not None:
                measure_capacity(context, scenario.capacity)


def _keep_certificates(material: Material, folder: Path) -> None:
    for certificate in material.public_files():
        kept = folder / certificate.relative_to(material.live)
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(certificate, kept)


def _planned_s(loaded: LoadedScenario, options: RunOptions) -> float:
    traffic = loaded.scenario.traffic
    trials = [plan.measure_s for _, plan in steady_plans(traffic, options.sources)]
    settings = options.handshake_of(loaded.scenario)
    if settings is not None:
        trials += [plan.measure_s for _, plan in handshake_plans(settings, options.other_source)]
    return (
        sum(trials)
        + len(trials) * (traffic.warm_up_s + AROUND_TRIAL_S)
        + _PREPARATION_S
        + BASELINE_S
        + (planned_s(loaded.scenario.capacity) if loaded.scenario.capacity is not None else 0.0)
        + _REPORT_S
    )


def _stacks_at_once(prepared: Prepared, options: RunOptions) -> Iterator[dict[str, int]]:
    """The file watches of the stacks that run side by side, for each of the run's phases."""
    together = prepared.file_watches("controls", "static")
    for source in options.sources:
        together |= prepared.file_watches(source, source)
    yield together
    if options.handshake_of(prepared.loaded.scenario) is not None:
        source = options.other_source
        stacks = (prepared.file_watches(f"handshake-{name}", source) for name in handshake_variations())
        yield {proxy: count for stack in stacks for proxy, count in stack.items()}


def _warnings(prepared: Prepared, options: RunOptions) -> list[RunWarning]:
    """What is known before anything starts."""
    found = [
        RunWarning(code=warning.code, message=f"{warning.where}: {warning.what}", advice=warning.advice)
        for warning in prepared.warnings
    ]
    found += [
        RunWarning(code=missing.code, message=str(missing), advice=missing.advice)
        for missing in prepared.missing_stand_ins
    ]
    found += _costly_requests(prepared.loaded)
    found += _too_few_samples(
        prepared.loaded, len(steady_plans(prepared.loaded.scenario.traffic, options.sources))
    )
    backend = options.backend
    if prepared.loaded.scenario.resources and not backend.holds_limits:
        found.append(
            RunWarning(
                code="limits-not-held",
                message=f"{prepared.loaded.position('resources')}: the {backend.kind} stack holds no part to"
                " these limits; only Envoy's --concurrency follows them.",
                advice="Run with --stack docker to measure within limits.",
            )
        )
    return found


def _costly_requests(loaded: LoadedScenario) -> list[RunWarning]:
    """Requests that the generator cannot drive as cheaply as others."""
    keys = dict.fromkeys(
        each.key for each in loaded.scenario.traffic.mix if each.protocol in ("http/2", "grpc")
    )
    if not keys:
        return []
    return [
        RunWarning(
            code="costly-http2",
            message=f"{loaded.position('traffic', 'requests', next(iter(keys)))}: HTTP/2 of"
            f" {', '.join(keys)} is driven by a library in Python, one request at a time on each connection;"
            " it costs the generator about ten times what HTTP/1.1 does.",
            advice="The CPU of the generator per request is in the result; give it more workers, or a lower"
            " rate, if it is late.",
        )
    ]


def _too_few_samples(loaded: LoadedScenario, trials: int) -> list[RunWarning]:
    """Limits that this run cannot prove, however good the path is, and how long it takes to prove them."""
    traffic, limits = loaded.scenario.traffic, loaded.scenario.limits.model_dump()
    rate = mean_rate(traffic.schedule)
    needed = {name: samples_needed(name) for name, bound in limits.items() if bound is not None}
    found = []
    for name, samples in needed.items():
        # How many a closed loop sends is what it is there to find out.
        expected = rate * traffic.measure_s * trials if rate is not None else None
        if rate is None or expected is None or samples is None or expected >= samples:
            continue
        found.append(
            RunWarning(
                code="too-few-samples",
                message=f"{loaded.position('limits', name)}: {name} takes {samples:,} answers, and {trials}"
                f" trials of {traffic.measure_s:g} s at {rate:g}/s bring {expected:,.0f}: it will be neither"
                " met nor missed.",
                advice=f"`--measure {math.ceil(samples / rate / trials)}` is long enough.",
            )
        )
    return found
