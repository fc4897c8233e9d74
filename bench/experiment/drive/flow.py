"""The same load and verification against a system that runs elsewhere and that is not ours to look into."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from bench.environment import machine, versions
from bench.experiment.drive.target import (
    DriveOptions,
    check_workers,
    client_tls,
    read_admin,
    read_target,
    require_reachable,
    with_workers,
)
from bench.experiment.instruments import REAL, Instruments, one_generator
from bench.load import LoadEvent, RemoteWorkersStatus, Target
from bench.load.run import MASTER_PORT, address_seen_from_elsewhere
from bench.measure import (
    Finished,
    RemoteBooks,
    RunRecord,
    TrialPlan,
    drive_load,
    finished_trial,
    kept,
    load_plan,
    topology_of,
)
from bench.observer import Observer
from bench.preparation import prepare
from bench.result import Fingerprint
from bench.scenario.load import LoadedScenario
from bench.verify.path_calls import PathCheck, path_requests

_AROUND_S = 8.0
_AT_ONCE = 8
"""Calls at once: one after the other, a target that never answers would cost a timeout for each."""


def drive(
    loaded: LoadedScenario, options: DriveOptions, observer: Observer, *, instruments: Instruments = REAL
) -> Finished:
    """Verify the scenario's calls on the target, load it at the scenario's schedule, and report.

    Raises:
        InputError: the target is not a URL, its TLS files are missing or unusable, what Locust is to write,
            or where it is to listen, cannot be had.
        LoadError: the target cannot be reached, or the load could not be driven.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    target = read_target(loaded, options)
    options.locust_outputs.check()
    check_workers(options)
    books = _books(loaded, options)
    require_reachable(target)
    started_at = datetime.now(UTC)
    traffic = loaded.scenario.traffic
    observer.plan(_AROUND_S + traffic.warm_up_s + traffic.measure_s)
    record = RunRecord.open(
        loaded,
        out=options.out,
        command=options.command,
        fingerprint=Fingerprint(
            machine=machine(),
            versions=versions(envoy=None, nginx=None),
            scenario_hash=loaded.content_hash(),
            config_hashes={},
            stack=f"elsewhere: {options.target}",
        ),
        started_at=started_at,
    )
    with (
        kept(record, write_report=instruments.write_report),
        one_generator(instruments, record.folder / "logs" / "generator") as ours,
    ):
        stopped = _measure(loaded, options, target, books, record=record, observer=observer, instruments=ours)
    observer.stage("writing the report", 2)
    result = record.complete() if stopped is None else record.abort(stopped)
    return Finished(result, record.folder, instruments.write_report(record.folder))


def _measure(
    loaded: LoadedScenario,
    options: DriveOptions,
    target: Target,
    books: RemoteBooks | None,
    *,
    record: RunRecord,
    observer: Observer,
    instruments: Instruments,
) -> str | None:
    """Verify and load; returns why that ended before its time, None if it did not."""
    traffic = loaded.scenario.traffic
    observer.stage("verifying the target, call by call", 1)
    tls = client_tls(target)
    checks = [
        PathCheck(request, options.target.rstrip("/"), tls) for request in path_requests(loaded.scenario)
    ]
    record.verification += [
        check.judge(answer).model_copy(update={"stack": "target"})
        for check, answer in zip(
            checks, instruments.call([check.call for check in checks], at_once=_AT_ONCE), strict=True
        )
    ]
    observer.verification(record.verification)
    wrong = [line for line in record.verification if not line.passed]
    if wrong:
        return (
            f"{len(wrong)} of {len(checks)} verification calls were wrong, the first: {wrong[0].name}:"
            f" expected {wrong[0].expected}, got {wrong[0].got}. No load was sent."
        )
    plan = TrialPlan(
        name="target",
        experiment="steady",
        config_source=None,
        schedule=traffic.schedule,
        measure_s=traffic.measure_s,
        requires_id=options.requires_id,
    )
    load = with_workers(load_plan(loaded.scenario, plan, target, record.run_id), options)
    logs = record.folder / "logs" / "generator"
    observer.stage("measuring the generator on a null target", 5)
    record.baseline = instruments.measure_baseline(load, logs / "baseline")
    observer.stage(f"load on {options.target}", traffic.warm_up_s + traffic.measure_s)
    started_at = datetime.now(UTC)
    if options.locust_outputs.web is not None:
        observer.note(f"Locust's web UI: http://{options.locust_outputs.web}/ while the load runs")

    def on_event(event: LoadEvent) -> None:
        if isinstance(event, RemoteWorkersStatus):
            observer.note(_whom_to_start(event))

    before = books.read() if books is not None else {}
    outcome, failure = drive_load(
        instruments.run_load,
        load,
        logs / "target",
        on_event=on_event,
        locust_outputs=options.locust_outputs,
    )
    if outcome.stages:
        ledger = books.close(before, load, outcome) if books is not None else None
        for missing in ledger.missing if ledger is not None else ():
            observer.note(f"books: {missing.text}")
        record.add_trial(finished_trial(plan, started_at, outcome, ledger=ledger, failure=failure))
    if failure is not None:
        raise failure
    return None if outcome.complete else f"the load ended early: {outcome.reason}."


def _books(loaded: LoadedScenario, options: DriveOptions) -> RemoteBooks | None:
    """The books of the proxies whose admin API is given; None without any."""
    admin = read_admin(loaded, options)
    return RemoteBooks(admin, topology_of(prepare(loaded), "static")) if admin else None


def _whom_to_start(event: RemoteWorkersStatus) -> str:
    missing = event.expected - event.present
    if missing <= 0:
        return f"all {event.expected} workers are here"
    host = address_seen_from_elsewhere() if event.host == "0.0.0.0" else event.host  # noqa: S104 - compared only
    port = f" --port {event.port}" if event.port != MASTER_PORT else ""
    return (
        f"waiting for workers, {event.present} of {event.expected} are here; on the other machines run"
        f" `egress-bench worker --master {host}{port} --token {shlex.quote(event.token)}`"
        " (--processes N for N of them)"
    )
