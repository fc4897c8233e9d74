"""`egress-bench update`: the gateway's configuration changes under load, once for each config source."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.certs import Material
from bench.errors import InputError
from bench.experiment.faults.aims import ONLY_ONE, UNLIKE, Aim, find_aims, speak_alike
from bench.experiment.faults.lateness import generator_limit
from bench.experiment.update.change_results import by_kind, change_result
from bench.experiment.update.changing import ROTATION, TAIL_S, Changing
from bench.experiment.update.judging import judge_changes, misrouted_before
from bench.experiment.update.request_log import LOG, SUBSET_HEADER, read_requests
from bench.experiment.update.restarting import HotRestarter
from bench.experiment.update.wanted import Step, Wanted, steps, with_wanted
from bench.experiment.update.ways import UpdateWay
from bench.experiment.update.writing import GatewayWriter
from bench.load import Expectation, LoadOutcome, LoadPlan
from bench.measure import (
    Finished,
    RunRecord,
    TrialPlan,
    fingerprint_of,
    kept,
    load_plan,
    second_rows,
    stack_target,
    topology_of,
    way_of,
)
from bench.observer import Observer
from bench.preparation import Prepared, Variation, make_material, prepare
from bench.report import write_report
from bench.result import UpdateResult, UpdatesOfSource
from bench.scenario import Constant
from bench.scenario.load import LoadedScenario
from bench.stack import HotRestarting, Stack
from bench.stack.artifacts import save_config, save_logs
from bench.stack.backend import Backend
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.stack.runs import supervised_folder
from bench.telemetry import Admin, read_node_log, wait_until_flushed
from bench.translate import CONFIG_SOURCES, ProxyConfig

_PREPARATION_S = 8.0


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """What the command line says."""

    out: Path
    command: str
    backend: Backend
    ways: tuple[UpdateWay, ...] = tuple(map(UpdateWay, CONFIG_SOURCES))
    changes: int | None = None
    """How many changes by each way; None: each kind once."""
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
    aims = find_aims(prepared, topology_of(prepared, "static"))
    if aims.second is None:
        raise InputError(
            f"{ONLY_ONE}: nothing can be moved between them.",
            where=loaded.position("traffic"),
            remedy="Use a scenario whose subsets expect different nodes, such as scenarios/egress-mtls.",
        )
    if not speak_alike(prepared, aims.first, aims.second):
        raise InputError(
            f"{UNLIKE}: what is meant for {aims.first.node} would fail at {aims.second.node}.",
            where=loaded.position("traffic"),
            remedy="Use a scenario with two such subsets, such as scenarios/egress-mtls.",
        )
    if len(scenario.inventory.replicas_of(scenario.traffic.exit)) > 1:
        raise InputError(
            "changes are written to one gateway, and this one has replicas.",
            where=loaded.position("inventory", "proxies", scenario.traffic.exit),
            remedy="Leave `replicas` out, or set it to 1.",
        )
    for way in options.ways:
        # A hot restart takes less: what watches files is counted whole.
        options.backend.require_watches(prepared.file_watches(way.name, way.source))
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
    if rotates and not _has_certificate(prepared):
        rotates = False
        observer.note(f"{scenario.traffic.exit} has no certificate of its own: none is rotated.")
    round_of = (*made, Step(ROTATION, base)) if rotates else made
    wanted = {way: _cycle(made if way.hot_restart else round_of, options.changes) for way in options.ways}
    seconds = {
        way: _seconds(way, len(wanted[way]), options) + scenario.traffic.warm_up_s + _PREPARATION_S
        for way in options.ways
    }
    observer.plan(_PREPARATION_S + sum(seconds.values()))
    record.update = UpdateResult(arrival_rate=options.arrival_rate)
    record.save()
    with kept(record), supervised_folder(f"{scenario.name} keys") as private:
        observer.stage(f"making certificates ({scenario.tls.key})", 2)
        material = [make_material(prepared.loaded, private / "material")]
        record.way = way_of(prepared, material[0])
        for way in options.ways:
            observer.stage(f"{len(wanted[way])} changes, {way.name}", seconds[way])
            trial = _Trial(prepared, material, options, way, base, wanted[way], (aims.first, aims.second))
            found = trial.run(record)
            record.update = record.update.model_copy(update={"sources": (*record.update.sources, found)})
            record.save()
            observer.note(
                f"{way.name}: {found.count} changes, {found.requests:,} requests, {found.failed} failed,"
                f" {found.misrouted} misrouted"
            )
    observer.stage("writing the report", 2)
    return Finished(record.complete(), record.folder, write_report(record.folder))


def _has_certificate(prepared: Prepared) -> bool:
    """Whether the proxy that leaves the mesh shows a certificate to anybody."""
    config = prepared.configs[prepared.loaded.scenario.traffic.exit, "static"]
    return any(secret.tls_certificate is not None for secret in config.secrets)


def _cycle(steps: Sequence[Step], count: int | None) -> list[Step]:
    return [steps[number % len(steps)] for number in range(count or len(steps))]


def _seconds(way: UpdateWay, changes: int, options: UpdateOptions) -> float:
    """How long they take by that way at the least, with what is to be seen after the last one."""
    return changes * max(options.spacing_s, way.slowest_s) + TAIL_S


def _cluster(aim: Aim) -> str:
    return min(aim.clusters)


@dataclass(frozen=True, slots=True)
class _Trial:
    """All changes on one stack, by one way."""

    prepared: Prepared
    material: list[Material]
    """Every generation of certificates; the last one is live."""
    options: UpdateOptions
    way: UpdateWay
    base: Wanted
    steps: Sequence[Step]
    aims: tuple[Aim, Aim]

    def run(self, record: RunRecord) -> UpdatesOfSource:
        """Start the stack, drive the load, write the changes, judge."""
        name, source = self.way.name, self.way.source
        variation = Variation(access_log=LOG, hot_restart=self.way.hot_restart)
        stack = self.options.backend.make_stack(
            self.prepared.stack_spec(name, source, self.material[-1], variation)
        )
        gateway = self.prepared.loaded.scenario.traffic.exit
        with stack:
            save_config(stack, record.folder / "config" / name)
            with contextlib.closing(self._writer(stack, gateway, variation)) as writer:
                changing = Changing(
                    stack,
                    writer,
                    client=self.prepared.loaded.scenario.traffic.client,
                    config=self.config,
                    base=self.base,
                    steps=self.steps,
                    spacing_s=self.options.spacing_s,
                    material=self.material,
                    clusters=frozenset(map(_cluster, self.aims)),
                )
                load = self._load(stack, f"{record.run_id}.{name}")
                counted_before = changing.requests_at_gateway()
                outcome = changing.beside(load, record.folder / "logs" / "generator" / name)
                wait_until_flushed(
                    [part.access_log for part in stack.components() if part.access_log is not None],
                    quiet_s=2 * FLUSH_INTERVAL_S,
                )
                counted = changing.requests_at_gateway() - counted_before
            record.add_load(second_rows(name, "update", outcome), changing.events(name))
            found = self._judged(stack, load, outcome, changing, counted)
            save_logs(stack, record.folder / "logs" / name, with_access_logs=False)
            return found

    def _writer(self, stack: Stack, gateway: str, variation: Variation) -> GatewayWriter | HotRestarter:
        def connect() -> Admin:
            url = stack.component(gateway).admin_url
            assert url is not None  # noqa: S101 - every Envoy of a stack has one
            return Admin(url, name=gateway)

        render = self.prepared.renderer(gateway, variation)
        translated = self.prepared.configs[gateway, self.way.source]
        if self.way.hot_restart is not None:
            assert isinstance(stack, HotRestarting)  # noqa: S101 - asked for at the beginning
            return HotRestarter(stack, gateway, render, connect, self.way.hot_restart, translated)
        writer = GatewayWriter(stack, gateway, render, connect(), translated)
        writer.remember(self.config(self.base))
        return writer

    def config(self, wanted: Wanted) -> ProxyConfig:
        """The gateway's configuration with what is *wanted*."""
        scenario = self.prepared.loaded.scenario
        nodes = {name: node.plays for name, node in scenario.nodes.items()}
        return with_wanted(self.prepared.configs[scenario.traffic.exit, self.way.source], wanted, nodes)

    def _load(self, stack: Stack, run_id: str) -> LoadPlan:
        scenario, options = self.prepared.loaded.scenario, self.options
        seconds = _seconds(self.way, len(self.steps), options)
        plan = TrialPlan(
            name="update",
            experiment="steady",
            config_source=self.way.source,
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
        self, stack: Stack, load: LoadPlan, outcome: LoadOutcome, changing: Changing, by_counters: int
    ) -> UpdatesOfSource:
        gateway = stack.component(self.prepared.loaded.scenario.traffic.exit)
        nodes = {
            f"{at[0]}:{at[1]}": part.name
            for part in stack.components()
            if part.role == "node"
            for at in part.addresses.values()
        }
        seen = sorted(read_requests(gateway.access_log, load.run_id, nodes), key=lambda each: each.at_us)
        clusters = {aim.subset: _cluster(aim) for aim in self.aims}
        written = changing.written
        judged = judge_changes(seen, written, clusters)
        counts = [subset.counts for stage in outcome.stages for subset in stage.subsets]
        changes = [
            change_result(each, made, done, counted)
            for each, made, done, counted in zip(
                written, changing.outcomes, judged, changing.counted, strict=True
            )
        ]
        return UpdatesOfSource(
            config_source=self.way.source,
            is_hot_restart=self.way.hot_restart is not None,
            changes=tuple(changes if self.options.changes is None else by_kind(changes)),
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
            by_counters=by_counters,
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
