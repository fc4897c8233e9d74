"""The same load and verification against a system that runs elsewhere and that is not ours to look into."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from bench.environment import machine, versions
from bench.errors import InputError
from bench.load.events import LoadEvent, WorkersAwaited
from bench.load.plan import LoadPlan, Target, TargetTls
from bench.load.run.locust_outputs import NO_SURFACE, Address, Surface
from bench.load.run.null_target import measure_floor
from bench.load.run.remote_workers import address_seen_from_elsewhere
from bench.load.run.runner import run_load
from bench.load.run.starting import MASTER_PORT
from bench.measure.ending import Finished, kept
from bench.measure.reporting import write_report
from bench.measure.run_record import Journal
from bench.measure.trial import TrialPlan, finished_trial, load_plan
from bench.observer import Observer
from bench.result import Fingerprint
from bench.scenario.load import LoadedScenario
from bench.verify.calls import ClientTls, make_calls
from bench.verify.walkthrough import PathCheck, path_requests

_AROUND_S = 8.0
_AT_ONCE = 8
"""Calls at once: one after the other, a target that never answers would cost a timeout for each."""


@dataclass(frozen=True, slots=True)
class DriveOptions:
    """Where the load goes and how it gets there."""

    target: str
    """``http://HOST:PORT`` or ``https://HOST:PORT``; the Host header stays the scenario's."""
    out: Path
    command: str
    ca: Path | None = None
    """Bundle that the target's certificate must chain to; required for https."""
    certificate: Path | None = None
    private_key: Path | None = None
    server_name: str | None = None
    """Name to ask for and to check in the certificate; default: the scenario's host."""
    surface: Surface = NO_SURFACE
    """What Locust itself shows and writes."""
    remote_workers: int = 0
    """Workers that join from other machines, beside those of this one."""
    master_bind: Address | None = None
    """Where they are awaited; required if any are to come."""
    await_workers_s: float = 600.0
    requires_id: bool = False
    """Whether answers must echo the request id, as the suite's own nodes do."""


def drive(loaded: LoadedScenario, options: DriveOptions, observer: Observer) -> Finished:
    """Verify the scenario's calls on the target, load it at the scenario's schedule, and report.

    Raises:
        InputError: the target is no URL, its TLS files are missing or unusable, or what Locust is to write,
            or where it is to listen, cannot be had.
        LoadError: the target cannot be reached, or the load could not be driven.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    target = _target(loaded, options)
    options.surface.check()
    _check_workers(options)
    started_at = datetime.now(UTC)
    traffic = loaded.scenario.traffic
    observer.plan(_AROUND_S + traffic.warm_up_s + traffic.measure_s)
    journal = Journal.open(
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
    with kept(journal):
        stopped = _measure(loaded, options, target, journal, observer)
    observer.stage("writing the report", 2)
    result = journal.complete() if stopped is None else journal.abort(stopped)
    return Finished(result, journal.folder, write_report(journal.folder))


def _measure(
    loaded: LoadedScenario, options: DriveOptions, target: Target, journal: Journal, observer: Observer
) -> str | None:
    """Verify and load; returns why that ended before its time, None if it did not."""
    traffic = loaded.scenario.traffic
    observer.stage("verifying the target, call by call", 1)
    tls = _client_tls(target)
    checks = [
        PathCheck(request, options.target.rstrip("/"), tls) for request in path_requests(loaded.scenario)
    ]
    journal.verification += [
        check.judge(answer).model_copy(update={"stack": "target"})
        for check, answer in zip(
            checks, make_calls([check.call for check in checks], at_once=_AT_ONCE), strict=True
        )
    ]
    observer.verification(journal.verification)
    wrong = [line for line in journal.verification if not line.passed]
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
    load = _with_workers(load_plan(loaded.scenario, plan, target, journal.run_id), options)
    logs = journal.folder / "logs" / "generator"
    observer.stage("measuring the generator against a stub", 5)
    journal.floor = measure_floor(load, logs / "floor")
    observer.stage(f"load on {options.target}", traffic.warm_up_s + traffic.measure_s)
    started_at = datetime.now(UTC)
    if options.surface.web is not None:
        observer.note(f"Locust's web UI: http://{options.surface.web}/ while the load runs")

    def on_event(event: LoadEvent) -> None:
        if isinstance(event, WorkersAwaited):
            observer.note(_whom_to_start(event))

    outcome = run_load(load, logs / "target", on_event=on_event, surface=options.surface)
    journal.add_trial(finished_trial(plan, started_at, outcome))
    return None if outcome.complete else f"the load ended early: {outcome.reason}."


def _check_workers(options: DriveOptions) -> None:
    if options.remote_workers and options.master_bind is None:
        raise InputError(
            "--remote-workers is given and --master-bind is missing.",
            remedy="Name the address of this machine on which workers reach it; whoever reaches it can join.",
        )
    if options.master_bind is not None:
        if not options.remote_workers:
            raise InputError("--master-bind awaits nobody.", remedy="Add --remote-workers N.")
        options.master_bind.check("--master-bind")


def _with_workers(load: LoadPlan, options: DriveOptions) -> LoadPlan:
    if options.master_bind is None:
        return load
    return load.model_copy(
        update={
            "remote_workers": options.remote_workers,
            "await_workers_s": options.await_workers_s,
            "master_bind": options.master_bind.host,
            "master_port": options.master_bind.port,
        }
    )


def _whom_to_start(event: WorkersAwaited) -> str:
    missing = event.expected - event.present
    if missing <= 0:
        return f"all {event.expected} workers are here"
    host = address_seen_from_elsewhere() if event.host == "0.0.0.0" else event.host  # noqa: S104 - compared only
    port = f" --port {event.port}" if event.port != MASTER_PORT else ""
    return (
        f"waiting for workers, {event.present} of {event.expected} are here; on the other machines run"
        f" `egress-bench worker --master {host}{port}` (--processes N for N of them)"
    )


def _target(loaded: LoadedScenario, options: DriveOptions) -> Target:
    parts = urlsplit(options.target)
    try:
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise InputError(
            f"--target {options.target!r} is not http://HOST:PORT or https://HOST:PORT.",
            remedy="Path and Host header come from the scenario.",
        )
    host = loaded.scenario.traffic.host
    tls = None
    if parts.scheme == "https":
        if options.ca is None:
            raise InputError(
                "--target is https and --ca is missing.",
                remedy="Name the bundle that its certificate must chain to; it is always verified.",
            )
        tls = TargetTls(
            server_name=options.server_name or host.partition(":")[0],
            ca=str(options.ca),
            certificate=str(options.certificate) if options.certificate is not None else None,
            private_key=str(options.private_key) if options.private_key is not None else None,
        )
    return Target(address=parts.hostname, port=port or (443 if tls is not None else 80), host=host, tls=tls)


def _client_tls(target: Target) -> ClientTls | None:
    """The same TLS for single calls; tries the files, so that a bad one is told before anything is sent."""
    if target.tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=target.tls.ca)
        if target.tls.certificate is not None:
            context.load_cert_chain(target.tls.certificate, target.tls.private_key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"the TLS files for the target cannot be used: {error}.",
            remedy="Check --ca, --certificate and --private-key.",
        ) from error
    return ClientTls(
        ca=target.tls.ca,
        server_name=target.tls.server_name,
        certificate=target.tls.certificate,
        private_key=target.tls.private_key,
    )
