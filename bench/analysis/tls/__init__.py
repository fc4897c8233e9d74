"""What handshakes cost and how many there are: regression, clocks, oracle, sessions, pools, storms."""

from bench.analysis.tls.alerts import CLIENT_REFUSED, SOCKET, name_failure
from bench.analysis.tls.clocks import ClockInput, WallTimes, read_clocks
from bench.analysis.tls.estimates import difference, mean_interval, median_interval, quantile_interval
from bench.analysis.tls.oracle import operations, oracle_line
from bench.analysis.tls.pools import Pool, handshakes_per_s
from bench.analysis.tls.regression import HandshakeWindow, Round, handshake_costs
from bench.analysis.tls.reuse import Attempt, Sessions, predict_full_after, predict_reuse
from bench.analysis.tls.storms import Served, Wave, read_wave
from bench.analysis.tls.verdict import HALF_WIDTH, LAW_ERROR, REUSE_POINTS, judge_lab, lab_findings

__all__ = [
    "CLIENT_REFUSED",
    "HALF_WIDTH",
    "LAW_ERROR",
    "REUSE_POINTS",
    "SOCKET",
    "Attempt",
    "ClockInput",
    "HandshakeWindow",
    "Pool",
    "Round",
    "Served",
    "Sessions",
    "WallTimes",
    "Wave",
    "difference",
    "handshake_costs",
    "handshakes_per_s",
    "judge_lab",
    "lab_findings",
    "mean_interval",
    "median_interval",
    "name_failure",
    "operations",
    "oracle_line",
    "predict_full_after",
    "predict_reuse",
    "quantile_interval",
    "read_clocks",
    "read_wave",
]
