"""One trial, its readings, and the run record that is saved after each trial."""

from __future__ import annotations

from bench.measure.bookkeeper import Bookkeeper, Readings
from bench.measure.carried import carried_by_role
from bench.measure.ending import Finished, InterruptedRunError, kept
from bench.measure.fingerprint import fingerprint_of
from bench.measure.ground import Bookkeeping, Ground, StackMeter
from bench.measure.hop_times import SAMPLED_FIELDS, HopWatch
from bench.measure.meter import Meter, Reading, UpstreamTls
from bench.measure.remote_books import RemoteBooks
from bench.measure.request_matching import GATEWAY_LOG, SIDECAR_LOG, Matcher, require_matchable, require_read
from bench.measure.run_record import RunRecord
from bench.measure.shares import expected_shares
from bench.measure.topology import Topology, topology_of
from bench.measure.trial import LoadRunner, Side, drive_load, run_in_turns, run_trial
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.measure.trial_result import StackReadings, Trial, finished_trial, part_rows, second_rows
from bench.measure.turns import can_share, in_turns, share_of
from bench.measure.way import way_of

__all__ = [
    "GATEWAY_LOG",
    "SAMPLED_FIELDS",
    "SIDECAR_LOG",
    "Bookkeeper",
    "Bookkeeping",
    "Finished",
    "Ground",
    "HopWatch",
    "InterruptedRunError",
    "LoadRunner",
    "Matcher",
    "Meter",
    "Reading",
    "Readings",
    "RemoteBooks",
    "RunRecord",
    "Side",
    "StackMeter",
    "StackReadings",
    "Topology",
    "Trial",
    "TrialPlan",
    "UpstreamTls",
    "can_share",
    "carried_by_role",
    "drive_load",
    "expected_shares",
    "fingerprint_of",
    "finished_trial",
    "in_turns",
    "kept",
    "load_plan",
    "part_rows",
    "require_matchable",
    "require_read",
    "run_in_turns",
    "run_trial",
    "second_rows",
    "share_of",
    "stack_target",
    "topology_of",
    "way_of",
]
