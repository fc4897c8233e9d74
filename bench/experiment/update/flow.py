"""`egress-bench update`: the gateway's configuration changes under load, once for each config source."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.certs import Material, rotate
from bench.errors import BenchError, InputError
from bench.experiment.faults.field import ONLY_ONE, Aim, find_aims
from bench.experiment.faults.lateness import generator_limit
from bench.experiment.update.judging import Judged, Request, Written, judge_changes, misrouted_before
from bench.experiment.update.wanted import Step, Wanted, steps, with_wanted
from bench.experiment.update.writing import GatewayWriter, Outcome
from bench.headers import ID_HEADER
from bench.load import Expectation, LoadEvent, LoadOutcome, LoadPlan, StageStarted
from bench.load.run import run_load
from bench.measure import (
    Finished,
    RunRecord,
    TrialPlan,
    fingerprint_of,
    kept,
    load_plan,
    stack_target,
    topology_of,
)
from bench.observer import Observer
from bench.preparation import Prepared, Variation, make_material, prepare
from bench.report import write_report
from bench.result import ChangeResult, UpdateResult, UpdatesOfSource
from bench.scenario import Constant
from bench.scenario.load import LoadedScenario
from bench.stack import Stack
from bench.stack.artifacts import save_config, save_logs
from bench.stack.backend import Backend
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.stack.runs import supervised_folder
from bench.telemetry import Admin, read_node_log, wait_until_flushed
from bench.translate import CONFIG_SOURCES, ConfigSource, ProxyConfig

ROTATION = "certificate rotated"
SUBSET_HEADER = "x-bench-subset"
_LOG = {
    "time": "%START_TIME(%s%6f)%",
    "duration": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "id": f"%REQ({ID_HEADER.upper()})%",
    "subset": f"%REQ({SUBSET_HEADER.upper()})%",
    "status": "%RESPONSE_CODE%",
    "upstream": "%UPSTREAM_HOST%",
}
_PREPARATION_S = 8.0
_TAIL_S = 1.5
"""After the last change: its effects are to be seen, too."""
_CONNECTIONS = {
    "upstream_cx_total": "connections_opened",
    "upstream_cx_destroy": "connections_closed",
    "ssl.handshake": "handshakes",
    "ssl.session_reused": "sessions_resumed",
}


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """What the command line says."""

    out: Path
    command: str
    backend: Backend
    sources: tuple[ConfigSource, ...] = CONFIG_SOURCES
    changes: int | None = None
    """How many changes on each source; None: each kind once."""
    arrival_rate: float = 200.0
    spacing_s: float = 1.5
    """From one change to the next; more where Envoy takes longer."""


def measure_updates(loaded: LoadedScenario, options: UpdateOptions, observer: Observer) -> Finished:
    """Change the configuration under load and see what happens to every request.

    Raises:
        InputError: the scenario has no two subsets on different nodes, or cannot be translated.
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed; what was measured
            until then is on disk.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    started_at = datetime.now(UTC)
    observer.stage("translating the Istio resources", 1)
    prepared = prepare(loaded)
    scenario = loaded.scenario
    aims = find_aims(scenario, topology_of(prepared, "static"))
    if aims.second is None:
        raise InputError(
            f"{ONLY_ONE}: nothing can be moved between them.",
            where=loaded.position("traffic"),
            remedy="Use a scenario whose subsets expect different nodes, such as scenarios/egress-mtls.",
        )
    if len(scenario.inventory.replicas_of(scenario.traffic.exit)) > 1:
        raise InputError(
            "changes are written to one gateway, and this one has replicas.",
            where=loaded.position("inventory", "proxies", scenario.traffic.exit),
            remedy="Leave `replicas` out, or set it to 1.",
        )
    for source in options.sources:
        options.backend.require_watches(prepared.file_watches(source, source))
    record = RunRecord.open(
        loaded,
        out=options.out,
        command=options.command,
        fingerprint=fingerprint_of(prepared, options.backend.kind, options.backend.versions()),
        started_at=started_at,
        name=f"{scenario.name}-update",
    )
    base, made = steps(_cluster(aims.first), _cluster(aims.second), aims.first.node, aims.second.node)
    # A container has copies of its keys; and the key pairs of a thousand rotations are not what is asked for.
    rotates = options.changes is None and options.backend.kind == "local"
    round_of = (*made, Step(ROTATION, base)) if rotates else made
    wanted = [round_of[number % len(round_of)] for number in range(options.changes or len(round_of))]
    seconds = len(wanted) * options.spacing_s + _TAIL_S + scenario.traffic.warm_up_s
    observer.plan(_PREPARATION_S + len(options.sources) * (seconds + _PREPARATION_S))
    record.update = UpdateResult(arrival_rate=options.arrival_rate)
    record.save()
    with kept(record), supervised_folder(f"{scenario.name} keys") as private:
        observer.stage(f"making certificates ({scenario.tls.key})", 2)
        material = [make_material(prepared.loaded, private / "material")]
        for source in options.sources:
            observer.stage(f"{len(wanted)} changes, {source}", seconds + _PREPARATION_S)
            trial = _Trial(prepared, material, options, source, base, wanted, (aims.first, aims.second))
            found = trial.run(record)
            record.update = record.update.model_copy(update={"sources": (*record.update.sources, found)})
            record.save()
            observer.note(
                f"{source}: {found.count} changes, {found.requests:,} requests, {found.failed} failed,"
                f" {found.misrouted} misrouted"
            )
    observer.stage("writing the report", 2)
    return Finished(record.complete(), record.folder, write_report(record.folder))


def _cluster(aim: Aim) -> str:
    return min(aim.clusters)


@dataclass(frozen=True, slots=True)
class _Trial:
    """All changes on the stack of one source."""

    prepared: Prepared
    material: list[Material]
    """Every generation of certificates; the last one is live."""
    options: UpdateOptions
    source: ConfigSource
    base: Wanted
    steps: Sequence[Step]
    aims: tuple[Aim, Aim]

    def run(self, record: RunRecord) -> UpdatesOfSource:
        """Start the stack, drive the load, write the changes, judge."""
        variation = Variation(access_log=_LOG)
        stack = self.options.backend.make_stack(
            self.prepared.stack_spec(self.source, self.source, self.material[-1], variation)
        )
        gateway = self.prepared.loaded.scenario.traffic.exit
        with stack:
            save_config(stack, record.folder / "config" / self.source)
            admin_url = stack.component(gateway).admin_url
            assert admin_url is not None  # noqa: S101 - every Envoy of a stack has one
            with Admin(admin_url, name=gateway) as admin:
                writer = GatewayWriter(stack, gateway, self.prepared.renderer(gateway, variation), admin)
                writer.remember(self.config(self.base))
                changing = _Changing(self, writer, stack)
                load = self._load(stack, f"{record.run_id}.{self.source}")
                outcome = changing.beside(load, record.folder / "logs" / "generator" / self.source)
                wait_until_flushed(
                    [part.access_log for part in stack.components() if part.access_log is not None],
                    quiet_s=2 * FLUSH_INTERVAL_S,
                )
            found = self._judged(stack, load, outcome, changing)
            save_logs(stack, record.folder / "logs" / self.source, with_access_logs=False)
            return found

    def config(self, wanted: Wanted) -> ProxyConfig:
        """The gateway's configuration with what is *wanted*."""
        scenario = self.prepared.loaded.scenario
        nodes = {name: node.plays for name, node in scenario.nodes.items()}
        return with_wanted(self.prepared.configs[scenario.traffic.exit, self.source], wanted, nodes)

    def _load(self, stack: Stack, run_id: str) -> LoadPlan:
        scenario, options = self.prepared.loaded.scenario, self.options
        seconds = len(self.steps) * options.spacing_s + _TAIL_S
        plan = TrialPlan(
            name="update",
            experiment="steady",
            config_source=self.source,
            schedule=Constant(arrival_rate=options.arrival_rate),
            # Changes that take longer than their spacing push the others back; the load ends with the last.
            measure_s=seconds * 6,
        )
        load = load_plan(scenario, plan, stack_target(stack, scenario), run_id)
        nodes = tuple(sorted({aim.node for aim in self.aims}))
        touched = {aim.subset for aim in self.aims}
        requests = []
        for each in load.requests:
            if each.name not in touched:
                continue
            headers = (*each.headers, (SUBSET_HEADER, each.name))
            # Which of the two nodes is right depends on the moment: the gateway's log shows.
            expect = Expectation(status=each.expect.status, nodes=nodes)
            requests.append(each.model_copy(update={"headers": headers, "expect": expect}))
        return load.model_copy(update={"requests": tuple(requests)})

    def _judged(
        self, stack: Stack, load: LoadPlan, outcome: LoadOutcome, changing: _Changing
    ) -> UpdatesOfSource:
        gateway = stack.component(self.prepared.loaded.scenario.traffic.exit)
        nodes = {
            f"{at[0]}:{at[1]}": part.name
            for part in stack.components()
            if part.role == "node"
            for at in part.addresses.values()
        }
        seen = sorted(_requests(gateway.access_log, load.run_id, nodes), key=lambda each: each.at_us)
        clusters = {aim.subset: _cluster(aim) for aim in self.aims}
        written = changing.written
        judged = judge_changes(seen, written, clusters)
        counts = [subset.counts for stage in outcome.stages for subset in stage.subsets]
        changes = [
            _change(each, made, done, counted)
            for each, made, done, counted in zip(
                written, changing.outcomes, judged, changing.counted, strict=True
            )
        ]
        return UpdatesOfSource(
            config_source=self.source,
            changes=tuple(changes if self.options.changes is None else _by_kind(changes)),
            count=len(changes),
            requests=sum(each.sent for each in counts),
            at_gateway=len(seen),
            at_nodes=sum(
                1
                for part in stack.components()
                if part.role == "node" and part.access_log is not None
                for entry in read_node_log(part.access_log)
                if (entry.id or "").startswith(f"{load.run_id}/")
            ),
            failed=sum(each.failed + each.unsent for each in counts),
            misrouted=sum(each.misrouted for each in counts)
            + sum(each.misrouted for each in judged)
            + misrouted_before(seen, written, clusters),
            memory_before_bytes=changing.memory[0] if changing.memory else None,
            memory_after_bytes=changing.memory[-1] if changing.memory else None,
            control_memory_bytes=changing.control_memory,
            control_cpu_s=changing.control_cpu_s,
            limited=generator_limit(outcome),
        )


@dataclass(slots=True)
class _Changing:
    """Writes the changes beside a load."""

    trial: _Trial
    writer: GatewayWriter
    stack: Stack
    written: list[Written] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    counted: list[Mapping[str, int]] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    control_memory: int | None = None
    control_cpu_s: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    def beside(self, load: LoadPlan, folder: Path) -> LoadOutcome:
        """Drive *load* and write all changes meanwhile; raises what either raises."""

        def on_event(event: LoadEvent) -> None:
            if isinstance(event, StageStarted) and event.kind == "measure" and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="changes")
                self._thread.start()

        try:
            outcome = run_load(
                load,
                folder,
                on_event=on_event,
                stop=self._stop,
                launcher=self.stack.client(self.trial.prepared.loaded.scenario.traffic.client),
            )
        finally:
            self._stop.set()
            if self._thread is not None:
                self._thread.join()
        if self._error is not None:
            raise self._error
        return outcome

    def _run(self) -> None:
        try:
            self._write_all()
        except (BenchError, OSError, psutil.Error, KeyError, LookupError) as error:
            self._error = error
        finally:
            self._stop.set()

    def _write_all(self) -> None:
        spacing = self.trial.options.spacing_s
        if self._stop.wait(min(1.0, spacing)):
            return
        self._weigh()
        state, before = self.trial.base, self._connections()
        for step in self.trial.steps:
            began = time.monotonic()
            made = (
                self._rotate() if step.name == ROTATION else self.writer.write(self.trial.config(step.wanted))
            )
            accepted = made.accepted_us if made.refused is None else None
            after = step.wanted if made.refused is None else state
            self.written.append(Written(step.name, made.at_us, accepted, state, after))
            self.outcomes.append(made)
            state = after
            is_stopped = self._stop.wait(max(0.0, spacing - (time.monotonic() - began)))
            now = self._connections()
            self.counted.append({name: now[name] - before[name] for name in now})
            before = now
            if is_stopped:
                return
        self._weigh()
        self._stop.wait(_TAIL_S)

    def _rotate(self) -> Outcome:
        """New certificates by one rename of the folder that Envoy watches, whatever its config source."""
        material = self.trial.material
        return self.writer.rotate(lambda: material.append(rotate(material[-1])))

    def _connections(self) -> dict[str, int]:
        clusters = {_cluster(aim) for aim in self.trial.aims}
        stats = self.writer.admin.stats(r"^cluster\.")
        return {
            reported: sum(stats.get(f"cluster.{cluster}.{name}", 0) for cluster in clusters)
            for name, reported in _CONNECTIONS.items()
        }

    def _weigh(self) -> None:
        pid = self.stack.component(self.writer.name).pid
        if pid is not None:
            self.memory.append(psutil.Process(pid).memory_info().rss)
        plane = self.stack.control_plane()
        if plane is not None:
            process = psutil.Process(plane.pid)
            self.control_memory = process.memory_info().rss
            times = process.cpu_times()
            self.control_cpu_s = times.user + times.system


def _requests(log: Path | None, run_id: str, nodes: Mapping[str, str]) -> Iterator[Request]:
    """The requests of one load, each once: half a line at the end is not a request."""
    if log is None:
        return
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("}\n"):
                continue
            entry = json.loads(line)
            if not str(entry["id"]).startswith(f"{run_id}/"):
                continue
            status = int(entry["status"] or 0)
            yield Request(
                at_us=int(entry["time"]),
                duration_us=int(entry["duration"] or 0),
                subset=str(entry["subset"]),
                node=nodes.get(str(entry["upstream"])),
                failed=status != 200,
            )


def _change(written: Written, made: Outcome, judged: Judged, counted: Mapping[str, int]) -> ChangeResult:
    return ChangeResult(
        name=written.name,
        refused=made.refused,
        accepted_s=(made.accepted_us - made.at_us) / 1e6 if made.accepted_us is not None else None,
        acknowledged_s=made.acknowledged_s,
        first_new_s=judged.first_new_s,
        last_old_s=judged.last_old_s,
        requests=judged.requests,
        failed=judged.failed,
        misrouted=judged.misrouted,
        p99_before_us=judged.p99_before_us,
        p99_after_us=judged.p99_after_us,
        **counted,
    )


def _by_kind(changes: Sequence[ChangeResult]) -> Iterator[ChangeResult]:
    """One line for each kind: medians of times, sums of counts, the first refusal."""
    for name, number in Counter(change.name for change in changes).items():
        alike = [change for change in changes if change.name == name]
        values: dict[str, object] = {"name": f"{name} ({number} times)"}
        for key in ("accepted_s", "acknowledged_s", "first_new_s", "last_old_s"):
            known = [value for each in alike if (value := getattr(each, key)) is not None]
            values[key] = statistics.median(known) if known else None
        for key in ("requests", "failed", "misrouted", *_CONNECTIONS.values()):
            values[key] = sum(getattr(each, key) for each in alike)
        for key in ("p99_before_us", "p99_after_us"):
            known = [value for each in alike if (value := getattr(each, key)) is not None]
            values[key] = round(statistics.median(known)) if known else None
        values["refused"] = next((each.refused for each in alike if each.refused), None)
        yield ChangeResult.model_validate(values)
