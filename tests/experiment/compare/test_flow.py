"""Variants in shuffled blocks: what is verified first, what is kept, when it ends. No process, no waiting."""

import functools
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.analysis.variants import judge_variants
from bench.analysis.verdict import judge
from bench.errors import InputError, MeasurementError
from bench.experiment.compare import CompareOptions, compare, parse_variant
from bench.experiment.instruments import Instruments
from bench.placement import Placement
from bench.report import write_report
from bench.result import ComponentCost, read_result
from bench.scenario.load import load_scenario
from bench.stack.backend import Backend
from bench.stack.fake import FakeStack
from tests.experiment.test_run_flow import Diary, FakeVerifier, a_line, a_word
from tests.support.fake_generator import FakeBooks, FakeGenerator, FakeMeter

PLACE = Placement(config_root="/config", log_root="/logs")
BUSY = 1.06
"""CPU of variant B's proxies to that of A's."""


class Meter(FakeMeter):
    """Proxies of stack B take more CPU."""

    def __init__(self, stack, gateway):
        super().__init__(stack, gateway)
        self.factor = BUSY if stack.spec.name == "B" else 1.0

    def costs(self, before, after, requests, peaks):
        return tuple(
            ComponentCost(
                component=role,
                role=role,
                cpu_seconds=None,
                cpu_us_per_request=100.0 * self.factor,
                memory_bytes=None,
            )
            for role in ("sidecar", "egress")
        )


class Comparing:
    """One comparison on fake stacks."""

    def __init__(self, tmp_path, *, verifier=None, generator=None, write_report=a_word, **options):
        self.tmp_path = tmp_path
        self.stacks = []
        self.specs = {}
        self.options = CompareOptions(out=tmp_path / "out", command="", **options)
        ticks = iter(range(1_000_000))
        self.instruments = Instruments(
            clock=lambda: float(next(ticks)),
            run_load=generator or FakeGenerator(),
            make_verifier=verifier or FakeVerifier(),
            open_meter=Meter,
            keep_books=FakeBooks,
            await_logs=lambda paths: None,
            write_report=write_report,
        )

    def backend(self, loaded, envoy, image):
        def make_stack(spec):
            self.stacks.append(spec.name)
            self.specs[spec.name] = spec
            return FakeStack(spec, folder=self.tmp_path / "stacks" / spec.name)

        version = {"envoy": envoy or "usual"}
        return Backend("fake", make_stack, lambda stack: SimpleNamespace(), functools.partial(dict, version))

    def run(self, *settings):
        loaded = load_scenario(self.tmp_path / "short")
        variants = [
            parse_variant(name, each, loaded, self.backend)
            for name, each in zip("ABCD", ([], *settings), strict=False)
        ]
        return compare(variants, self.options, Diary(), instruments=self.instruments)


@pytest.fixture
def comparing(short, tmp_path):
    return functools.partial(Comparing, tmp_path)


def test_every_block_has_each_variant_once_and_the_baseline_twice_in_an_order_that_changes(comparing):
    result = comparing(blocks=5).run(["connections=32"], ["config-source=eds"]).result
    blocks = {}
    for trial in result.trials:
        blocks.setdefault(trial.block, []).append(trial.variant)

    assert len(blocks) == 5
    assert all(sorted(block) == ["A", "A again", "B", "C"] for block in blocks.values())
    assert len({tuple(block) for block in blocks.values()}) > 2
    assert {trial.config_source for trial in result.trials if trial.variant == "C"} == {"eds"}
    assert result.variants.ended_by == "blocks"
    assert result.limits == (), "limits are of the scenario as it is"


def test_variants_that_can_share_a_load_take_turns_on_stacks_of_each_block_alone(comparing):
    tried = comparing(blocks=3)
    result = tried.run(["key=rsa-2048"]).result

    assert result.variants.interleaved == "turns"
    assert tried.stacks[:2] == ["A", "B"], "verified first"
    blocks = [tried.stacks[start : start + 3] for start in range(2, len(tried.stacks), 3)]
    assert [sorted(each) for each in blocks] == [["A", "A-again", "B"]] * 3
    assert len({tuple(each) for each in blocks}) > 1
    assert len(tried.instruments.run_load.plans) == 3, "one load for each block"
    assert {each.turns is not None for each in tried.instruments.run_load.plans} == {True}
    assert len({each.seed for each in tried.instruments.run_load.plans}) == 3
    assert {each.duration_s for each in result.trials} == {result.traffic.measure_s}
    assert {block.scope for block in result.variants.blocks} == {"load"}


def test_stacks_that_live_through_all_blocks_on_demand_and_where_loads_differ(comparing):
    asked = comparing(blocks=2, interleave="trials")
    differing = comparing(blocks=2)

    for tried, settings in ((asked, ["key=rsa-2048"]), (differing, ["connections=32"])):
        result = tried.run(settings).result
        assert result.variants.interleaved == "trials"
        assert tried.stacks == ["A", "B"]
        assert len(tried.instruments.run_load.plans) == 6
    with pytest.raises(InputError, match=r"cannot share a load: .* the same `connections`"):
        comparing(interleave="turns").run(["connections=32"])


def test_a_stack_that_dies_ends_the_block_and_what_was_measured_is_kept(comparing, tmp_path):
    def die(plan, moment):
        if plan.seed == 3 and moment == "measure starts":
            raise MeasurementError("the node died")

    with pytest.raises(MeasurementError, match="the node died"):
        comparing(blocks=8, generator=FakeGenerator(at=die)).run(["key=rsa-2048"])
    (folder,) = (tmp_path / "out").iterdir()
    kept = read_result(folder)

    assert kept.state == "aborted"
    assert {len(each.baseline_values) for each in kept.variants.blocks} == {2}


def test_a_variant_that_takes_more_is_named_with_the_size_and_is_not_a_failure(comparing):
    finished = comparing(blocks=8, write_report=write_report).run(["connections=32"])
    result, page = finished.result, finished.report.read_text()
    (cpu,) = [
        each for each in judge_variants(result.variants) if each.blocks.metric == "gateway CPU per request"
    ]

    assert cpu.judgement.kind == "differs"
    assert cpu.judgement.shift == pytest.approx(BUSY - 1, abs=0.001)
    assert judge(result).exit_code == 0
    assert "gateway CPU per request B 6 % higher than A" in judge(result).sentence
    for shown in ("connections=32", "B 6 % higher than A", 'id="variants"', "forest"):
        assert shown in page


def test_it_goes_on_until_the_change_would_be_seen_or_the_time_is_spent(comparing):
    resolved = comparing(blocks=6, until=0.05, budget_s=10_000).run(["connections=32"]).result
    spent = comparing(blocks=50, until=0.05, budget_s=5).run(["connections=32"]).result

    assert resolved.variants.ended_by == "resolved"
    assert max(trial.block for trial in resolved.trials) >= 6
    assert spent.variants.ended_by == "budget"


def test_the_same_twice_is_called_an_aa_comparison_and_done(comparing):
    result = comparing(blocks=1).run([]).result

    assert result.variants.is_same
    assert "same-variants" in {warning.code for warning in result.warnings}
    assert not comparing(blocks=1).run(["key=rsa-2048"]).result.variants.is_same


@pytest.mark.parametrize("both", [[], ["config-source=ads"]])
def test_one_tls_version_of_the_gateway_is_a_variant(comparing, both):
    tried = comparing(blocks=1)
    result = tried.run([*both, "tls-version=1.2"], [*both, "tls-version=TLSv1.3"]).result

    assert not result.variants.is_same
    written = {
        name: "".join(file.text for proxy in tried.specs[name].proxies for file in proxy.render(PLACE))
        for name in "ABC"
    }
    assert "TLSv1_2" not in written["A"]
    assert "TLSv1_3" not in written["A"]
    assert written["B"].count("tls_maximum_protocol_version: TLSv1_2") == written["C"].count(
        "tls_maximum_protocol_version: TLSv1_3"
    )
    assert "TLSv1_2" in written["B"]


def test_mesh_mtls_is_a_variant_and_says_why_it_cannot_be(comparing):
    tried = comparing(blocks=1)
    result = tried.run(["mesh-mtls=on"]).result

    assert not result.variants.is_same
    (sidecar,) = [proxy for proxy in tried.specs["B"].proxies if proxy.role == "sidecar"]
    assert any("/etc/certs/cert-chain.pem" in file.text for file in sidecar.render(PLACE))
    with pytest.raises(InputError, match=r"mesh-mtls=on finds no Gateway with a plain HTTP server"):
        parse_variant("B", ["mesh-mtls=on"], load_scenario(Path("scenarios/mesh-mtls")), tried.backend)


def test_each_stack_is_verified_before_any_load(comparing):
    wrong = a_line("v1 from sleep", passed=False)
    tried = comparing(blocks=1, verifier=FakeVerifier(scenario=(wrong,)))

    result = tried.run(["connections=32"]).result

    assert tried.stacks[:2] == ["A", "B"]
    assert result.trials == ()
    assert judge(result).exit_code == 1


def test_what_was_measured_is_kept_when_a_trial_fails(comparing, tmp_path):
    def fail_late(plan, moment):
        if plan.run_id.endswith(".7"):
            raise MeasurementError("the node died")

    with pytest.raises(MeasurementError):
        comparing(blocks=8, generator=FakeGenerator(at=fail_late)).run(["connections=32"])
    (folder,) = (tmp_path / "out").iterdir()
    kept = read_result(folder)

    assert kept.state == "aborted"
    assert len(kept.trials) == 7
    assert {len(each.baseline_values) for each in kept.variants.blocks} == {2}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("traffic.conections.count=64", "Did you mean connections"),
        ("traffic.connections.count=0", "at least 1"),
        ("traffic.connections.cout=3", "cout"),
        ("connections", "not FIELD=VALUE"),
        ("config-source=xds", "static"),
        ("limits.misrouted=[", "not YAML"),
        ("istio=nowhere", "nowhere"),
        ("tls-version=1.1", "tls-version can be 1.2, 1.3"),
        ("mesh-mtls=off", "mesh-mtls can be on"),
        ("key=dsa", "rsa-2048"),
        ("concurrency=0", "cpus"),
    ],
)
def test_a_setting_that_names_nothing_is_one_paragraph(comparing, setting, said):
    with pytest.raises(InputError, match=said.replace("[", r"\[")):
        comparing().run([setting])


def test_one_variant_is_not_a_comparison(comparing):
    with pytest.raises(InputError, match="nothing to compare"):
        comparing().run()
