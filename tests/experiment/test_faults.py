"""The suite's own power: faults in a running load are noticed and named; nothing is named without one."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from bench.analysis.histogram import Histogram, bucket_of
from bench.analysis.verdict import _judge_faults, judge
from bench.errors import InputError, MeasurementError, StackError
from bench.experiment.faults import FaultsOptions, prove
from bench.experiment.faults.aims import (
    UNLIKE,
    find_aims,
    requests_sent,
    requests_through_gateway,
    speak_alike,
)
from bench.experiment.faults.diagnosis import Cause, Finding, ShownCase
from bench.experiment.faults.field import Field
from bench.experiment.faults.lateness import generator_limit
from bench.experiment.faults.load import Observed, Proving, _Watch, every_fault
from bench.experiment.faults.run import _add_clean, _judge, _try, choose
from bench.experiment.update import UpdateOptions, measure_updates
from bench.load import Progress, Target
from bench.measure import TrialPlan, load_plan
from bench.measure.topology import topology_of
from bench.message import say
from bench.preparation import make_material, prepare
from bench.report.build import write_report
from bench.result import FaultResult, FaultsResult, Reason, ReasonCode, read_result
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.stack.fake import FakeStack
from tests.experiment.test_run_flow import Diary
from tests.experiment.test_way import BACKEND
from tests.report.synthetic import make_run
from tests.support.command import run_command
from tests.support.mixed_ways import drafted_mix

QUICK = ("routes-swapped", "delivered-twice", "gateway-restarted", "ghosts")
"""One of each instrument; `egress-bench faults` has them all."""
NEVER_BALANCED = ("ghosts", "delivered-twice")
"""Every answer is right: the ids in the logs show them."""


def first_right(run, is_right, name):
    """The first load of three that comes out right: a machine that stops the gateway is noticed, too."""
    for number in range(3):
        seen = run(f"t-{name}-{number}")
        if is_right(seen):
            break
    return seen


@pytest.mark.parametrize("name", QUICK, ids=str)
@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.whole_path
def test_a_fault_is_noticed_and_named_with_its_cause(ground, generator, tmp_path, name):
    (fault,) = choose([name])
    proving = Proving(ground, tmp_path, generator.run_load)

    seen = first_right(
        lambda run: proving.run(run, fault, measure_s=fault.measure_s, arrival_rate=fault.arrival_rate),
        lambda seen: [finding.cause for finding in seen.findings][:1] == [fault.cause],
        name,
    )

    assert [finding.cause for finding in seen.findings][:1] == [fault.cause], seen.findings
    assert seen.noticed_s is not None
    assert 0 < seen.findings[0].requests < seen.requests
    assert seen.early == 0
    assert not (seen.is_balanced and name in NEVER_BALANCED)


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.whole_path
def test_a_clean_load_raises_no_alarm(ground, generator, tmp_path):
    proving = Proving(ground, tmp_path, generator.run_load)

    seen = first_right(
        lambda run: proving.run(run, None, measure_s=1.5, arrival_rate=200),
        lambda seen: not seen.findings,
        "clean",
    )

    assert seen.findings == ()
    assert seen.noticed_s is None
    assert seen.requests == 400


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.nginx
def test_the_command_reports_its_table_as_json_and_in_the_report(tmp_path):
    done = run_command("faults", "--clean", 0, "--only", "node-500", "--json", "--out", tmp_path)

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


def test_a_run_in_which_no_fault_could_be_made_is_not_a_success(tmp_path):
    verdict = judged(tmp_path, a_fault("b", impossible="no netem"))

    assert verdict.exit_code == 3
    assert "No fault could be made here: no netem" in verdict.sentence


def test_faults_of_the_network_are_for_stacks_that_have_networks(ground):
    names = {fault.name for fault in choose([], with_network=True)} - {fault.name for fault in choose([])}
    asked = choose(sorted(names))

    assert names == {"node-disconnected", "node-delayed", "node-lost"}
    assert all("--stack docker" in fault.obstacle(ground) for fault in asked)


ONE_IS_ENOUGH = {
    *("gateway-frozen", "sidecar-frozen", "node-reloaded"),
    *("ghosts", "other-ids", "both-lengths", "page-changed", "two-node-headers"),
    *("failures-hidden", "connections-closed", "connections-stale"),
    *("node-killed", "node-500", "body-truncated", "delivered-twice", "gateway-restarted"),
    *("no-client-certificate", "ca-replaced", "certificate-expired"),
}


def test_what_goes_past_the_gateway_is_no_part_of_the_load_that_faults_are_injected_into():
    loaded = load_scenario(Path("scenarios/egress-mtls"))
    v1 = loaded.scenario.traffic.requests["v1"]
    straight = v1.model_copy(update={"url": "http://nginx.external.svc.cluster.local:443/", "headers": {}})
    traffic = loaded.scenario.traffic.model_copy(update={"requests": {"straight": straight, "v1": v1}})
    scenario = loaded.scenario.model_copy(update={"traffic": traffic})
    prepared = prepare(replace(loaded, scenario=scenario))

    assert requests_through_gateway(prepared) == {"v1"}
    assert find_aims(prepared, topology_of(prepared, "eds")).first.subset == "v1"


def test_with_one_subset_all_faults_are_made_that_need_no_second_one():
    """The others say why not; a whole run with one of them is not a failure."""
    loaded = load_scenario(Path("scenarios/egress-mtls"))
    subsets = loaded.scenario.traffic.requests
    traffic = loaded.scenario.traffic.model_copy(update={"requests": {"v1": subsets["v1"]}})
    scenario = loaded.scenario.model_copy(update={"traffic": traffic})
    prepared = prepare(replace(loaded, scenario=scenario))

    topology = topology_of(prepared, "eds")
    aims = find_aims(prepared, topology)
    field = SimpleNamespace(
        aims=aims,
        parts=None,
        stack=SimpleNamespace(component=lambda _: SimpleNamespace(is_redirected=False)),
        topology=topology,
        sidecar_trees=lambda _: (),
        edit_gateway=lambda _, edit: edit({"resources": [verified(each) for each in topology.cluster_nodes]}),
    )

    assert (aims.first.subset, aims.first.node, aims.second) == ("v1", "nginx01", None)
    assert {fault.name for fault in every_fault() if fault.obstacle(field) is None} == ONE_IS_ENOUGH
    with pytest.raises(MeasurementError, match="no two subsets"):
        aims.pair()


def verified(cluster):
    """A cluster of the gateway that verifies its servers by a secret."""
    trust = {"combined_validation_context": {"validation_context_sds_secret_config": {"name": "ca"}}}
    return {"name": cluster, "transport_socket": {"typed_config": {"common_tls_context": trust}}}


def test_two_subsets_of_different_nodes_can_be_mixed_up(ground):
    """What is not divided by weights has none to swap."""
    assert (ground.aims.first.node, ground.aims.second.node) == ("nginx01", "nginx02")
    obstacles = {fault.name for fault in every_fault() if fault.obstacle(ground) is not None}
    assert obstacles == {"weights-swapped"}


def test_an_unknown_fault_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="node-killed"):
        choose(["node-kiled"])


# --- what a busy machine does, and what healing does, is not a fault's sign


LATE = "the generator was late: p99 of its lag 80 ms, limit 5 ms"
ALARM = Finding(
    Cause.WRONG_ANSWERS,
    "client",
    say(ShownCase.WRONG_ANSWERS, subset="v1", reason=Reason(ReasonCode.STATUS, "503")),
    3,
)


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
    """An observer that keeps what it is given."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_load_with_a_late_generator_that_looks_wrong_is_tried_again_and_reported():
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

    reported = generator_limit(outcome)

    assert (reported is not None) is is_late
    assert reported is None or "p99 of its own lag 80" in reported


@pytest.mark.parametrize("source", ["static", "eds", "ads"])
def test_faults_of_routing_are_injected_whatever_feeds_the_proxies_and_undone(source, material, tmp_path):
    prepared = prepare(load_scenario(Path("scenarios/egress-mtls")))
    topology = topology_of(prepared, source)
    with FakeStack(prepared.stack_spec("x", source, material), folder=tmp_path) as stack:
        field = Field(stack, Mock(), prepared, topology, Mock(), find_aims(prepared, topology), source)
        before = {name: dict(files) for name, files in stack.files.items()}

        for name in ("endpoints-swapped", "routes-swapped"):
            (fault,) = choose([name])
            fault.inject(field)
            changed = {path for path, text in stack.files["egress"].items() if before["egress"][path] != text}
            assert changed
            assert all(path.startswith("ads/") == (source == "ads") for path in changed)
            field.heal()
            assert stack.files == before


@pytest.fixture
def mixed(tmp_path):
    """A mixed scenario on a stack that has its files and no process."""
    prepared = prepare(drafted_mix(tmp_path))
    topology = topology_of(prepared, "eds")
    material = make_material(prepared.loaded, tmp_path / "material")
    stack = FakeStack(prepared.stack_spec("faults", "eds", material), folder=tmp_path / "stack")
    stack.start()
    parts = [
        SimpleNamespace(**{**vars_of(part), "config": tmp_path / "stack" / part.name / "config"})
        for part in stack.components()
    ]
    by_name = {part.name: part for part in parts}
    seen = SimpleNamespace(component=by_name.__getitem__, write_config=stack.write_config, spec=stack.spec)
    return Field(seen, Mock(), prepared, topology, material, find_aims(prepared, topology))


def vars_of(part):
    return {name: getattr(part, name) for name in ("name", "addresses")}


def test_what_is_passed_on_as_bytes_is_no_part_of_the_load(mixed):
    """TLS of clients passes the gateway, and no proxy logs a request of it."""
    assert requests_sent(mixed.prepared, mixed.topology) == {"api", "plain"}


def test_a_relay_between_the_proxies_is_at_the_gateways_listener_of_http(mixed):
    listeners = mixed.stack.component("egressgateway").addresses
    assert len(listeners) == 2

    assert mixed.entrance() == listeners["0.0.0.0", 80]


def test_no_relay_is_put_where_a_pods_connections_are_redirected(mixed):
    """They would end at the rules, whatever the relay does."""
    mixed.stack = SimpleNamespace(component=lambda _: SimpleNamespace(is_redirected=True))
    between = [fault for fault in every_fault() if fault.name in ("ghosts", "other-ids", "both-lengths")]

    assert all("are redirected" in fault.obstacle(mixed) for fault in between)


def test_a_copy_of_a_request_asks_for_the_same_name(mixed):
    """By another host the gateway would ask for another server name, and the copy would arrive nowhere."""
    schedule = Constant(arrival_rate=200)
    trial = TrialPlan("faults", "steady", config_source="eds", schedule=schedule, measure_s=3)
    mixed.load = load_plan(mixed.scenario, trial, Target(address="127.0.0.1", port=80, host="h"), "r")

    next(fault for fault in every_fault() if fault.name == "delivered-twice").inject(mixed)

    root = mixed.stack.component("egressgateway").config
    (routes,) = (root / "xds").glob("rds*/*.yaml")
    policies = re.findall(r"request_mirror_policies:\n( +- .*\n(?: +[a-z_]+: .*\n)*)", routes.read_text())
    assert policies
    assert all("disable_shadow_host_suffix_append: true" in each for each in policies)


def test_a_warning_says_which_requests_no_fault_is_aimed_at(tmp_path):
    options = FaultsOptions(out=tmp_path / "out", command="", backend=BACKEND)

    with pytest.raises(StackError):
        prove(drafted_mix(tmp_path), options, Diary())

    (folder,) = (tmp_path / "out").iterdir()
    (warning,) = read_result(folder).warnings
    assert warning.code == "left-out-of-faults"
    assert all(name in warning.message for name in ("direct", "sni", "db"))


def test_the_two_aims_speak_the_same_where_two_such_are_there(tmp_path):
    """Plain HTTP led to a node of TLS would be an error of its own."""
    mixed = prepare(drafted_mix(tmp_path))
    topology = topology_of(mixed, "eds")
    unlike = find_aims(mixed, topology)
    assert (unlike.first.subset, unlike.second.subset) == ("api", "plain")
    assert not speak_alike(mixed, unlike.first, unlike.second)

    # Both of plain text, as it were: then they are alike.
    nodes = dict(mixed.loaded.scenario.nodes)
    nodes["api"] = nodes["api"].model_copy(update={"tls": "none"})
    scenario = mixed.loaded.scenario.model_copy(update={"nodes": nodes})
    same = replace(mixed, loaded=replace(mixed.loaded, scenario=scenario))
    assert speak_alike(same, unlike.first, unlike.second)


@pytest.mark.parametrize("name", ["egress-mtls", "many-hosts"])
def test_the_aims_of_shipped_scenarios_speak_the_same(name):
    prepared = prepare(load_scenario(Path("scenarios") / name))
    aims = find_aims(prepared, topology_of(prepared, "eds"))

    assert aims.second is not None
    assert speak_alike(prepared, aims.first, aims.second)


def test_nodes_with_names_of_their_own_are_not_given_each_others_requests():
    prepared = prepare(load_scenario(Path("scenarios/tls-simple")))
    topology = topology_of(prepared, "eds")
    field = SimpleNamespace(prepared=prepared, aims=find_aims(prepared, topology), topology=topology)

    swaps = [fault for fault in every_fault() if fault.name in ("endpoints-swapped", "routes-swapped")]
    assert [fault.obstacle(field) for fault in swaps] == [UNLIKE, UNLIKE]


def test_nothing_is_moved_between_nodes_that_speak_otherwise(tmp_path):
    options = UpdateOptions(out=tmp_path / "out", command="", backend=BACKEND)

    with pytest.raises(InputError, match=r"scenario\.yaml:\d+: no two subsets .* speak the same"):
        measure_updates(drafted_mix(tmp_path), options, Diary())


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.slow
@pytest.mark.whole_path
def test_a_draft_with_several_ways_out_raises_no_false_alarm(tmp_path):
    """What passes as bytes is in no log; the gateway has two listeners; a copy asks for its own name."""
    folder = drafted_mix(tmp_path).folder
    only = [word for name in ("ghosts", "delivered-twice") for word in ("--only", name)]

    done = run_command("faults", folder, "--clean", 2, *only, "--json", "--out", tmp_path / "out")

    result = json.loads(done.stdout)["result"]
    assert not result["faults"]["false_alarms"], done.stderr
    assert [each for each in result["faults"]["faults"] if not each["detected"] and not each["limited"]] == []
    assert done.returncode in (0, 3), done.stderr
