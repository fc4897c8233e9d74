"""`make benchmark-compare`: the doses that it injects, and the comparisons that it draws from real blocks."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench.analysis.histogram import Histogram
from bench.analysis.latency import summarise_values
from bench.preparation import prepare
from bench.result import ComponentCost, SubsetResult, TrialResult, VariantResult, VariantsResult
from bench.scenario.load import load_scenario
from bench.scenario.read import read_folder
from tests.benchmarks.comparing.effects import rules_of, share_of, with_delay, with_work
from tests.benchmarks.comparing.tries import Start, draw, equal_in, false_alarms, found_in

CPU = "gateway CPU per request"


def a_trial(block, variant, cpu):
    return TrialResult.model_construct(
        name=f"block {block} {variant}",
        block=block,
        variant=variant,
        aborted=None,
        total=SubsetResult.model_construct(
            response_time=summarise_values(np.full(2_000, 1_000)),
            service_time=summarise_values(np.full(2_000, 900)),
        ),
        costs=(
            ComponentCost(
                component="egress", role="egress", cpu_seconds=None, cpu_us_per_request=cpu, memory_bytes=None
            ),
        ),
    )


def a_start(*, more, blocks=30, noise=0.01, seed=1):
    lot = np.random.default_rng(seed)
    factors = {"A": 1.0, "A again": 1.0, "B": 1.0, "C": more}
    trials = tuple(
        a_trial(block, name, 100 * factor * float(lot.normal(1, noise)))
        for block in range(1, blocks + 1)
        for name, factor in factors.items()
    )
    variants = tuple(
        VariantResult(name=name, settings=(), config_hashes={}, versions={}) for name in ("A", "B", "C")
    )
    return Start(trials, VariantsResult(variants=variants, margin=0.02, is_same=False), 60.0)


def test_the_share_of_delayed_requests_moves_the_median_as_far_as_wanted():
    times = np.random.default_rng(1).lognormal(np.log(1_000), 0.3, 200_000).astype(np.int64)
    base = Histogram()
    base.record(times)

    share = share_of(base, 0.05)
    held_up = np.random.default_rng(2).random(len(times)) < share

    assert np.median(times + held_up * 5_000) / np.median(times) == pytest.approx(1.05, abs=0.005)


def test_the_cost_of_rules_adds_up():
    assert rules_of(1_000, 0.5, 0.03) == 60
    with pytest.raises(ValueError, match="cost nothing"):
        rules_of(1_000, -0.01, 0.03)


@pytest.mark.parametrize(("change", "dose"), [(with_delay, 0.057), (with_work, 7)])
def test_an_injected_effect_changes_the_gateway_alone(tmp_path, change, dose):
    shipped = load_scenario(Path("scenarios/egress-mtls"))
    folder = change(shipped.istio_folder, tmp_path / "changed", dose)

    usual = prepare(shipped).config_hashes()
    changed = prepare(replace(shipped, resources=read_folder(folder).resources)).config_hashes()

    assert {name for name in usual if usual[name] != changed[name]} == {"egress static", "egress eds"}


def test_an_effect_is_found_and_nothing_else():
    starts = [a_start(more=1.03, seed=seed) for seed in (1, 2)]

    assert found_in(draw(starts, "C", 4, 20, Random(1)), CPU) == 4
    same = draw(starts, "B", 6, 20, Random(1))
    assert false_alarms(same) == 0
    assert equal_in(same, CPU) == 6


def test_a_comparison_is_blocks_of_one_start_each_once():
    whole, short = a_start(more=1.0, blocks=20), a_start(more=1.0, blocks=5)

    judged = draw([whole, short], "B", 3, 20, Random(1))

    assert {each[CPU].blocks for each in judged} == {20}
    with pytest.raises(ValueError, match="no start has 20"):
        draw([short], "B", 1, 20, Random(1))
