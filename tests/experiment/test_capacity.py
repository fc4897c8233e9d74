"""`egress-bench capacity`: its logic on a fake stack of known capacity, its promise on the real one."""

import json
from types import SimpleNamespace

import pytest

from bench.analysis.verdict import judge
from bench.errors import InputError, OutOfMemoryError, StackError
from bench.experiment.capacity import curve
from bench.experiment.capacity.flow import find_capacity
from bench.experiment.capacity.pressure import Pressure
from bench.experiment.capacity.settings import CapacityOptions
from bench.experiment.instruments import Instruments
from bench.result import CurvePoint, VerificationLine, read_result
from bench.scenario.load import load_scenario
from bench.scenario.traffic import mean_rate
from bench.stack.backend import Backend
from bench.stack.fake import FakeStack
from tests.support.command import run_command
from tests.support.fake_generator import FakeBooks, FakeGenerator, FakeMeter

CAPACITY = 333.0


class FakeVerifier:
    """Every call is right."""

    def __call__(self, loaded, material):
        return self

    def ask_scenario(self, stack):
        return (
            VerificationLine(
                name="v1", sent="", expected="200", got="200", node=None, passed=True, kind="call"
            ),
        )

    def ask_matrix(self, stack):
        return ()


class Diary:
    """An observer that writes down every stage."""

    def __init__(self):
        self.stages = []

    def stage(self, text, planned_s=0.0):
        self.stages.append(text)

    def __getattr__(self, name):
        return lambda *_: None


def fails_beyond(capacity):
    """A tenth of the requests, as soon as there are more than the path carries."""

    def changes(plan, stage):
        rate = mean_rate(stage.schedule)
        return {"failed": 3} if rate > capacity else {}

    return changes


class TiredGenerator(FakeGenerator):
    """Its one worker has no CPU left beyond some rate."""

    def __init__(self, end, **more):
        super().__init__(changes=fails_beyond(end), **more)
        self.end = end

    def _outcome(self, plan, stages, *, complete=True):
        outcome = super()._outcome(plan, stages, complete=complete)
        measured = sum(stage.duration_s for stage in stages if stage.kind == "measure")
        used = measured if mean_rate(plan.stages[-1].schedule) > self.end else measured / 2
        return outcome.model_copy(
            update={"generator": outcome.generator.model_copy(update={"cpu_seconds": used})}
        )


class WaitingGenerator(FakeGenerator):
    """Each of its connections carries twenty requests/s, the path *path*; the rest stays unsent."""

    def __init__(self, path, *, queues_behind=False):
        super().__init__(changes=self._changes)
        self.path, self.queues_behind = path, queues_behind

    def _changes(self, plan, stage):
        rate = mean_rate(stage.schedule)
        carried = min(self.path, 20 * plan.connections.count)
        due = rate * stage.duration_s / len(plan.requests)
        return {"unsent": int(due * max(0.1, 1 - carried / rate))} if rate > carried else {}

    def _outcome(self, plan, stages, *, complete=True):
        outcome = super()._outcome(plan, stages, complete=complete)
        count, rate = plan.connections.count, mean_rate(plan.stages[-1].schedule)
        busy = count if self.queues_behind and rate > self.path else min(count, self.path / 20, rate / 20)
        return outcome.model_copy(
            update={"generator": outcome.generator.model_copy(update={"mean_in_flight": busy})}
        )


class Search:
    """One search on a fake stack."""

    def __init__(self, folder, tmp_path, *, generator=None, **options):
        self.folder, self.out = folder, tmp_path / "out"
        self.generator = generator or FakeGenerator(changes=fails_beyond(CAPACITY))
        self.options = {"highest": 2_000.0, "quick": True, "p99_ms": 50.0, "with_model": False, **options}
        self.diary, self.stacks, self.ended = Diary(), [], []
        self.faults = SimpleNamespace(
            folder=self.folder_of_node,
            kill=lambda part: self.ended.append(("kill", part)),
            restart=lambda part: self.ended.append(("restart", part)),
        )

    def run(self):
        def make_stack(spec):
            self.stacks.append(FakeStack(spec, folder=self.out.parent / "stacks"))
            return self.stacks[-1]

        backend = Backend("fake", make_stack, lambda stack: self.faults, dict)
        instruments = Instruments(
            clock=lambda: 1.0,
            run_load=self.generator,
            make_verifier=FakeVerifier(),
            open_meter=FakeMeter,
            keep_books=FakeBooks,
            await_logs=lambda paths: None,
            write_report=lambda folder: folder / "report.html",
        )
        options = CapacityOptions(out=self.out, command="capacity", backend=backend, **self.options)
        return find_capacity(
            load_scenario(self.folder),
            options,
            self.diary,
            instruments=instruments,
            read_pressure=lambda stack: {"egress": Pressure(1, 0, (16,))},
            rest=lambda seconds: None,
        )

    def folder_of_node(self, node):
        """Stands in for the faults' ``folder``."""
        folder = self.out.parent / "nodes" / node
        (folder / "html").mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def kept(self):
        """The result on disk."""
        (folder,) = self.out.iterdir()
        return read_result(folder)


def test_a_search_goes_on_without_its_control_plane_and_says_how_requests_fared(short, tmp_path):
    search = Search(short, tmp_path, config_source="ads")
    loads = []

    def loses_it_in_the_second_load(plan, stage):
        if not loads or loads[-1] != plan.run_id:
            loads.append(plan.run_id)
        if len(loads) == 2:
            search.stacks[-1].lose_control_plane()
        return fails_beyond(CAPACITY)(plan, stage)

    search.generator = FakeGenerator(changes=loses_it_in_the_second_load)
    done = search.run()

    assert len(loads) > 2
    assert done.result.capacity.state == "found"
    [warning] = [each for each in done.result.warnings if each.code == "control-plane-lost"]
    assert "control plane of stack ads was ended by SIGKILL in or before load" in warning.message
    assert "requests of that load were answered" in warning.message


def test_the_capacity_is_found_with_every_trial_and_its_verdict(short, tmp_path):
    search = Search(short, tmp_path)

    found = search.run().result.capacity

    assert found.state == "found"
    assert CAPACITY / 1.031 <= found.lower <= CAPACITY < found.upper
    assert found.soaked
    assert found.limit == "99 % of the requests within 50 ms"
    assert all(trial.good == (trial.rate <= CAPACITY) for trial in found.trials)
    assert all("lost of at most 1 %" in trial.why for trial in found.trials)
    assert [trial.purpose for trial in found.trials[-2:]] == ["soak", "second look"]
    assert judge(search.kept).exit_code == 0
    assert search.stacks[-1].calls[-1] == "stop"


def test_one_load_serves_several_trials_at_one_rate(short, tmp_path):
    search = Search(short, tmp_path)

    found = search.run().result.capacity

    assert len(search.generator.plans) == len(found.windows) < len(found.trials)
    assert max(trial.window for trial in found.trials) == len(found.windows) - 1


def test_the_progress_reports_what_is_tried_the_bounds_and_what_remains(short, tmp_path):
    search = Search(short, tmp_path)
    search.run()

    reported = [stage for stage in search.diary.stages if "requests/s; between" in stage]

    assert reported[0].startswith("start: 101 requests/s; between ? and ?; trials for about")
    assert "at most 36 s" in reported[0]
    assert reported[-1].startswith("second look: ")


def test_rates_that_all_meet_the_limit_give_a_lower_bound_only(short, tmp_path):
    search = Search(short, tmp_path, generator=FakeGenerator(), highest=400.0)

    found = search.run().result.capacity

    assert (found.state, found.lower, found.upper, found.constraints) == ("at least", 400.0, None, ())
    assert "up to 400 requests/s" in judge(search.kept).sentence


def test_a_limit_that_no_rate_meets_is_reported_with_how_far_it_was_missed(short, tmp_path):
    search = Search(short, tmp_path, generator=FakeGenerator(changes=fails_beyond(0)))

    found = search.run().result.capacity
    verdict = judge(search.kept)

    assert (found.state, found.lower) == ("nothing good", None)
    assert (verdict.state, verdict.exit_code) == ("limit missed", 1)
    assert "at 5 requests/s" in verdict.sentence
    assert "lost of at most 1 %" in verdict.sentence


def test_a_generator_at_its_end_yields_no_capacity_but_a_certain_bound(short, tmp_path):
    search = Search(short, tmp_path, generator=TiredGenerator(250.0))

    found = search.run().result.capacity
    verdict = judge(search.kept)

    assert found.state == "generator-limited"
    assert 240 <= found.lower <= 250
    assert (verdict.state, verdict.exit_code) == ("generator-limited", 3)
    assert "generator" in {constraint.code for constraint in found.constraints}


def test_the_client_opens_more_connections_where_they_are_all_that_limits(short, tmp_path):
    """What such a load missed is no verdict on the path: it is in the record, and not among the trials."""
    search = Search(short, tmp_path, generator=WaitingGenerator(900.0))
    scenario = load_scenario(short).scenario.traffic.connections.count

    found = search.run().result.capacity

    assert 900.0 / 1.031 <= found.lower <= 900.0 < found.upper
    counts = [(each.before, each.after) for each in found.more_connections]
    assert counts[0][0] == scenario
    assert counts[-1][1] * 20 > 900.0 >= counts[-1][0] * 20
    assert all(trial.good == (trial.rate <= 900.0) for trial in found.trials)
    assert f"with {counts[-1][1]} connections of the client" in judge(search.kept).sentence


def test_more_connections_that_let_no_more_through_were_not_what_limited(short, tmp_path):
    """All are busy because something behind them is at its end, which nobody watches."""
    search = Search(short, tmp_path, generator=WaitingGenerator(300.0, queues_behind=True))

    found = search.run().result.capacity

    assert len(found.more_connections) <= 1
    assert 300.0 / 1.031 <= found.lower <= 300.0 < found.upper


def test_the_client_opens_no_connection_without_end(short, tmp_path):
    found = Search(short, tmp_path, generator=WaitingGenerator(1e9), highest=30_000.0).run().result.capacity

    assert found.more_connections[-1].after == 256
    assert found.constraints[0].code == "client-connections"
    assert found.lower <= 256 * 20 < found.upper


def test_a_cost_model_that_cannot_be_fitted_costs_the_search_nothing(short, tmp_path):
    """The fake parts use no CPU: that is reported, and the bounds stay."""
    search = Search(short, tmp_path, with_model=True)

    result = search.run().result

    assert [warning.code for warning in result.warnings] == [*["no-cost-model"] * 3, "no-memory-model"]
    assert result.capacity.lower is not None
    windows = result.capacity.cost_windows
    assert {(w.body_bytes, w.answer_bytes) for w in windows} >= {
        (0, 0),
        (16_384, 0),
        (0, 16_384),
        (0, 32_768),
    }
    asked = {kind.path for plan in search.generator.plans for kind in plan.requests}
    assert asked == {"/", "/bench-4096/", "/bench-16384/", "/bench-32768/"}
    assert (search.folder_of_node("nginx01") / "html" / "bench-16384" / "index.html").stat().st_size == 16_384
    # The fake gateway does not report its memory: one stack of clusters is enough to learn that.
    names = [stack.spec.name for stack in search.stacks]
    churned = ["cost-full-1", "cost-full-4", "cost-resumed-1", "cost-resumed-4"]
    assert names == ["static", *churned, "clusters-7"]
    assert all(stack.calls[-1] == "stop" for stack in search.stacks)


def test_a_misrouted_request_is_a_wrong_answer_at_any_rate(short, tmp_path):
    lone = iter([{"misrouted": 1}])
    search = Search(
        short, tmp_path, generator=FakeGenerator(changes=lambda plan, stage: next(lone, {})), highest=400.0
    )

    search.run()

    assert judge(search.kept).state == "wrong answers"


def test_a_node_that_dies_in_mid_search_ends_it_and_the_trials_are_kept(short, tmp_path):
    def at(plan, moment):
        if len(search.generator.plans) == 4 and moment == "trial 1 starts":
            search.stacks[0].kill("nginx02")

    search = Search(short, tmp_path, generator=FakeGenerator(at=at, changes=fails_beyond(CAPACITY)))

    with pytest.raises(StackError, match="nginx02"):
        search.run()

    assert search.kept.state == "aborted"
    assert "nginx02" in search.kept.reason
    assert len(search.kept.capacity.windows) == 3
    assert search.kept.capacity.state is None
    assert search.stacks[0].calls[-1] == "stop"


def test_a_gateway_that_the_kernel_ends_for_want_of_memory_is_limited_by_that(short, tmp_path):
    def at(plan, moment):
        if len(search.generator.plans) == 3 and moment == "trial 1 starts":
            raise OutOfMemoryError("egress", "egress was ended for want of memory.")

    search = Search(short, tmp_path, generator=FakeGenerator(at=at, changes=fails_beyond(CAPACITY)))

    with pytest.raises(OutOfMemoryError, match="want of memory"):
        search.run()

    (limit,) = search.kept.capacity.constraints
    assert (limit.code, limit.part) == ("memory", "egress")
    assert search.kept.capacity.lower is not None


def test_a_scenario_without_a_limit_on_times_is_refused_before_anything_starts(short, tmp_path):
    path = short / "scenario.yaml"
    path.write_text(path.read_text().replace("response_time_p50_ms: 1000", ""))
    search = Search(short, tmp_path, p99_ms=None)

    with pytest.raises(InputError, match=r"scenario\.yaml.*no limit on the response time.*--p99"):
        search.run()

    assert not search.out.exists()
    assert search.stacks == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lowest": 0.0}, "above 0"),
        ({"lowest": 900.0, "highest": 100.0}, "below the lowest"),
        ({"highest": float("nan")}, "Give a finite rate above 0"),
        ({"p99_ms": 0.0}, "--p99 is 0 ms"),
        ({"p99_ms": float("nan")}, "--p99 is nan ms"),
        ({"p99_ms": -3.0}, "above 0 milliseconds"),
        ({"soak_s": float("nan")}, "a soak of nan s"),
    ],
)
def test_a_range_that_is_none_is_refused(short, tmp_path, options, named):
    with pytest.raises(InputError, match=named):
        Search(short, tmp_path, **options).run()


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.whole_path
@pytest.mark.whole_path
def test_a_search_on_the_real_path_ends_with_bounds_costs_and_a_report(short, tmp_path):
    """Within a limit that even two busy cores meet: every rate is good up to the highest."""
    done = run_command(
        *("capacity", short, "--out", tmp_path / "out", "--quick", "--lowest", 40, "--highest", 160),
        *("--p99", 20000, "--soak", 2, "--json"),
    )

    assert done.returncode in {0, 3}, done.stderr
    reported = json.loads(done.stdout)
    found = reported["result"]["capacity"]
    assert found["lower"] is not None
    assert found["trials"][0]["due"] >= 100
    # What a busy machine did not get sent is a loss, which the limit allows.
    assert sum(trial["due"] for trial in found["trials"]) >= sum(w["sent"] for w in found["windows"]) > 0
    roles = {cost["role"] for window in found["windows"] for cost in window["costs"]}
    assert roles >= {"sidecar", "egress", "node"}
    assert found["gateway_alone"] > 160
    assert found["misrouted"] == 0
    (folder,) = (tmp_path / "out").iterdir()
    page = (folder / "report.md").read_text()
    assert "relevant lower bound" in page
    assert "MLRsearch" in page


def test_a_curve_that_misses_the_limit_below_the_bound_is_said(short, tmp_path, monkeypatch):
    """What lies beyond the bound may miss it."""
    times = {"seconds": 1.0, "response_time_p50": 1, "response_time_p99": 2}

    def points(*missed):
        lost = {rate: 334 if rate in missed else 0 for rate in (100, 300, 5_000)}
        return tuple(
            CurvePoint(rate=rate, due=1000, good=1000 - many, lost=many, **times)
            for rate, many in lost.items()
        )

    said = []
    for made in (points(300), points(5_000)):
        monkeypatch.setattr(curve, "measure_curve", lambda _trials, made=made: made)
        result = Search(short, tmp_path, with_curve=True).run().result
        assert result.capacity.curve == made
        said.append([each.message for each in result.warnings if each.code == "curve-below-bound"])

    assert said[1] == []
    assert "33% of the requests missed the limit at 300 requests/s" in said[0][0]


def test_the_end_of_a_replica_comes_after_everything_that_is_read_of_it(short, tmp_path):
    """Who was started again is another process: no reading spans its end."""
    path = short / "scenario.yaml"
    path.write_text(path.read_text().replace("role: gateway", "role: gateway\n      replicas: 2"))
    search = Search(short, tmp_path, with_curve=True)

    found = search.run().result.capacity

    assert search.ended == [("kill", "egress-2"), ("restart", "egress-2")]
    assert len(found.curve) == 8
    assert found.killed.component == "egress-2"
    assert [stage.name for stage in search.generator.plans[-1].stages][-6:] == [
        f"second {number}" for number in range(1, 7)
    ]
