"""Histograms, schedules, shares and books: what the numbers rest on."""

from __future__ import annotations

import gc
import math
import tracemalloc

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.histogram import (
    DIGITS,
    HIGHEST,
    LENGTH,
    LOWEST,
    Histogram,
    bucket_of,
    count_distinct,
    highest_of,
)
from bench.errors import LoadError
from bench.load import LoadPlan, RequestKind, Stage, Target
from bench.load.engine import schedule
from bench.load.engine.arrivals import SEQUENCES, Share, arrivals, due_by_kind
from bench.load.engine.check import Verdict
from bench.load.engine.recorder import Recorder
from bench.load.engine.request import PreparedKind
from bench.load.packing import pack, pack_sequences, unpack, unpack_sequences
from bench.load.run import merge
from bench.load.run.merge import LOST, Merger
from bench.result.reasons import Reason, ReasonCode
from bench.scenario.traffic import Closed, Constant, Jitter, Poisson, Ramp, Steps

SCHEDULES = [
    Constant(arrival_rate=1000),
    Constant(arrival_rate=0.4),
    Poisson(kind="poisson", arrival_rate=1000),
    Jitter(kind="jitter", arrival_rate=1000),
    Ramp(kind="ramp", from_rate=0, to_rate=1000),
    Ramp(kind="ramp", from_rate=1000, to_rate=10),
    Steps(kind="steps", rates=(100, 900, 300)),
]


def plan_of(*stages, weights=(1.0, 1.0), seed=1) -> LoadPlan:
    return LoadPlan(
        run_id="r",
        target=Target(address="127.0.0.1", port=1, host="x"),
        requests=tuple(RequestKind(name=f"v{i}", weight=w) for i, w in enumerate(weights, 1)),
        stages=tuple(
            Stage(name=f"s{i}", kind="measure", duration_s=d, schedule=s) for i, (s, d) in enumerate(stages)
        ),
        seed=seed,
    )


def recorder_for(plan: LoadPlan) -> Recorder:
    recorder = Recorder(plan, [PreparedKind(plan, kind) for kind in plan.requests])
    recorder.begin([0.0] * len(plan.stages))
    return recorder


@given(st.lists(st.integers(0, HIGHEST), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_buckets_are_those_of_hdr_histogram(values) -> None:
    histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    buckets = bucket_of(np.asarray(values, dtype=np.int64))

    assert histogram.counts_len == LENGTH
    assert [histogram._counts_index_for(value) for value in values] == buckets.tolist()
    assert [histogram.get_highest_equivalent_value(value) for value in values] == highest_of(buckets).tolist()


def test_percentiles_are_within_a_thousandth_of_sorted_raw_samples() -> None:
    random = np.random.default_rng(7)
    seconds = np.concatenate(
        [random.lognormal(-9, 1.5, 200_000), random.uniform(0, 2, 20_000), random.exponential(0.0001, 50_000)]
    )
    plan = plan_of((Constant(arrival_rate=1), 10))
    recorder = recorder_for(plan)
    bucket = recorder.buckets[0][0]
    merger = Merger(plan)
    merger.add_worker("w", Share())
    for start in range(0, seconds.size, 5000):
        for value in seconds[start : start + 5000].tolist():
            bucket.add((1.0, 1.0, 1.0, 1.0 + value))
        bucket.sent += len(seconds[start : start + 5000])
        bucket.due += len(seconds[start : start + 5000])
        merger.add("w", recorder.take())
    outcome = merger.outcome("not all of the plan")
    tally = Histogram.decode(outcome.stages[0].subsets[0].response_time)
    raw = np.rint(seconds * 1e6)

    assert seconds.size == tally.total
    for percent in [0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100]:
        exact = float(np.percentile(raw, percent, method="inverted_cdf"))
        assert abs(tally.percentile(percent) - exact) <= max(0.001 * exact, 1e-9), percent


def test_a_blob_is_read_by_hdr_histogram_with_the_same_percentiles() -> None:
    tally = Histogram()
    values = np.random.default_rng(3).integers(1, 5_000_000, 50_000)
    tally.add(*np.unique(bucket_of(values), return_counts=True))
    histogram = HdrHistogram.decode(tally.encode())

    assert histogram.get_total_count() == 50_000
    for percent in (50, 90, 99, 99.9):
        assert tally.percentile(percent) == histogram.get_value_at_percentile(percent)
    assert abs(tally.mean - values.mean()) < 0.001 * values.mean()


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert Histogram().percentile(50) is None
    assert Histogram().mean is None
    assert Histogram.decode(Histogram().encode()).total == 0


@pytest.mark.parametrize("each", SCHEDULES, ids=lambda s: s.kind)
def test_due_times_ascend_fill_the_stage_and_are_the_same_every_time(each) -> None:
    first = np.concatenate(list(schedule.due_times(each, 3.0, salt=5)))
    second = np.concatenate(list(schedule.due_times(each, 3.0, salt=5, chunk=77)))

    assert (np.diff(first) >= 0).all()
    assert first[0] >= 0
    assert first[-1] < 3.0
    assert first.size == schedule.count(each, 3.0, salt=5)
    if each.kind != "jitter":
        assert np.array_equal(first, second)


def test_a_constant_rate_is_exact() -> None:
    due = np.concatenate(list(schedule.due_times(Constant(arrival_rate=1000), 60.0)))

    assert due.size == 60_000
    assert np.allclose(due, np.arange(60_000) / 1000, rtol=0, atol=1e-12)


def test_a_ramp_is_due_when_its_integral_says_so() -> None:
    due = np.concatenate(list(schedule.due_times(Ramp(kind="ramp", from_rate=100, to_rate=500), 10.0)))

    assert due.size == 3000
    assert np.allclose(100 * due + 20 * due**2, np.arange(3000), atol=1e-6)


def test_poisson_gaps_are_exponential_and_depend_on_the_seed() -> None:
    def gaps(seed, salt):
        each = Poisson(kind="poisson", arrival_rate=1000, seed=seed)
        return np.diff(np.concatenate(list(schedule.due_times(each, 60.0, salt=salt))))

    one = gaps(1, 1)
    assert abs(one.mean() - 0.001) < 0.00002
    assert abs(one.std() - 0.001) < 0.00003
    assert not np.array_equal(one[:50], gaps(2, 1)[:50])
    assert not np.array_equal(one[:50], gaps(1, 2)[:50])


@pytest.mark.parametrize("each", SCHEDULES)
def test_the_number_of_requests_is_known_without_making_each(each, monkeypatch) -> None:
    """Planning a week costs no more than planning a minute: it makes no due times."""
    intended = schedule.count(each, 60.0, salt=3)
    assert intended == sum(due.size for due in schedule.due_times(each, 60.0, salt=3))

    def refuse(*_, **__):
        raise AssertionError("made due times in order to count them")

    monkeypatch.setattr(schedule, "due_times", refuse)
    assert schedule.count(each, 604_800.0, salt=3) > 60_000


def test_a_poisson_schedule_varies_as_one(monkeypatch) -> None:
    """Counts of seconds have the variance of their mean, also where slots meet."""
    each = Poisson(kind="poisson", arrival_rate=100, seed=5)
    due = np.concatenate(list(schedule.due_times(each, 2000.0)))

    assert np.all(np.diff(due) >= 0)
    assert due[-1] < 2000.0
    per_second = np.bincount(due.astype(int), minlength=2000)
    assert abs(per_second.mean() - 100) < 1
    assert 85 < per_second.var() < 115


def test_kinds_keep_their_weights_in_every_short_stretch_and_are_shuffled() -> None:
    stream = schedule.kinds([1, 2, 0.5], seed=1)
    drawn = np.concatenate([next(stream) for _ in range(10)])

    share = np.bincount(drawn[:700]) / 700
    assert np.allclose(share, [1 / 3.5, 2 / 3.5, 0.5 / 3.5], atol=0.03)
    assert np.allclose(np.bincount(drawn) / drawn.size, [1 / 3.5, 2 / 3.5, 0.5 / 3.5], atol=0.001)
    assert len({tuple(drawn[i : i + 64]) for i in range(0, 640, 64)}) > 5


@given(st.lists(st.integers(-5, 5) | st.integers(0, 1 << 40), max_size=40))
def test_distinct_numbers_are_counted_as_numpy_counts_them_and_weighed_by_their_sum(numbers) -> None:
    given_numbers = np.asarray(numbers, dtype=np.int64)
    weights = np.arange(1, given_numbers.size + 1)
    values, counts = count_distinct(given_numbers)
    expected, times = np.unique(given_numbers, return_counts=True)

    assert values.tolist() == expected.tolist()
    assert counts.tolist() == times.tolist()
    weighed = count_distinct(given_numbers, weights)
    assert weighed[0].tolist() == expected.tolist()
    assert weighed[1].tolist() == [int(weights[given_numbers == value].sum()) for value in expected]


@pytest.mark.parametrize(
    "weights", [[1.0], [1.0, 1.0], [0.5, *[0.01] * 50], [1.0] * 200, [500.0, *[1.0] * 300]], ids=len
)
def test_no_kind_is_ever_more_than_one_request_from_its_share_of_the_blocks(weights) -> None:
    stream = schedule.kinds(weights, seed=3)
    drawn = np.concatenate([next(stream) for _ in range(40)])
    block = 64 * math.ceil(len(weights) / 8)
    share = np.asarray(weights) / sum(weights)

    for end in range(block, drawn.size, block):
        drift = np.bincount(drawn[:end], minlength=share.size) - share * end
        assert np.abs(drift).max() < 1


@pytest.mark.parametrize("total", [1, 2, 3, 7])
@pytest.mark.parametrize("each", SCHEDULES, ids=lambda s: s.kind)
def test_the_shares_of_all_workers_are_the_whole_schedule(each, total) -> None:
    plan = plan_of((each, 2.0), (Constant(arrival_rate=100), 1.0))

    def requests(share):
        for chunk in arrivals(plan, share):
            for number, (due, kind) in enumerate(zip(chunk.due, chunk.kinds, strict=True)):
                yield chunk.first + number * share.total, due, kind

    whole = list(requests(Share()))
    parts = sorted(request for index in range(total) for request in requests(Share(index, total)))

    assert whole == parts
    assert [r[0] for r in whole[-100:]] == list(range(SEQUENCES, SEQUENCES + 100))
    counts = [sum(due_by_kind(plan, Share(index, total), 0)) for index in range(total)]
    assert schedule.count(each, 2.0, salt=1000) == sum(counts)


def test_a_closed_stage_goes_on_until_it_is_left() -> None:
    stages = (Closed(kind="closed"), 1.0), (Constant(arrival_rate=10), 1.0)
    stream = arrivals(plan_of(*stages), Share(1, 2))
    chunks = [next(stream) for _ in range(3)]
    following = stream.send(True)

    assert all(chunk.is_closed for chunk in chunks)
    assert [chunk.first for chunk in chunks] == [1, 1025, 2049]
    assert (following.stage, following.is_closed, following.first) == (1, False, SEQUENCES + 1)


def _answer(recorder: Recorder, number: int, *, kind: int = 0, lost: int = 0) -> None:
    bucket = recorder.buckets[0][kind]
    for i in range(number):
        bucket.add((i / 1000, i / 1000, i / 1000 + 0.00001, i / 1000 + 0.001 * (1 + i % 7)))
    bucket.sent += number + lost
    bucket.due += number + lost


def test_merged_histograms_are_the_union_of_the_parts() -> None:
    plan = plan_of((Constant(arrival_rate=1000), 3.0), weights=(1.0,))
    whole, parts = Merger(plan), Merger(plan)
    whole.add_worker("all", Share())
    random = np.random.default_rng(1)
    clocks = [
        (d, d + 0.00005, d + 0.0001, d + 0.0001 + float(random.exponential(0.01)))
        for d in np.arange(3000) / 1000
    ]
    one = recorder_for(plan)
    for index in range(3):
        parts.add_worker(str(index), Share(index, 3))
        part = recorder_for(plan)
        for recorder, mine in ((one, clocks[index::3]), (part, clocks[index::3])):
            for clock in mine:
                recorder.buckets[0][0].add(clock)
            recorder.buckets[0][0].sent += len(mine)
            recorder.buckets[0][0].due += len(mine)
        parts.add(str(index), part.take())
    whole.add("all", one.take())

    assert whole.outcome().stages == parts.outcome().stages
    assert whole.outcome().seconds == parts.outcome().seconds
    assert [second.due for second in parts.outcome().seconds] == [1000] * 3


def test_books_that_do_not_balance_are_an_error() -> None:
    plan = plan_of((Constant(arrival_rate=100), 1.0), weights=(1.0,))
    merger = Merger(plan)
    merger.add_worker("w", Share())
    recorder = recorder_for(plan)
    _answer(recorder, 99, lost=1)
    merger.add("w", recorder.take())

    with pytest.raises(LoadError, match="books do not balance"):
        merger.outcome()


def test_a_schedule_that_was_not_carried_out_is_an_error() -> None:
    plan = plan_of((Constant(arrival_rate=100), 1.0), weights=(1.0,))
    merger = Merger(plan)
    merger.add_worker("w", Share())
    recorder = recorder_for(plan)
    _answer(recorder, 99)
    merger.add("w", recorder.take())

    with pytest.raises(LoadError, match="100 requests were planned and 99 became due"):
        merger.outcome()


def test_a_report_that_got_lost_is_an_error() -> None:
    plan = plan_of((Constant(arrival_rate=100), 1.0))
    merger = Merger(plan)
    merger.add_worker("w", Share())
    recorder = recorder_for(plan)
    merger.add("w", recorder.take().model_copy(update={"number": 1}))

    with pytest.raises(LoadError, match="did not arrive"):
        merger.add("w", recorder.take().model_copy(update={"number": 3}))


def test_what_a_lost_worker_had_sent_failed_and_what_it_did_not_report_is_unsent() -> None:
    plan = plan_of((Constant(arrival_rate=100), 1.0), weights=(1.0,))
    merger = Merger(plan)
    recorder = recorder_for(plan)
    for index in range(2):
        merger.add_worker(str(index), Share(index, 2), f"worker {index}")
    _answer(recorder, 50)
    merger.add("0", recorder.take())
    _answer(recorder, 20, lost=3)
    merger.add("1", recorder.take())
    line = merger.lose("1", "killed by signal 9")
    counts = merger.outcome().stages[0].subsets[0].counts

    assert (counts.due, counts.sent, counts.answered, counts.failed, counts.unsent) == (100, 73, 70, 3, 27)
    assert counts.reasons == {LOST: 30}
    assert [(share.index, share.total) for share in merger.outcome().lost_shares] == [(1, 2)]
    assert line.startswith("worker 1: killed by signal 9")
    assert (line,) == merger.outcome().lost_workers


def test_failures_are_counted_by_reason_with_one_example_each() -> None:
    plan = plan_of((Constant(arrival_rate=10), 1.0), weights=(1.0,))
    recorder = recorder_for(plan)
    bucket = recorder.buckets[0][0]
    bucket.due, bucket.sent = 10, 7
    for number in range(10):
        sent = math.nan if number >= 7 else number / 10 + 0.5
        verdict = (
            Verdict("unsent", Reason(ReasonCode.QUEUE_FULL))
            if number >= 7
            else Verdict("failed", Reason(ReasonCode.STATUS, "503"))
        )
        clocks = (number / 10, number / 10 + 0.3, sent)
        recorder.ended_badly(
            bucket, b"t/%013d" % number, clocks, verdict, request=b"GET", response=b"x" * 9999
        )
    merger = Merger(plan)
    merger.add_worker("w", Share())
    merger.add("w", recorder.take())
    outcome = merger.outcome()
    subset = outcome.stages[0].subsets[0]

    assert subset.counts.reasons == {"queue-full": 3, "status:503": 7}
    assert [(example.reason, example.request, len(example.response)) for example in outcome.examples] == [
        ("status:503", "GET", 4096),
        ("queue-full", "GET", 4096),
    ]
    assert {
        str(part.code): unpack_sequences(part.sequences).tolist() for part in outcome.stages[0].ended
    } == {
        "queue-full": [7, 8, 9],
        "status": [0, 1, 2, 3, 4, 5, 6],
    }
    assert outcome.stages[0].has_all_ended
    # Late is late, also for what then failed; what was never sent has no lag.
    waited = Histogram.decode(outcome.stages[0].waited or "")
    own = Histogram.decode(outcome.stages[0].own_lag or "")
    assert (waited.total, waited.percentile(50), own.total) == (7, 300_031, 7)
    assert own.percentile(50) == 200_063
    assert (Histogram.decode(subset.lag).total, Histogram.decode(subset.response_time).total) == (7, 0)
    assert (outcome.seconds[0].due, outcome.seconds[0].bad, outcome.seconds[0].answered) == (10, 10, 0)


def test_ids_beyond_the_bound_are_counted_and_the_gap_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "ENDED_KEPT", 5)
    plan = plan_of((Constant(arrival_rate=10), 1.0), weights=(1.0,))
    recorder = recorder_for(plan)
    merger = Merger(plan)
    merger.add_worker("w", Share())
    for number in range(10):
        recorder.buckets[0][0].due += 1
        verdict = Verdict("unsent", Reason(ReasonCode.NO_CONNECTION))
        never = (number / 10, math.nan, math.nan)
        recorder.ended_badly(recorder.buckets[0][0], b"t/%013d" % number, never, verdict)
        merger.add("w", recorder.take())
    (stage,) = merger.outcome().stages

    assert stage.subsets[0].counts.reasons == {"no-connection": 10}
    assert not stage.has_all_ended
    assert unpack_sequences(stage.ended[0].sequences).tolist() == [0, 1, 2, 3, 4]


def test_ids_of_millions_that_failed_take_little_room() -> None:
    """A machine that cannot send most of a long load must still match every id of it."""
    first = 3 * SEQUENCES
    in_a_row = np.arange(first, first + 1_000_000, dtype=np.int64)
    three_of_four = np.random.default_rng(1).permutation(in_a_row[np.arange(in_a_row.size) % 4 != 0])

    for ids in (in_a_row, three_of_four, in_a_row[:0], in_a_row[:1]):
        packed = pack_sequences(ids)
        assert np.array_equal(unpack_sequences(packed), np.sort(ids))
        assert len(packed) < ids.size / 10 + 100


def allocated_by_the_load() -> int:
    """Bytes that code of ``bench/load`` holds: what else runs in this process does not matter."""
    ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/bench/load/*")])
    return sum(trace.size for trace in ours.traces)


def test_memory_does_not_grow_with_time() -> None:
    """An hour at 5,000/s needs no more than a minute at 5,000/s (here: six minutes, thinned out)."""
    plan = plan_of((Constant(arrival_rate=5000), 360.0), weights=(1.0,))
    recorder = recorder_for(plan)
    merger = Merger(plan)
    merger.add_worker("w", Share())
    random = np.random.default_rng(1)
    durations = random.lognormal(-7, 0.5, 500).tolist()
    bucket = recorder.buckets[0][0]
    tracemalloc.start()
    sizes = []
    for second in range(360):
        for number, duration in enumerate(durations[: 500 if second < 120 or second % 20 == 0 else 50]):
            due = second + number / 500
            bucket.add((due, due, due, due + duration))
        merger.add("w", recorder.take())
        merger.progress()
        if second in (119, 359):
            gc.collect()
            sizes.append(allocated_by_the_load())
    tracemalloc.stop()

    # What remains of a second is two figures: under 300 bytes.
    assert sizes[1] - sizes[0] < 240 * 300


@given(st.lists(st.integers(0, 1 << 40), max_size=200))
@settings(max_examples=50, deadline=None)
def test_numbers_survive_the_wire(numbers) -> None:
    distinct, counts = unpack(pack(np.asarray(numbers, dtype=np.int64)))

    assert sorted(numbers) == np.repeat(distinct, counts).tolist()


def test_moments_with_long_times_reach_the_outcome_whichever_report_they_come_in() -> None:
    plan = plan_of((Constant(arrival_rate=100), 1.0), weights=(1.0,))
    recorder = recorder_for(plan)
    bucket = recorder.buckets[0][0]
    merger = Merger(plan)
    merger.add_worker("w", Share())
    # due, free, sent, done: at 0.302 s a slow answer, at 0.31 s a slower one, at 0.72 s the engine was late.
    for due, sent, done in ((0.1, 0.1, 0.101), (0.302, 0.302, 0.322), (0.31, 0.31, 0.35), (0.7, 0.72, 0.721)):
        bucket.due += 1
        bucket.sent += 1
        bucket.add((bucket.start + due, bucket.start + due, bucket.start + sent, bucket.start + done))
        merger.add("w", recorder.take())
    merger.lose("w", "killed")
    (stage,) = merger.outcome().stages

    (slow,) = stage.slow_moments.values()
    assert {moment: pytest.approx(longest, rel=1e-3) for moment, longest in slow.items()} == {6: 40_000}
    assert {moment: pytest.approx(longest, rel=1e-3) for moment, longest in stage.late_moments.items()} == {
        14: 20_000
    }
