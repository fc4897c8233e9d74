"""What the lab concludes from counts and logs, and the paths that it makes; no process runs here."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from bench.analysis.tls import HandshakeWindow
from bench.cli.handshakes import LabPart
from bench.errors import InputError
from bench.experiment.handshake.lab import matrix
from bench.experiment.handshake.lab.agreed import most_agreed
from bench.experiment.handshake.lab.bench import Lab
from bench.experiment.handshake.lab.flow import PARTS_OF, time_for_next
from bench.experiment.handshake.lab.ground import MODES, Collected
from bench.experiment.handshake.lab.matrix import loads_of
from bench.experiment.handshake.lab.mesh import compare_hops
from bench.experiment.handshake.lab.paths import LabPath, write_path
from bench.experiment.handshake.lab.pools import MIXES, timing
from bench.experiment.handshake.lab.refusals import CASES, causes_of, judge_case
from bench.experiment.handshake.lab.sessions import FULL_CASES, QUICK_CASES, SessionCase
from bench.experiment.handshake.lab.settings import FULL, PARTS, GroundPlan, LabOptions
from bench.experiment.handshake.lab.windows import Window
from bench.preparation import prepare
from bench.result import Counts
from bench.scenario.load import load_scenario
from bench.telemetry import ConnectionEntry, OpensslSpeed


def entry(**changed):
    given = dict.fromkeys(ConnectionEntry._fields)
    return ConnectionEntry(**(given | {"time_us": 1, "status": 503, "flags": ("UF",)} | changed))


def window(**changed):
    given = {
        "seconds": 1.0,
        "requests": 30,
        "connections": 30,
        "ended": 30,
        "handshakes": 30,
        "resumed": 0,
        "cpu_s": {},
    }
    return Window(**(given | changed))


def done(*, answered=0, failed=42, unsent=0, due=42, **changed):
    counts = Counts(due=due, sent=due - unsent, answered=answered, unsent=unsent, failed=failed, misrouted=0)
    stage = SimpleNamespace(subsets=(SimpleNamespace(counts=counts),))
    return SimpleNamespace(outcome=SimpleNamespace(stages=(stage,)), windows=(window(**changed),))


def case(expected):
    return next(each for each in CASES if each.expected == expected)


def test_causes_are_read_from_numbers_and_statuses():
    found = causes_of(
        [
            entry(failure="TLS_error:|268436526:words"),
            entry(failure="words without a number"),
            entry(status=400, flags=()),
            entry(status=200, flags=()),
        ]
    )

    assert found == {
        "alert-protocol-version": 1,
        "connection-failed": 1,
        "client-certificate-refused": 1,
    }


def test_a_case_is_named_where_the_reason_is_the_one_provoked():
    found = judge_case(case("alert-protocol-version"), done(), {"alert-protocol-version": 42})

    assert found.named
    assert (found.requests, found.answered, found.failed, found.unsent) == (42, 0, 42, 0)


@pytest.mark.parametrize(
    ("made", "causes"),
    [
        (done(), {"alert-handshake-failure": 42}),
        (done(), {"alert-protocol-version": 40, "connection-failed": 2}),
        (done(answered=2, failed=40), {"alert-protocol-version": 40}),
        (done(failed=40), {"alert-protocol-version": 40}),
    ],
    ids=["another reason", "two reasons", "some were answered", "two requests lost"],
)
def test_a_case_is_not_named_by(made, causes):
    assert not judge_case(case("alert-protocol-version"), made, causes).named


def test_a_node_without_tickets_answers_and_resumes_nothing():
    assert judge_case(case("no-session"), done(answered=42, failed=0), {}).named
    assert not judge_case(case("no-session"), done(answered=42, failed=0, resumed=3), {}).named


def test_a_certificate_that_expires_in_mid_run_lets_some_through():
    expired = {"certificate-verify-failed": 22}

    assert judge_case(case("certificate-verify-failed"), done(answered=20, failed=22), expired).named
    assert not judge_case(case("certificate-verify-failed"), done(), expired).named


def test_what_was_agreed_is_the_most_frequent_over_all_clusters():
    found = most_agreed(
        {
            "cluster.outbound|443||a.example.org.ssl.sigalgs.rsa_pss_rsae_sha256": 2,
            "cluster.outbound|443||b.example.org.ssl.sigalgs.rsa_pss_rsae_sha256": 3,
            "cluster.outbound|443||b.example.org.ssl.sigalgs.ecdsa_secp256r1_sha256": 4,
            "cluster.outbound|443||b.example.org.ssl.versions.TLSv1.3": 9,
            "cluster.outbound|443||b.example.org.ssl.ciphers.TLS_AES_128_GCM_SHA256": 0,
        }
    )

    assert (found.signature, found.version) == ("rsa_pss_rsae_sha256", "TLSv1.3")
    assert (found.cipher, found.curve) == (None, None)


def test_full_handshakes_are_those_that_resumed_nothing():
    found = window(handshakes=10, resumed=4, cpu_s={"gateway": 0.2, "node": 0.1})

    assert found.full == 6
    assert found.of("gateway") == HandshakeWindow(requests=30, full=6, resumed=4, cpu_s=0.2)


@pytest.mark.parametrize(
    ("sign_us", "modes"),
    [(40, [MODES]), (5_500, [("kept", "full"), ("kept", "resumed")])],
    ids=["P-256", "RSA-4096"],
)
def test_resumed_handshakes_have_a_load_of_their_own_where_full_ones_are_dear(sign_us, modes):
    loads = loads_of([OpensslSpeed(sign_us, 80)])

    assert [each.modes for each in loads] == modes
    assert loads[0].rate * (sign_us + 160) / 1e6 <= 0.5, "half a core for signatures"
    assert loads[-1].rate == 240


def test_later_rounds_have_the_loads_whose_kinds_are_not_known_well_enough(monkeypatch):
    def a_round(full_us):
        kept = window(requests=40, handshakes=0, cpu_s=dict.fromkeys(("sidecar", "gateway", "node"), 0.01))
        made = {"full": (full_us, 0), "resumed": (500, 40)}
        return tuple(
            {
                "kept": kept,
                kind: window(
                    requests=40,
                    handshakes=40,
                    resumed=resumed,
                    cpu_s={"sidecar": 0.01, "gateway": 0.01 + us * 4e-5, "node": 0.01 + us * 4e-5},
                ),
            }
            for kind, (us, resumed) in made.items()
        )

    collected = Collected()
    costs = iter([7000, 9000, 7000, 8000])
    seen = []

    def measure(_ground, _schedule, number, loads, found):
        seen.append((number, [each.modes[1] for each in loads]))
        both = a_round(next(costs))
        found.rounds += [tuple(both[0 if each.modes[1] == "full" else 1] for each in loads)] * 3

    monkeypatch.setattr(matrix, "_round", measure)
    instruments = SimpleNamespace(clock=lambda: 0.0)
    run = SimpleNamespace(instruments=instruments, observer=Mock())
    ground = matrix.Ground(run, GroundPlan("rsa-4096", "TLSv1.3", client_certificate=True), {}, {})
    schedule = replace(FULL, most_rounds=4)

    matrix._rounds(
        ground, schedule, matrix._Until(None, 1.0), lambda _key: OpensslSpeed(5_500, 80), collected
    )

    assert Collected().imprecise == {"full", "resumed"}
    assert collected.imprecise == {"full"}
    assert seen == [(0, ["full", "resumed"]), (1, ["full", "resumed"]), (2, ["full"]), (3, ["full"])]


@pytest.mark.parametrize(
    ("left", "grounds", "most"),
    [(800, 16, 60), (50, 1, 50), (0, 3, 0)],
    ids=["early", "the last", "none left"],
)
def test_a_ground_may_take_somewhat_more_than_its_share_and_no_more_than_is_left(left, grounds, most):
    assert time_for_next(left, grounds) == most


def test_a_cost_rests_on_the_windows_of_its_own_load():
    def a_load(kind, requests, request_us, handshake_us):
        def at(mode, made):
            cpu = (requests * request_us + made * handshake_us) / 1e6
            counted = {"handshakes": made, "resumed": made if mode == "resumed" else 0}
            sidecar = requests * request_us / 2e6
            return window(requests=requests, cpu_s={"sidecar": sidecar, "gateway": cpu}, **counted)

        return {"kept": at("kept", 0), kind: at(kind, requests)}

    dear, cheap = a_load("full", 40, 900, 7000), a_load("resumed", 160, 600, 500)
    collected = Collected(rounds=[(dear, cheap)] * 3)

    costs = collected.fit("gateway")

    assert {kind: each.value for kind, each in costs.items()} == pytest.approx({"full": 7000, "resumed": 500})
    assert [len(collected.of(mode)) for mode in MODES] == [6, 3, 3]
    assert collected.pace_us == pytest.approx((2 * 40 * 450 + 2 * 160 * 300) / 400)


def test_the_first_hop_is_compared_pair_by_pair():
    def hop(sidecar):
        return window(requests=100, cpu_s={"sidecar": sidecar, "gateway": 0.01, "node": 0.01})

    cost = compare_hops([hop(0.010), hop(0.020), hop(0.030)], [hop(0.011), hop(0.021), hop(0.031)])

    # The machine got slower by three, and each pair differs by 10 µs a request.
    assert cost.sidecar_adds_us.value == pytest.approx(10)
    assert cost.sidecar_adds_us.high - cost.sidecar_adds_us.low < 0.01
    assert cost.gateway_adds_us.value == 0


@pytest.mark.parametrize(
    "path",
    [
        LabPath(),
        LabPath(nodes=4, per_subset=True),
        LabPath(requests_per_connection=7, idle_timeout_s=0.25, http2=True),
    ],
    ids=["one cluster", "by subset", "tight pools"],
)
def test_a_path_of_the_labs_own_is_translated_like_a_users(tmp_path, path):
    loaded = write_path(tmp_path / "path", path)
    prepared = prepare(loaded)

    clusters = {each.name for each in prepared.configs["egress", "static"].clusters}
    assert len(loaded.scenario.nodes) == path.nodes
    assert prepared.missing_stand_ins == ()
    for number in range(1, path.nodes + 1):
        subset = f"v{number}" if path.per_subset else ""
        assert f"outbound|443|{subset}|lab.example.org" in clusters


def test_cases_have_names_of_their_own_and_ten_mixes_try_the_law():
    for cases in (QUICK_CASES, FULL_CASES):
        names = [each.name for each in cases]
        assert len(names) == len(set(names))
    assert len(MIXES) == len(set(MIXES)) == 10
    assert {each.max_session_keys for each in FULL_CASES} == {0, 1, 8, 64}
    assert {each.path.nodes for each in FULL_CASES} == {2, 3, 4}


def test_a_window_brings_many_handshakes_and_begins_when_the_first_connections_are_used_up():
    rarely = timing(600, LabPath(nodes=1, requests_per_connection=100), 3)
    often, forever = timing(150, LabPath(requests_per_connection=1), 3), timing(200, LabPath(), 3)

    ([window], warm_up_s) = rarely
    assert window.rate * window.seconds / 100 == pytest.approx(60)
    assert warm_up_s * 600 / 100 == pytest.approx(12)
    assert [each.seconds for steps, _ in (often, forever) for each in steps] == [3, 3]


def test_a_case_says_how_its_nodes_keep_sessions():
    assert SessionCase(shared_keys=True).node_tls.ticket_key is not None
    assert (SessionCase(by="ids").node_tls.tickets, SessionCase(by="ids").node_tls.session_cache) == (
        False,
        True,
    )
    assert not SessionCase(by="none").node_tls.session_cache


def options(tmp_path, **changed):
    return LabOptions(out=tmp_path, command="x", backend=None, **changed)


def test_a_quick_look_takes_the_scenarios_own_key_and_p256(tmp_path):
    found = options(tmp_path).grounds("rsa-4096")

    assert {each.key for each in found} == {"rsa-4096", "ecdsa-p256"}
    assert {each.tls_version for each in found} == {"TLSv1.2", "TLSv1.3"}
    assert all(each.client_certificate for each in found)


def test_the_whole_matrix_has_sixteen_grounds_of_two_cells(tmp_path):
    found = options(tmp_path, is_full=True).grounds("ecdsa-p256")

    assert len(found) == len({each.name for each in found}) == 16


def test_one_round_holds_no_interval(tmp_path):
    with pytest.raises(InputError, match="--rounds is 1"):
        options(tmp_path, rounds=1)


def test_every_part_can_be_chosen():
    assert tuple(PARTS_OF) == PARTS
    assert tuple(each.value for each in LabPart) == PARTS


@pytest.mark.parametrize(
    ("source", "of_changes"), [("static", "eds"), ("eds", "eds"), ("ads", "ads"), ("ads-delta", "ads-delta")]
)
def test_every_part_of_the_lab_runs_with_the_config_source_that_is_asked_for(source, of_changes, tmp_path):
    options = LabOptions(tmp_path, "handshake", Mock(), config_source=source)
    assert options.source_of_changes == of_changes
    lab = Lab(load_scenario(Path("scenarios/egress-mtls")), options, Mock(), Mock(), Mock())
    with lab.context(lab.loaded) as run:
        assert run.options.other_source == source
