"""The suite's own power: faults in a running load are noticed and named; nothing is named without one."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.analysis.histogram import Histogram, bucket_of
from bench.analysis.verdict import _judge_faults, judge
from bench.errors import InputError, MeasurementError
from bench.experiment.faults.diagnosis import Cause, Finding, diagnose
from bench.experiment.faults.evidence import Evidence
from bench.experiment.faults.field import find_aims
from bench.experiment.faults.lateness import generator_limit
from bench.experiment.faults.load import Observed, Proving, _Watch, every_fault
from bench.experiment.faults.run import _add_clean, _judge, _try, choose
from bench.load import Progress
from bench.measure.topology import Topology, topology_of
from bench.preparation import prepare
from bench.report.build import write_report
from bench.result import Book, FaultResult, FaultsResult, LedgerBook, LedgerResult, read_result
from bench.scenario.load import load_scenario
from bench.telemetry.access_log import parse_envoy, parse_node
from tests.report.synthetic import make_run

QUICK = ("routes-swapped", "delivered-twice", "gateway-restarted")
"""One of each instrument; `egress-bench faults` has them all."""


@pytest.mark.parametrize("name", QUICK, ids=str)
@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.xdist_group("ground")
def test_a_fault_is_noticed_and_named_with_its_cause(ground, tmp_path, name):
    (fault,) = choose([name])

    seen = Proving(ground, tmp_path).run(
        f"t-{name}", fault, measure_s=fault.measure_s, arrival_rate=fault.arrival_rate
    )

    assert [finding.cause for finding in seen.findings][:1] == [fault.cause], seen.findings
    assert seen.noticed_s is not None
    assert 0 < seen.findings[0].requests < seen.requests
    assert seen.early == 0


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.xdist_group("ground")
def test_a_clean_load_raises_no_alarm(ground, tmp_path):
    seen = Proving(ground, tmp_path).run("t-clean", None, measure_s=1.5, arrival_rate=200)

    assert seen.findings == ()
    assert seen.noticed_s is None
    assert seen.requests == 400


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.nginx
def test_the_command_tells_its_table_as_json_and_in_the_report(tmp_path):
    command = [sys.executable, "-m", "bench", "faults", "--clean", "0", "--only", "node-500", "--json"]

    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode in {0, 3}, done.stderr
    (found,) = json.loads(done.stdout)["result"]["faults"]["faults"]
    assert (found["name"], found["detected"]) == ("node-500", True)
    (folder,) = tmp_path.iterdir()
    assert "node answers 500" in (folder / "report.md").read_text()
    missed = read_result(folder)
    fault = missed.faults.faults[0].model_copy(update={"detected": False})
    missed = missed.model_copy(update={"faults": missed.faults.model_copy(update={"faults": (fault,)})})
    assert judge(missed).exit_code == 1
    assert write_report(folder).is_file()


def test_there_are_at_least_the_promised_faults_each_with_its_own_name_and_cause():
    faults = every_fault()

    assert len(faults) >= 14
    assert len({fault.name for fault in faults}) == len({fault.cause for fault in faults}) == len(faults)


def a_fault(name, *, detected=False, impossible=None):
    return FaultResult(
        name=name,
        title=name,
        expected="x",
        detected=detected,
        impossible=impossible,
        found="x" if detected else None,
        detail="",
        named_by=None,
        noticed_by=None,
        noticed_s=None,
        requests=0,
        of_requests=0,
    )


def judged(tmp_path, *faults):
    folder = make_run(tmp_path / f"{len(faults)}{faults[0].name}", seconds=1)
    return judge(read_result(folder).model_copy(update={"faults": FaultsResult(faults=faults)}))


def test_a_fault_that_cannot_be_made_is_neither_passed_nor_missed(tmp_path):
    done, impossible = a_fault("a", detected=True), a_fault("b", impossible="no netem")

    verdict = judged(tmp_path, done, impossible)

    assert (verdict.exit_code, verdict.sentence[:23]) == (0, "All 1 faults were notic")
    assert "1 not possible here" in verdict.sentence
    assert judged(tmp_path, a_fault("c"), done, impossible).sentence.startswith(
        "1 of 2 faults were not named"
    )


def test_a_run_in_which_no_fault_could_be_made_is_no_success(tmp_path):
    verdict = judged(tmp_path, a_fault("b", impossible="no netem"))

    assert verdict.exit_code == 3
    assert "No fault could be made here: no netem" in verdict.sentence


def test_faults_of_the_network_are_for_stacks_that_have_networks(ground):
    names = {fault.name for fault in choose([], with_network=True)} - {fault.name for fault in choose([])}
    asked = choose(sorted(names))

    assert names == {"node-disconnected", "node-delayed", "node-lost"}
    assert all("--stack docker" in fault.obstacle(ground) for fault in asked)


ONE_IS_ENOUGH = {
    "gateway-frozen",
    "sidecar-frozen",
    *("node-killed", "node-500", "body-truncated", "delivered-twice", "gateway-restarted"),
    *("no-client-certificate", "ca-replaced", "certificate-expired"),
}


def test_with_one_subset_all_faults_are_made_that_need_no_second_one():
    """The others say why not; a whole run with one of them is no failure."""
    loaded = load_scenario(Path("scenarios/egress-mtls"))
    subsets = loaded.scenario.traffic.requests
    traffic = loaded.scenario.traffic.model_copy(update={"requests": {"v1": subsets["v1"]}})
    scenario = loaded.scenario.model_copy(update={"traffic": traffic})

    aims = find_aims(scenario, topology_of(prepare(loaded), "eds"))
    field = SimpleNamespace(aims=aims, parts=None)

    assert (aims.first.subset, aims.first.node, aims.second) == ("v1", "nginx01", None)
    assert {fault.name for fault in every_fault() if fault.obstacle(field) is None} == ONE_IS_ENOUGH
    with pytest.raises(MeasurementError, match="no two subsets"):
        aims.pair()


def test_two_subsets_of_different_nodes_can_be_mixed_up(ground):
    assert (ground.aims.first.node, ground.aims.second.node) == ("nginx01", "nginx02")
    assert all(fault.obstacle(ground) is None for fault in every_fault())


def test_an_unknown_fault_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="node-killed"):
        choose(["node-kiled"])


# --- what the rules conclude from evidence, and what they must not


def book(state="balanced", unexplained=0):
    return LedgerBook(
        level="full",
        book=Book.GATEWAY_TO_NODES,
        left=2,
        right=2,
        unexplained=unexplained,
        state=state,
    )


def gateway_line(ident, cluster, *, at=0, status=200, flags="-", duration=900, failure=None, details=None):
    fields = dict.fromkeys(
        ("want", "host", "method", "path", "route", "upstream", "connect", "handshake"), None
    )
    return parse_envoy(
        {
            **fields,
            "time": str(at),
            "id": ident,
            "status": status,
            "flags": flags,
            "details": details,
            "cluster": cluster,
            "attempts": 1,
            "bytes": 10,
            "duration": duration,
            "connection": 1,
            "upstream_connection": 1,
            "failure": failure,
        }
    )


def node_line(ident, node, *, at=0, status=200, verify="SUCCESS"):
    texts = dict.fromkeys(
        ("method", "host", "uri", "client_subject", "client_serial", "tls_version", "cipher", "server_name"),
        "",
    )
    return parse_node(
        {
            **texts,
            "time": f"{at / 1e6:.3f}",
            "node": node,
            "id": ident,
            "status": str(status),
            "bytes": "10",
            "request_time": "0.000",
            "connection": "1",
            "connection_requests": "1",
            "client_verify": verify,
            "session_reused": ".",
        }
    )


SIZE = 400
CLUSTERS = {"c1": ("n1",), "c2": ("n2",)}


def clean(**changes):
    """Four hundred requests in two seconds, by turns to two nodes, all well."""
    ids = [f"r/{number}" for number in range(SIZE)]
    times = [number * 5_000 for number in range(SIZE)]
    evidence = Evidence(
        topology=Topology("s", "g", ("x",), ("c1", "c2"), ("x",), CLUSTERS),
        reasons={},
        bodies={},
        sidecar=tuple(gateway_line(i, "x", at=t) for i, t in zip(ids, times, strict=True)),
        gateway=tuple(gateway_line(i, f"c{n % 2 + 1}", at=times[n]) for n, i in enumerate(ids)),
        nodes={
            f"n{which + 1}": tuple(
                node_line(i, f"n{which + 1}", at=times[n] + 1_000)
                for n, i in enumerate(ids)
                if n % 2 == which
            )
            for which in (0, 1)
        },
        wanted={i: (f"n{n % 2 + 1}",) for n, i in enumerate(ids)},
        pages={"n1": "<h1>v1!</h1>", "n2": "<h1>v2!</h1>"},
        died={},
        restarted=frozenset(),
        ledger=LedgerResult(level="full", books=(book(),), requests=SIZE),
    )
    return replace(evidence, **changes)


def test_all_is_well_means_no_finding():
    assert diagnose(clean()) == ()


def test_wrong_answers_that_no_rule_explains_are_an_alarm_all_the_same():
    (finding,) = diagnose(clean(reasons={("v1", "status:418"): 3}))

    assert (finding.cause, finding.requests) == (Cause.WRONG_ANSWERS, 3)


def test_a_ledger_that_does_not_balance_is_an_alarm_although_every_answer_was_right():
    ledger = LedgerResult(level="full", books=(book("open", 1),), requests=SIZE)

    (finding,) = diagnose(clean(ledger=ledger))

    assert (finding.cause, finding.requests) == (Cause.UNBALANCED, 1)


def test_one_request_at_the_wrong_node_is_a_stray_and_named_by_its_id():
    evidence = clean()
    gateway = list(evidence.gateway)
    gateway[10] = gateway[10]._replace(cluster="c2")
    n1 = tuple(entry for entry in evidence.nodes["n1"] if entry.id != "r/10")
    n2 = (*evidence.nodes["n2"], node_line("r/10", "n2", at=51_000))

    (finding,) = diagnose(replace(evidence, gateway=tuple(gateway), nodes={"n1": n1, "n2": n2}))

    assert finding.cause is Cause.STRAY_MISROUTE
    assert "r/10" in finding.detail
    assert finding.requests == 1


def test_a_machine_that_is_slow_for_everybody_makes_no_node_slow():
    evidence = clean()
    slowed = tuple(
        entry._replace(duration_us=40_000) if entry.time_us > 1_000_000 else entry
        for entry in evidence.gateway
    )

    assert diagnose(replace(evidence, gateway=slowed)) == ()


def test_one_node_that_is_slow_for_every_request_is_named_with_how_much():
    evidence = clean()
    slowed = tuple(
        entry._replace(duration_us=20_900) if entry.time_us > 1_000_000 and entry.cluster == "c1" else entry
        for entry in evidence.gateway
    )

    (finding,) = diagnose(replace(evidence, gateway=slowed))

    assert finding.cause is Cause.NODE_SLOW
    assert "n1 take 20.0 ms longer" in finding.detail


def test_a_machine_that_stands_still_makes_no_node_frozen():
    evidence = clean()
    late = {
        node: tuple(
            entry if not 500_000 < entry.time_us < 1_300_000 else entry._replace(time_us=1_300_000)
            for entry in entries
        )
        for node, entries in evidence.nodes.items()
    }
    waiting = tuple(
        entry._replace(duration_us=1_300_000 - entry.time_us)
        if 500_000 < entry.time_us < 1_300_000
        else entry
        for entry in evidence.gateway
    )

    assert diagnose(replace(evidence, nodes=late, gateway=waiting)) == ()


def test_an_expired_certificate_is_told_from_an_untrusted_one():
    failure = (
        "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_"
    )
    for text, cause in (
        ("certificate_has_expired", Cause.EXPIRED_CERTIFICATE),
        ("unable_to_get_local_issuer_certificate", Cause.UNTRUSTED_SERVER),
    ):
        evidence = clean(reasons={("v1", "status:503"): 1})
        broken = gateway_line("r/0", "c1", status=503, flags="UF", failure=failure + text)
        nodes = {**evidence.nodes, "n1": evidence.nodes["n1"][1:]}

        found = diagnose(replace(evidence, gateway=(broken, *evidence.gateway[1:]), nodes=nodes))

        assert [finding.cause for finding in found] == [cause]


# --- what a busy machine does, and what healing does, is no fault's sign


LATE = "the generator was late: p99 of its lag 80 ms, limit 5 ms"
ALARM = Finding(Cause.WRONG_ANSWERS, "client", "v1: status 503", 3)


def observed(*findings, limited=None):
    return Observed(findings, None, None, requests=500, early=0, limited=limited)


class FakeProving:
    """Plays back what was seen, load after load."""

    def __init__(self, *seen):
        self.left = list(seen)
        self.names = []

    def run(self, run_id, fault, *, measure_s, arrival_rate):
        self.names.append(run_id)
        return self.left.pop(0)


class Notes:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_load_with_a_late_generator_that_looks_wrong_is_tried_again_and_told():
    proving, notes = FakeProving(observed(ALARM, limited=LATE), observed()), Notes()

    seen = _try(proving, "r.c1", None, notes)

    assert seen.findings == ()
    assert proving.names == ["r.c1", "r.c1r1"]
    assert "generator-limited" in notes.notes[0]


def test_an_alarm_counts_where_the_generator_kept_its_schedule():
    proving = FakeProving(observed(ALARM), observed())

    assert _try(proving, "r.c1", None, Notes()).findings == (ALARM,)
    assert len(proving.left) == 1


def test_a_machine_that_stays_too_busy_makes_no_alarm_no_clean_run_and_no_pass(tmp_path):
    (fault,) = choose(["node-killed"])
    proving = FakeProving(*[observed(ALARM, limited=LATE)] * 6)

    clean = _try(proving, "r.c1", None, Notes())
    missed = _judge(fault, _try(proving, "r.f1", fault, Notes()))

    assert proving.left == []
    assert (missed.detected, missed.limited) == (False, LATE)
    record = SimpleNamespace(faults=FaultsResult(clean_runs=2), save=lambda: None)
    _add_clean(record, 3, clean)
    assert (record.faults.clean_runs, record.faults.false_alarms) == (2, ())
    assert LATE in record.faults.limited[0]
    verdict = _judge_faults(record.faults.model_copy(update={"faults": (missed,)}))
    assert verdict.state == "generator-limited"
    assert "node killed, 1 clean runs" in verdict.sentence


def test_a_fault_that_was_not_named_by_a_punctual_generator_fails_the_run():
    (fault,) = choose(["node-killed"])
    missed = _judge(fault, observed())

    assert missed.limited is None
    assert _judge_faults(FaultsResult(faults=(missed,))).state == "limit missed"


def test_requests_that_healing_breaks_are_no_sign_of_the_fault():
    watch = _Watch({}, rate=200.0)
    watch.injected_at, watch.healed_at = time.monotonic() - 2, time.monotonic() - 1

    watch.see(Progress("measure", 1.0, 1.0, due=200, sent=200, answered=150, bad=40, p50=1, p99=1))

    assert watch.noticed_at is None
    watch.healed_at = None
    watch.see(Progress("measure", 1.0, 1.0, due=200, sent=200, answered=150, bad=50, p50=1, p99=1))
    assert watch.noticed_by == "client"


@pytest.mark.parametrize(("lag_us", "is_late"), [(300, False), (80_000, True)])
def test_lateness_is_the_generators_lag_in_the_measured_stage(lag_us, is_late):
    def stage(kind, micros):
        tally = Histogram()
        tally.add(np.array([bucket_of(np.array(micros))]), np.array([100]))
        return SimpleNamespace(kind=kind, own_lag=tally.encode())

    outcome = SimpleNamespace(stages=(stage("warm_up", 900_000), stage("measure", lag_us)))

    told = generator_limit(outcome)

    assert (told is not None) is is_late
    assert told is None or "p99 of its own lag 80" in told


def later(entries, *, since, by):
    """The same entries, those from *since* on later *by* so many microseconds."""
    return tuple(
        entry._replace(time_us=entry.time_us + by) if entry.time_us >= since else entry for entry in entries
    )


def test_a_sidecar_that_takes_nothing_for_long_stood_still():
    evidence = clean()
    frozen = {"since": 1_000_000, "by": 900_000}

    (finding,) = diagnose(
        replace(
            evidence,
            sidecar=later(evidence.sidecar, **frozen),
            gateway=later(evidence.gateway, **frozen),
            nodes={name: later(log, **frozen) for name, log in evidence.nodes.items()},
        )
    )

    assert (finding.cause, finding.since_us) == (Cause.SIDECAR_FROZEN, 995_000)


def test_a_gateway_that_takes_nothing_while_requests_wait_for_it_stood_still():
    """The sidecar takes its requests on time; what it took meanwhile ends when the gateway goes on."""
    evidence = clean()
    sidecar = tuple(
        entry._replace(duration_us=1_800_000 - entry.time_us)
        if 1_000_000 <= entry.time_us < 1_800_000
        else entry
        for entry in evidence.sidecar
    )
    gateway = tuple(
        entry._replace(time_us=1_800_000) if 1_000_000 <= entry.time_us < 1_800_000 else entry
        for entry in evidence.gateway
    )

    (finding,) = diagnose(replace(evidence, sidecar=sidecar, gateway=gateway))

    assert finding.cause is Cause.GATEWAY_FROZEN
    assert finding.requests >= 150


def test_a_right_answer_that_nobody_behind_the_sidecar_gave_is_a_ghost():
    evidence = clean()
    gone = "r/10"
    ledger = LedgerResult(level="full", books=(book("open", 1),), requests=SIZE)

    (finding,) = diagnose(
        replace(
            evidence,
            gateway=tuple(entry for entry in evidence.gateway if entry.id != gone),
            nodes={
                name: tuple(entry for entry in log if entry.id != gone)
                for name, log in evidence.nodes.items()
            },
            ledger=ledger,
        )
    )

    assert (finding.cause, finding.requests) == (Cause.GHOST, 1)


def test_answers_with_the_id_of_another_request_are_named_so():
    (finding,) = diagnose(clean(reasons={("v1", "wrong-id"): 3}))

    assert (finding.cause, finding.requests) == (Cause.OTHER_ID, 3)
