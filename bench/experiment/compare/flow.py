"""Variants side by side: each verified, then measured in shuffled blocks until the question is resolved."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Literal

from bench.analysis.comparison import MARGIN
from bench.analysis.variants import AGAIN, BASELINE, blocks_of, is_resolved
from bench.errors import InputError
from bench.experiment.compare.plans import BlockPlan, block_plans
from bench.experiment.compare.turns import run_block_in_turns
from bench.experiment.compare.variants import Variant
from bench.experiment.instruments import REAL, Instruments, one_generator
from bench.experiment.options import RunOptions
from bench.experiment.run_context import AROUND_TRIAL_S, RunContext
from bench.experiment.verification import WrongPathError, require_right_path, verify_stack
from bench.measure import Finished, RunRecord, can_share, fingerprint_of, kept, way_of
from bench.observer import Observer
from bench.preparation import Prepared, make_material, prepare
from bench.result import Interleaved, RunWarning, VariantResult, VariantsResult
from bench.stack import Stack
from bench.stack.artifacts import save_logs
from bench.stack.runs import supervised_folder

_SEED = 20_260_101
_AROUND_S = 12.0
"""Start, verification and report; for the progress bar only."""


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What the command line says of a comparison."""

    out: Path
    command: str
    blocks: int = 8
    """Of each variant once and the baseline twice. With ``until``: at least."""
    until: float | None = None
    """Continue until a change of this size would be seen: 0.02 is 2 %."""
    budget_s: float = 600.0
    """No block begins after this many seconds of blocks."""
    margin: float = MARGIN
    interleave: Interleaved | None = None
    """How the variants of a block alternate; see ``VariantsResult.interleaved``. None: in turns where they
    can share a load."""


def compare(
    variants: Sequence[Variant],
    options: CompareOptions,
    observer: Observer,
    *,
    instruments: Instruments = REAL,
) -> Finished:
    """Measure *variants*, the first of which is the baseline, in interleaved blocks.

    Raises:
        InputError: fewer than two variants, one that cannot be translated, or turns of variants that cannot
            share a load.
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
        InterruptedRunError: Ctrl-C or SIGTERM. Whatever is raised after the first trial, result and report
            are on disk.
    """
    if len(variants) < 2:
        raise InputError("there is nothing to compare.", remedy="Say what B changes: --b FIELD=VALUE.")
    started_at = datetime.now(UTC)
    first = variants[0]
    interleaved = _interleaved(variants, options.interleave)
    plan_s = sum(
        each.loaded.scenario.traffic.measure_s + each.loaded.scenario.traffic.warm_up_s + AROUND_TRIAL_S
        for each in (first, *variants)
    )
    observer.plan(_AROUND_S + (options.budget_s if options.until is not None else options.blocks * plan_s))
    observer.stage("translating the Istio resources", 1)
    prepared = {each.name: prepare(each.loaded) for each in variants}
    first.backend.require_watches(
        {
            proxy: count
            for name, each in _runs_at_once(variants, interleaved).items()
            for proxy, count in prepared[each.name].file_watches(name, each.source).items()
        }
    )
    record = RunRecord.open(
        first.loaded,
        out=options.out,
        command=options.command,
        started_at=started_at,
        fingerprint=fingerprint_of(prepared[first.name], first.backend.kind, first.backend.versions()),
    )
    described = record.variants = _described(variants, prepared, options, interleaved)
    if described.is_same:
        warning = RunWarning(
            code="same-variants",
            message="All variants are the same: this is an A/A comparison.",
            advice="It shows what noise looks like on this machine; to compare, say what B changes.",
        )
        record.warn(warning, observer)
    record.save()
    with kept(record, write_report=instruments.write_report):
        try:
            _Comparison(variants, described, prepared, options, record, observer, instruments).measure()
        except WrongPathError as error:
            return Finished(record.abort(str(error)), record.folder, instruments.write_report(record.folder))
    observer.stage("writing the report", 2)
    return Finished(record.complete(), record.folder, instruments.write_report(record.folder))


def _interleaved(variants: Sequence[Variant], wanted: Interleaved | None) -> Interleaved:
    if wanted == "trials":
        return "trials"
    why = None
    if any(each.backend.kind == "docker" for each in variants):
        why = "load on containers comes from within their pods, from each stack's own"
    elif not can_share([each.loaded.scenario.traffic for each in variants]):
        why = (
            "variants that take turns have one schedule, which is not `closed`, and the same `connections`,"
            " `workers`, `warm_up_s` and `measure_s`"
        )
    if why is None:
        return "turns"
    if wanted is None:
        return "trials"
    raise InputError(
        f"these variants cannot share a load: {why}.",
        remedy="Write --interleave trials, or leave it out: their trials then follow each other.",
    )


def _runs_at_once(variants: Sequence[Variant], interleaved: Interleaved) -> dict[str, Variant]:
    """Stacks that run at the same time, by name."""
    again = {AGAIN: variants[0]} if interleaved == "turns" else {}
    return {**{each.name: each for each in variants}, **again}


def _described(
    variants: Sequence[Variant],
    prepared: Mapping[str, Prepared],
    options: CompareOptions,
    interleaved: Interleaved,
) -> VariantsResult:
    usual = variants[0].backend.versions()
    hashes = {each.name: prepared[each.name].config_hashes(each.variation) for each in variants}
    described = tuple(
        VariantResult(
            name=each.name,
            settings=each.settings,
            config_hashes={
                name: text for name, text in hashes[each.name].items() if name.endswith(f" {each.source}")
            },
            versions={
                name: version
                for name, version in each.backend.versions().items()
                if usual.get(name) != version
            },
        )
        for each in variants
    )
    return VariantsResult(
        variants=described,
        margin=options.margin,
        interleaved=interleaved,
        is_same=all(
            each.loaded.scenario == variants[0].loaded.scenario
            and each.source == variants[0].source
            and each.backend.versions() == usual
            and hashes[each.name] == hashes[variants[0].name]
            for each in variants
        ),
        until=options.until,
    )


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What is compared, and with what."""

    variants: Sequence[Variant]
    described: VariantsResult
    prepared: Mapping[str, Prepared]
    options: CompareOptions
    record: RunRecord
    observer: Observer
    instruments: Instruments

    def measure(self) -> None:
        """Start and verify the stack of each variant, then run block after block."""
        record = self.record
        with (
            supervised_folder(f"{record.loaded.scenario.name} keys") as private,
            one_generator(self.instruments, record.folder / "logs" / "generator") as generator,
            ExitStack() as running,
        ):
            runs: dict[str, RunContext] = {}
            stacks: dict[str, Stack] = {}
            for each in self.variants:
                run = runs[each.name] = self._context(each, private / each.name, generator)
                stacks[each.name] = run.start_stack(running, each.name, each.source, each.variation)
                verify_stack(run, each.name, stacks[each.name])
            require_right_path(runs[BASELINE])
            if self.described.interleaved == "turns":
                # Those were to be verified; each block has its own.
                running.close()
                self._run_blocks(functools.partial(self._run_in_turns, runs))
                return
            self._run_blocks(functools.partial(self._run_trials, runs, stacks))
            for name, stack in stacks.items():
                save_logs(stack, record.folder / "logs" / name, with_access_logs=False)

    def _context(self, variant: Variant, private: Path, generator: Instruments) -> RunContext:
        key = variant.loaded.scenario.tls.key
        self.observer.stage(f"making certificates of {variant.name} ({key})", 1)
        material = make_material(variant.loaded, private, None)
        place = self.record.folder / "config" / "certificates" / variant.name
        place.mkdir(parents=True, exist_ok=True)
        for certificate in material.public_files():
            shutil.copyfile(certificate, place / certificate.name)
        prepared = self.prepared[variant.name]
        if variant.name == BASELINE:
            self.record.way = way_of(prepared, material)
        return RunContext(
            prepared,
            RunOptions(self.options.out, self.options.command, variant.backend),
            self.record,
            self.observer,
            material,
            self.instruments.make_verifier(prepared, material),
            generator,
        )

    def _run_blocks(self, run_block: Callable[[int, Sequence[BlockPlan]], None]) -> None:
        order = Random(_SEED)  # noqa: S311 - places in blocks, no secret
        traffics = {each.name: (each.loaded.scenario.traffic, each.source) for each in self.variants}
        clock = self.instruments.clock
        began = clock()
        for block in count(1):
            run_block(block, block_plans(block, traffics, order))
            found = self._line_up()
            ended = _ending(found, block, clock() - began, self.options)
            if ended is not None:
                self.record.variants = found.model_copy(update={"ended_by": ended})
                return

    def _run_trials(
        self,
        runs: Mapping[str, RunContext],
        stacks: Mapping[str, Stack],
        _: int,
        plans: Sequence[BlockPlan],
    ) -> None:
        """One after the other, on stacks that live through all blocks."""
        for name, plan in plans:
            runs[name].run_trial(stacks, name, plan)
            # As far as it came, also should the next trial fail.
            self._line_up()

    def _run_in_turns(self, runs: Mapping[str, RunContext], block: int, plans: Sequence[BlockPlan]) -> None:
        """All in one load, on stacks of this block alone."""
        variants = {each.name: each for each in self.variants}
        run_block_in_turns(block, [(variants[name], runs[name], plan) for name, plan in plans])

    def _line_up(self) -> VariantsResult:
        candidates = [each.name for each in self.variants[1:]]
        blocks = blocks_of(
            [trial.result for trial in self.record.trials],
            candidates,
            are_stacks_new=self.described.interleaved == "turns",
        )
        found = self.record.variants = self.described.model_copy(update={"blocks": blocks})
        return found


def _ending(
    found: VariantsResult, block: int, spent_s: float, options: CompareOptions
) -> Literal["blocks", "resolved", "budget"] | None:
    if options.until is None:
        return "blocks" if block >= options.blocks else None
    if block >= options.blocks and is_resolved(found, options.until):
        return "resolved"
    return "budget" if spent_s * (block + 1) / block > options.budget_s else None
