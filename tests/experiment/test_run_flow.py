"""The order of the main job, and what becomes of it when something goes wrong: no process, no waiting."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from bench.analysis.histogram import Histogram
from bench.analysis.verdict import judge
from bench.errors import LoadError, MeasurementError, StackError
from bench.experiment.instruments import Instruments
from bench.experiment.options import RunOptions
from bench.experiment.run import run
from bench.measure.ending import InterruptedRunError
from bench.report import write_report
from bench.result import VerificationLine, read_result
from bench.scenario.load import load_scenario
from bench.scenario.models import Handshake
from bench.stack.backend import Backend
from bench.stack.fake import FakeStack
from bench.telemetry.machine import MachineReading
from tests.support.fake_generator import FakeBooks, FakeGenerator, FakeMeter

BASELINE, FIRST, SECOND = 0, 1, 2
"""Loads in the order in which the generator gets them."""


class Diary:
    """An observer that writes down every stage."""

    def __init__(self):
        self.stages, self.notes = [], []

    def stage(self, text, planned_s=0.0):
        self.stages.append(text)

    def note(self, text):
        self.notes.append(text)

    def __getattr__(self, name):
        return lambda *_: None


def a_line(name="v1 from sleep", *, passed=True, kind="call"):
    return VerificationLine(
        name=name, sent="", expected="200", got="200", node=None, passed=passed, kind=kind
    )


class FakeVerifier:
    """Every call is right, unless configured otherwise."""

    def __init__(self, *, scenario=(), probes=()):
        self.wrong = {"scenario": scenario, "probes": probes}

    def __call__(self, prepared, material):
        return self

    def contradictions(self):
        return ()

    def ask_scenario(self, stack):
        return (a_line(), *self.wrong["scenario"])

    def ask_matrix(self, stack):
        return ()

    def look_into(self, stack, lines, await_logs):
        return lines

    def probe_gateway(self, stack, faults, await_logs):
        return self.wrong["probes"]


def a_word(folder):
    """Stands in for the report, whose charts take seconds."""
    (folder / "report.html").write_text("a report")
    return folder / "report.html"


class Bench:
    """One run of the short scenario on fake stacks with a fake generator."""

    def __init__(
        self,
        folder,
        tmp_path,
        *,
        generator=None,
        verifier=None,
        meter=FakeMeter,
        write_report=None,
        **options,
    ):
        self.folder, self.out = folder, tmp_path / "out"
        self.generator = generator or FakeGenerator()
        self.verifier = verifier or FakeVerifier()
        self.meter = meter
        self.write_report = write_report or a_word
        self.stacks, self.diary = {}, Diary()
        self.options = {"with_handshake": False, **options}

    def run(self):
        """Do it; errors pass through."""

        def make_stack(spec):
            self.stacks[spec.name] = FakeStack(spec, folder=self.out.parent / "stacks" / spec.name)
            return self.stacks[spec.name]

        backend = Backend("fake", make_stack, lambda stack: SimpleNamespace(), dict)
        instruments = Instruments(
            clock=lambda: 1.0,
            run_load=self.generator,
            measure_baseline=self.generator.baseline,
            make_verifier=self.verifier,
            open_meter=self.meter,
            keep_books=FakeBooks,
            await_logs=lambda paths: None,
            write_report=self.write_report,
        )
        options = RunOptions(out=self.out, command="run", backend=backend, began=0.0, **self.options)
        return run(load_scenario(self.folder), options, self.diary, instruments=instruments)

    @property
    def kept(self):
        """The result on disk."""
        (folder,) = self.out.iterdir()
        return read_result(folder)

    @property
    def report(self):
        """The report's path; it need not exist."""
        (folder,) = self.out.iterdir()
        return folder / "report.html"


@pytest.fixture
def two_blocks(short):
    path = short / "scenario.yaml"
    path.write_text(path.read_text().replace("blocks: 1", "blocks: 2"))
    return short


def test_stacks_are_verified_first_then_the_generator_alone_then_block_by_block(two_blocks, tmp_path):
    bench = Bench(two_blocks, tmp_path)

    finished = bench.run()

    wanted = [
        "starting stack static",
        "verifying the path on stack static, call by call",
        "starting stack eds",
        "verifying the path on stack eds, call by call",
        "starting stack controls",
        "verifying what the gateway refuses",
        "measuring the generator on a null target",
        "block 1 static, 100 requests/s",
        "block 1 eds, 100 requests/s",
        "block 2 eds, 100 requests/s",
        "block 2 static, 100 requests/s",
        "writing the report",
    ]
    assert [stage for stage in bench.diary.stages if stage in wanted] == wanted
    assert judge(finished.result).state == "passed"
    assert all(stack.calls[-1] == "stop" for stack in bench.stacks.values())
    assert finished.report.is_file()


def test_a_wrong_call_is_reported_and_no_load_is_sent(short, tmp_path):
    bench = Bench(short, tmp_path, verifier=FakeVerifier(scenario=(a_line("v2 from sleep", passed=False),)))

    finished = bench.run()

    assert bench.generator.plans == []
    assert "controls" not in bench.stacks
    assert judge(finished.result).exit_code == 1
    assert judge(finished.result).state == "wrong answers"
    assert finished.report.is_file()
    assert all(stack.calls[-1] == "stop" for stack in bench.stacks.values())


def test_a_failed_control_is_named_as_one_and_gets_no_load(short, tmp_path):
    control = a_line("v1, node cert expired", passed=False, kind="tls-control")
    bench = Bench(short, tmp_path, verifier=FakeVerifier(probes=(control,)))

    finished = bench.run()

    assert bench.generator.plans == []
    assert (judge(finished.result).state, judge(finished.result).exit_code) == ("control failed", 1)


class Fatal(FakeVerifier):
    """A part dies during a step of the verification, whose calls then go wrong, or cannot be made."""

    def __init__(self, step, stack, *, error=None):
        line = a_line("v1 from sleep", passed=False)
        super().__init__(scenario=(line,), probes=(line,))
        self.step, self.stack, self.error = step, stack, error

    def _die(self, step, stack):
        if (step, stack.spec.name) == (self.step, self.stack):
            stack.kill("nginx01")
            if self.error is not None:
                raise self.error

    def ask_scenario(self, stack):
        self._die("scenario", stack)
        return super().ask_scenario(stack) if stack.spec.name == self.stack else (a_line(),)

    def ask_matrix(self, stack):
        self._die("matrix", stack)
        return ()

    def probe_gateway(self, stack, faults, await_logs):
        self._die("probes", stack)
        return super().probe_gateway(stack, faults, await_logs)


@pytest.mark.parametrize(
    "error", [None, MeasurementError("egress: /stats answers 500.")], ids=["wrong", "no call"]
)
@pytest.mark.parametrize(
    ("step", "stack"),
    [
        ("scenario", "static"),
        ("matrix", "static"),
        ("scenario", "eds"),
        ("matrix", "eds"),
        ("probes", "controls"),
    ],
)
def test_a_part_that_dies_during_the_verification_is_named_and_no_wrong_answer(
    short, tmp_path, step, stack, error
):
    bench = Bench(short, tmp_path, verifier=Fatal(step, stack, error=error))

    with pytest.raises(StackError, match=f"^stack {stack}: nginx01 was ended by SIGKILL") as raised:
        bench.run()

    assert raised.value.exit_code == 2
    assert bench.generator.plans == []
    assert (bench.kept.state, judge(bench.kept).exit_code) == ("aborted", 2)
    assert f"stack {stack}: nginx01 was ended" in bench.kept.reason


def test_a_call_that_cannot_be_made_is_told_with_its_stack(short, tmp_path):
    class Deaf(FakeVerifier):
        def ask_matrix(self, stack):
            raise MeasurementError("no calls can be made from here.")

    bench = Bench(short, tmp_path, verifier=Deaf())

    with pytest.raises(MeasurementError, match=r"^stack static: no calls can be made"):
        bench.run()


def test_each_trial_is_on_disk_before_the_next_one_starts(two_blocks, tmp_path):
    seen = []

    def look(plan, moment):
        if moment == "warm-up starts":
            seen.append(len(bench.kept.trials))

    bench = Bench(two_blocks, tmp_path, generator=FakeGenerator(at=look))
    bench.run()

    assert seen == [0, 0, 1, 2, 3]


def at_load(number, moment, action, generator):
    """Do *action* at *moment* of the load of that number."""

    def at(plan, now):
        if len(generator.plans) - 1 == number and now == moment:
            action()

    generator.at = at
    return generator


@pytest.mark.parametrize("moment", ["warm-up starts", "measure ends"])
def test_the_real_report_of_a_trial_that_was_cut_short_can_be_written(two_blocks, tmp_path, moment):
    generator = FakeGenerator()
    bench = Bench(two_blocks, tmp_path, generator=generator, write_report=write_report)
    at_load(FIRST, moment, lambda: bench.stacks["static"].kill("egress"), generator)

    with pytest.raises(StackError):
        bench.run()

    assert "egress was ended by SIGKILL" in bench.report.read_text()


@pytest.mark.parametrize("moment", ["warm-up starts", "warm-up ends", "measure starts", "measure ends"])
@pytest.mark.parametrize("part", ["egress", "sleep", "nginx02"])
def test_a_part_that_dies_leaves_its_trial_as_far_as_it_came(two_blocks, tmp_path, part, moment):
    """With the answers until then, stack and part in the reason, and a report."""
    generator = FakeGenerator()
    bench = Bench(two_blocks, tmp_path, generator=generator)
    at_load(SECOND, moment, lambda: bench.stacks["eds"].kill(part), generator)

    with pytest.raises(StackError, match=rf"stack eds: {part} was ended by SIGKILL") as raised:
        bench.run()

    assert raised.value.exit_code == 2
    first, second = bench.kept.trials
    assert (first.aborted, second.name) == (None, "block 1 eds")
    assert f"stack eds: {part} was ended" in second.aborted
    assert sum(stage.total.answered for stage in second.stages) > 0
    assert bench.kept.state == "aborted"
    assert f"{part} was ended" in bench.kept.reason
    assert bench.report.is_file()


def test_a_part_whose_readings_end_with_it_is_named_with_its_stack(two_blocks, tmp_path):
    """Who reads its CPU and counters notices first, and knows no stack."""

    class Noticing(FakeMeter):
        def read(self):
            if self.readings == 1:
                bench.stacks["static"].kill("sleep")
                raise MeasurementError("sleep (process 7) has ended: what it used is not known to the end.")
            return super().read()

    bench = Bench(two_blocks, tmp_path, meter=Noticing)

    with pytest.raises(StackError, match="stack static: sleep was ended by SIGKILL"):
        bench.run()

    assert "stack static: sleep was ended" in bench.kept.trials[0].aborted


def test_a_small_share_of_slow_requests_is_reported_with_the_subset_and_its_size(short, tmp_path):
    """The fake generator's requests take one time; of v1 some take 30 ms more."""

    class SlowForFew(FakeGenerator):
        def __call__(self, plan, folder, **more):
            outcome = super().__call__(plan, folder, **more)
            # The null target is not slow.
            return slow_for_few(outcome, "v1") if len(self.plans) - 1 > BASELINE else outcome

    bench = Bench(short, tmp_path, generator=SlowForFew())
    bench.run()

    found = [warning for warning in bench.kept.warnings if warning.code == "slow-share"]
    assert len(found) == 2
    assert "of v1 (30) take about 30" in found[0].message
    assert "0.00% of those to the null target" in found[0].message


def slow_for_few(outcome, name):
    """The same with 30 slow requests more in every stage of one subset."""

    def slower(subset):
        times = Histogram.decode(subset.service_time)
        median = times.percentile(50)
        # Enough that 30 are a small share.
        times.record(np.full(1_000, median))
        times.record(np.full(30, median + 30_000))
        return subset.model_copy(update={"service_time": times.encode()})

    return outcome.model_copy(
        update={
            "stages": tuple(
                stage.model_copy(
                    update={
                        "subsets": tuple(
                            slower(subset) if subset.name == name else subset for subset in stage.subsets
                        )
                    }
                )
                for stage in outcome.stages
            )
        }
    )


def test_a_stack_that_dies_while_another_one_is_under_load_is_named(two_blocks, tmp_path):
    generator = FakeGenerator()
    bench = Bench(two_blocks, tmp_path, generator=generator)
    at_load(FIRST, "measure starts", lambda: bench.stacks["eds"].kill("egress"), generator)

    with pytest.raises(StackError, match="stack eds: egress was ended"):
        bench.run()

    assert bench.kept.trials[0].name == "block 1 static"
    assert "stack eds: egress" in bench.kept.trials[0].aborted


@pytest.mark.parametrize(
    ("error", "becomes"),
    [(LoadError("every worker is gone."), LoadError), (KeyboardInterrupt(), InterruptedRunError)],
    ids=["the generator", "the user"],
)
def test_a_load_that_ends_in_the_middle_is_kept_with_what_the_generator_had_written(
    two_blocks, tmp_path, error, becomes
):
    class Dying(FakeGenerator):
        def __call__(self, plan, folder, **more):
            outcome = super().__call__(plan, folder, **more)
            if len(self.plans) - 1 == SECOND:
                folder.mkdir(parents=True, exist_ok=True)
                cut = outcome.model_copy(update={"complete": False, "reason": "aborted"})
                (folder / "outcome.json").write_text(cut.model_dump_json())
                raise error
            return outcome

    bench = Bench(two_blocks, tmp_path, generator=Dying())

    with pytest.raises(becomes):
        bench.run()

    assert [trial.total.answered for trial in bench.kept.trials] == [150, 150]
    assert bench.kept.trials[1].aborted
    assert bench.report.is_file()


def test_a_gateway_that_answers_nothing_ends_the_run_with_its_trial_kept(two_blocks, tmp_path):
    silences = []

    class Silent(FakeMeter):
        def read(self):
            if self.readings == 1:
                silences.append(self)
                raise StackError("egress does not answer on its admin API: timed out.")
            return super().read()

    bench = Bench(two_blocks, tmp_path, meter=Silent)

    with pytest.raises(StackError, match="stack static: egress does not answer"):
        bench.run()

    (trial,) = bench.kept.trials
    assert "egress does not answer" in trial.aborted
    assert trial.stages[0].total.answered > 0
    # Each reading of such a part is waited for.
    assert len(silences) == 1


def test_counters_that_were_reset_from_outside_are_unknown_and_end_nothing(short, tmp_path):
    bench = Bench(short, tmp_path, meter=lambda stack, gateway: FakeMeter(stack, gateway, falls=True))

    finished = bench.run()

    assert finished.result.state == "complete"
    assert {trial.handshakes for trial in finished.result.trials} == {None}


# --- every answer of every stage counts


@pytest.mark.parametrize("kind", ["warm_up", "measure"])
@pytest.mark.parametrize("where", ["steady", "baseline"])
def test_a_misroute_anywhere_fails_the_run_and_is_reported(short, tmp_path, kind, where):
    def changes(plan, stage):
        is_baseline = len(generator.plans) == 1
        hit = stage.kind == kind and is_baseline == (where == "baseline")
        return {"misrouted": 3, "reasons": {"wrong-node:nginx02": 3}} if hit else {}

    generator = FakeGenerator(changes=changes)
    finished = Bench(short, tmp_path, generator=generator).run()

    verdict = judge(finished.result)
    assert (verdict.state, verdict.exit_code) == ("wrong answers", 1)
    assert "requests were misrouted" in verdict.sentence
    if (where, kind) != ("steady", "measure"):
        codes = {warning.code for warning in finished.result.warnings}
        assert codes >= ({"baseline-losses"} if where == "baseline" else {"warm-up-losses"})
        assert any(
            "3 answered by nginx02" in w.message or "6 answered" in w.message
            for w in finished.result.warnings
        )


def test_a_wrong_body_in_the_warm_up_fails_the_run_whose_limits_are_met(short, tmp_path):
    generator = FakeGenerator(
        changes=lambda plan, stage: (
            {"failed": 1, "reasons": {"wrong-body": 1}} if stage.kind == "warm_up" else {}
        )
    )

    verdict = judge(Bench(short, tmp_path, generator=generator).run().result)

    assert (verdict.state, verdict.exit_code) == ("wrong answers", 1)
    assert "had a wrong body" in verdict.sentence


# --- exit codes: nothing proven is neither passed nor missed


def test_a_generator_that_was_late_proves_nothing(short, tmp_path):
    verdict = judge(Bench(short, tmp_path, generator=FakeGenerator(lag=(80_000,))).run().result)

    assert (verdict.state, verdict.exit_code) == ("generator-limited", 3)


def limits(folder, text):
    path = folder / "scenario.yaml"
    path.write_text(path.read_text().replace("response_time_p50_ms: 1000", text))


def test_a_limit_with_too_few_samples_is_reported_before_the_load_with_the_seconds_that_do(short, tmp_path):
    """And once measured so long, it is proven."""
    limits(short, "response_time_p99_ms: 50")
    reported = []
    bench = Bench(short, tmp_path, generator=FakeGenerator(at=lambda plan, moment: reported.append(moment)))
    bench.diary.warning = reported.append

    verdict = judge(bench.run().result)

    assert (verdict.state, verdict.exit_code) == ("too few samples", 3)
    assert reported[0].code == "too-few-samples"
    assert (
        "response_time_p99_ms takes 1,000 answers, and 2 trials of 1.5 s at 100/s bring 300"
        in reported[0].message
    )
    assert reported[0].advice == "`--measure 5` is long enough."
    path = short / "scenario.yaml"
    path.write_text(path.read_text().replace("measure_s: 1.5", "measure_s: 5"))
    assert judge(Bench(short, tmp_path / "again").run().result).state == "passed"


def disturbed(stack, gateway):
    """A meter on a machine of which others take three quarters."""
    meter = FakeMeter(stack, gateway)
    plain = meter.read

    def read():
        found = plain()
        at = float(meter.readings)
        machine = MachineReading(busy_s=at, idle_s=0.0, steal_s=0.0, waiting_s=None)
        return dataclasses.replace(found, machine=machine, ours_s=at / 4, at_s=at)

    meter.read = read
    return meter


def test_a_missed_time_on_a_machine_that_others_use_proves_nothing(short, tmp_path):
    limits(short, "response_time_p50_ms: 0.1")

    verdict = judge(Bench(short, tmp_path, meter=disturbed).run().result)
    alone = judge(Bench(short, tmp_path / "alone").run().result)

    assert (verdict.state, verdict.exit_code) == ("machine disturbed", 3)
    assert "75 % of all processors" in verdict.sentence or "75% of all processors" in verdict.sentence
    assert (alone.state, alone.exit_code) == ("limit missed", 1)


def test_what_is_met_on_a_disturbed_machine_is_met(short, tmp_path):
    result = Bench(short, tmp_path, meter=disturbed).run().result

    assert judge(result).state == "passed"
    assert "machine-disturbed" in {warning.code for warning in result.warnings}


@pytest.mark.parametrize(
    ("asked", "has_section", "measured"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_handshakes_are_measured_where_asked_for_with_or_without_a_section(asked, has_section, measured):
    options = RunOptions(out=None, command="", backend=None, with_handshake=asked)
    scenario = SimpleNamespace(handshake=Handshake(arrival_rate=7) if has_section else None)

    assert (options.handshake_of(scenario) is not None) is measured
    if measured and has_section:
        assert options.handshake_of(scenario).arrival_rate == 7


def test_a_late_generator_excuses_no_misroute(short, tmp_path):
    generator = FakeGenerator(lag=(80_000,), changes=lambda plan, stage: {"misrouted": 1})

    assert judge(Bench(short, tmp_path, generator=generator).run().result).exit_code == 1
