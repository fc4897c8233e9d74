"""A made-up run for tests: every number comes from a seeded generator, nothing was measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.analysis.compare import comparisons_of
from bench.analysis.generator_health import judge_generator
from bench.analysis.latency import summarise_values
from bench.analysis.limits import check_limits
from bench.analysis.subsets import combine
from bench.report.folder import prepare_folder
from bench.report.samples import write_samples
from bench.result import (
    ComponentCost,
    Fingerprint,
    GeneratorResult,
    HandshakeMode,
    HandshakeResult,
    PartRow,
    Result,
    SecondRow,
    TrialResult,
    VerificationLine,
    write_result,
)
from tests.support.histograms import an_outcome

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = ("static", "eds", "eds", "static")


def _subset(name, random, count, median):
    service = np.exp(random.normal(np.log(median), 0.28, count)) + random.pareto(3.2, count) * 60
    lag = np.exp(random.normal(np.log(35), 0.6, count))
    return an_outcome(name, response=service + lag, service=service, lag=lag), service + lag


def _costs(random, experiment):
    tls = 1_450 if experiment == "handshake" else 0
    parts = (
        ("sidecar", "sidecar", 118, 31),
        ("egress", "egress", 141 + tls, 34),
        ("nginx01", "node", 38 + tls * 0.8, 9),
        ("nginx02", "node", 39 + tls * 0.8, 9),
        ("locust worker", "generator", 62, 88),
    )
    return tuple(
        ComponentCost(
            component=name,
            role=role,
            cpu_seconds=None,
            cpu_us_per_request=float(cpu * random.normal(1, 0.02)),
            memory_bytes=int(memory * random.normal(1, 0.01) * (1 << 20)),
        )
        for name, role, cpu, memory in parts
    )


def _trial(folder, random, number, experiment, source, *, rate, seconds):
    median = 900 if experiment == "steady" else 3_100
    subsets, times = [], []
    for name in ("v1", "v2"):
        subset, values = _subset(name, random, rate * seconds // 2, median)
        subsets.append(subset)
        times.append(values)
    every = np.concatenate(times)
    random.shuffle(every)
    block = (number - 1) // 2 + 1
    trial = TrialResult(
        name=f"block {block}, {'1st' if number % 2 else '2nd'}: {source}",
        experiment=experiment,
        config_source=source,
        block=block,
        position=(number - 1) % 2 + 1,
        started_at=(START + timedelta(seconds=number * (seconds + 5))).isoformat(),
        duration_s=seconds,
        arrival_rate=rate,
        achieved_rate=rate,
        subsets=tuple(combine(subset.name, [subset]) for subset in subsets),
        total=combine("all", subsets),
        costs=_costs(random, experiment),
        new_upstream_connections=rate * seconds if experiment == "handshake" else 2,
        handshakes=rate * seconds if experiment == "handshake" else 2,
        sessions_reused=0,
    )
    rows = [
        SecondRow(
            trial=trial.name,
            experiment=experiment,
            stage="measure",
            kind="measure",
            second=second,
            due=rate,
            answered=rate,
            bad=0,
            response_time_p50=int(np.median(every[second * rate : (second + 1) * rate])),
            response_time_max=int(every[second * rate : (second + 1) * rate].max()),
        )
        for second in range(seconds)
    ]
    parts = [
        PartRow(trial.name, experiment, second + 0.9, name, cpus, memory << 20)
        for second in range(seconds)
        for name, cpus, memory in (("sidecar", 0.05, 31), ("egress", 0.06, 34), ("nginx01", 0.02, 9))
    ]
    write_samples(folder, trial, subsets, rows, parts)
    return trial, subsets


def _mode(random, name, median):
    handshakes = np.exp(random.normal(np.log(median), 0.12, 1_050)).astype(int).tolist()
    connects = np.exp(random.normal(np.log(85), 0.3, 1_050)).astype(int).tolist()
    other = 2 if name == "resumed" else 0
    return HandshakeMode(
        name=name,
        connections=1_155,
        handshakes=1_155,
        sessions_reused=1_153 if name == "resumed" else 0,
        of_other_kind=other,
        counts_agree=True,
        tls_versions={"TLSv1.3": 1_155},
        ciphers={"TLS_AES_256_GCM_SHA384": 1_155},
        connect_time=summarise_values(connects),
        handshake_time=summarise_values(handshakes),
        connections_per_request=1.0,
        gateway_cpu_us_per_request=median * 0.5 + 141.2,
        node_cpu_us_per_request=median * 0.48 + 38.4,
        gateway_cpu_us_per_connection=median * 0.5,
        node_cpu_us_per_connection=median * 0.48,
    )


VERIFICATION = tuple(
    VerificationLine(
        stack=stack, name=name, sent=sent, expected=expected, got=expected, node=node, passed=True
    )
    for stack in ("static", "eds")
    for name, sent, expected, node in (
        ("want: v1", "GET / want: v1", "200 v1!", "nginx01"),
        ("want: v2", "GET / want: v2", "200 v2!", "nginx02"),
        ("no header", "GET /", "404", None),
        ("want: v3", "GET / want: v3", "404", None),
        ("want: V1", "GET / want: V1", "404", None),
        ("unknown host", "GET / Host: nobody.example", "502", None),
        ("node, no certificate", "TLS without client certificate", "400", "nginx01"),
        ("node, other CA", "TLS, certificate of another CA", "400 or refused", "nginx01"),
        ("node, right certificate", "TLS, client certificate", "200 v1!", "nginx01"),
    )
)


def make_run(root: Path, *, rate=400, seconds=15, order=ORDER, seed=7, **changes) -> Path:
    """Write a synthetic result folder below *root* and return it."""
    random = np.random.default_rng(seed)
    folder = prepare_folder(root, "synthetic-test-data", f"seed{seed}", START)
    trials, steady = [], []
    for number, source in enumerate(order, start=1):
        trial, subsets = _trial(folder, random, number, "steady", source, rate=rate, seconds=seconds)
        trials.append(trial)
        steady += subsets
    trial, _ = _trial(folder, random, len(order) + 1, "handshake", "static", rate=60, seconds=8)
    trials.append(trial)
    parts = [[subset for subset in steady if subset.name == name] for name in ("v1", "v2")]
    whole = combine("all", steady)
    lag = whole.lag
    generator = GeneratorResult(
        cpu_us_per_request=61.5,
        cpu_share=0.06,
        lag=lag,
        connects=64,
        workers=1,
        mean_in_flight=rate * 0.00098,
        little_in_flight=rate * 0.00096,
    )
    result = Result(
        run_id=f"seed{seed}",
        scenario="synthetic-test-data",
        description="SYNTHETIC TEST DATA. Every number on this page was made up by a seeded generator;"
        " nothing was"
        " measured.",
        semantics="istio-1.0",
        started_at=START.isoformat(),
        finished_at=(START + timedelta(seconds=120)).isoformat(),
        command="egress-bench run scenarios/synthetic-test-data",
        state="complete",
        fingerprint=Fingerprint(
            machine={"cpu": "made-up CPU", "cores": "2", "memory": "8 GiB", "kernel": "Linux 0.0"},
            versions={"envoy": "0.0.0", "nginx": "0.0.0", "openssl": "0.0.0", "locust": "0.0.0"},
            scenario_hash="0" * 16,
            config_hashes={"sidecar static": "1" * 16, "egress static": "2" * 16, "egress eds": "3" * 16},
            stack="local",
        ),
        stack_ready_s={"static": 1.21, "eds": 1.34},
        verification=VERIFICATION,
        trials=tuple(trials),
        totals=(*(combine(part[0].name, part) for part in parts), whole),
        comparisons=comparisons_of(trials),
        handshake=HandshakeResult(
            key="RSA-4096",
            gateway_cpu_us_per_request_kept=141.2,
            node_cpu_us_per_request_kept=38.4,
            modes=(_mode(random, "full", 8_700), _mode(random, "resumed", 1_050)),
        ),
        generator=generator,
        limits=check_limits(
            {"misrouted": 0, "unsent": 0, "failed": 0, "response_time_p99_ms": 50, "lag_p99_ms": 5}, whole
        ),
        warnings=judge_generator(generator),
        peak_memory_bytes=412 << 20,
        duration_s=118.4,
    )
    write_result(folder, result.model_copy(update=changes))
    return folder
