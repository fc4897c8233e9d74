"""One ground of the matrix on real Envoys and nginx, and cells that say why they have no figures."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.analysis.tls import judge_lab, lab_findings
from bench.errors import MeasurementError
from bench.experiment.handshake.lab.bench import Lab
from bench.experiment.handshake.lab.matrix import measure_ground
from bench.experiment.handshake.lab.settings import GroundPlan, LabOptions, Schedule
from bench.experiment.instruments import REAL, one_generator
from bench.measure import RunRecord
from bench.result import Fingerprint, TlsLab
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.backend import local_backend
from bench.telemetry import OpensslSpeed

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.nginx]
BRIEF = Schedule(
    rounds=2,
    most_rounds=2,
    ground_s=60,
    window_s=0.3,
    shots=8,
    session_s=1,
    pool_s=1,
    storm_s=1,
    mesh_pairs=1,
)
PLAN = GroundPlan("ecdsa-p256", "TLSv1.3", client_certificate=True)


class Silent:
    def __getattr__(self, _name):
        return lambda *_arguments: None


@pytest.fixture
def lab(tmp_path):
    loaded = override(load_scenario(Path("scenarios/egress-mtls")), key="ecdsa-p256")
    fingerprint = Fingerprint(machine={}, versions={}, scenario_hash="", config_hashes={}, stack="local")
    record = RunRecord.open(
        loaded, out=tmp_path, command="x", fingerprint=fingerprint, started_at=datetime.now(UTC)
    )
    options = LabOptions(out=tmp_path, command="x", backend=local_backend())
    with one_generator(REAL, tmp_path / "generator") as tools:
        yield Lab(loaded, options, record, Silent(), tools)


def test_a_ground_brings_two_cells_with_every_figure(lab):
    with lab.context(lab.loaded) as run:
        found = measure_ground(run, PLAN, BRIEF, speed_of=lambda _key: OpensslSpeed(0.1, 0.1))

    full, resumed = found.cells
    assert (full.kind, resumed.kind) == ("full", "resumed")
    for cell in found.cells:
        assert cell.fault is None
        assert cell.connections > 20
        assert cell.handshake_us.value < cell.connection_us.value
        assert cell.gateway_cpu_us is not None
        assert cell.node_cpu_us is not None
        assert (cell.curve, cell.cipher) == ("X25519", "TLS_AES_128_GCM_SHA256")
        assert cell.signature == "ecdsa_secp256r1_sha256"
        assert {each.clock for each in cell.clocks} == {"envoy", "direct", "cpu"}
    assert full.of_other_kind == 0
    # A resumed handshake sends no certificate in either direction.
    assert resumed.bytes_received < full.bytes_received
    assert found.speed.runs == 3, "before the rounds, and after both"
    assert found.misrouted == 0


def test_a_ground_that_cannot_run_says_why_in_its_cells(lab, monkeypatch):
    def refuse(*_arguments):
        raise MeasurementError("no port is free.")

    with lab.context(lab.loaded) as run:
        monkeypatch.setattr(type(run), "start_stack", refuse)
        found = measure_ground(run, PLAN, BRIEF)

    assert [cell.fault for cell in found.cells] == ["no port is free."] * 2
    assert found.model is None


def test_ends_that_have_nothing_in_common_are_named_and_measured_once(lab):
    """Envoy offers X25519 and P-256: under TLS 1.2 it cannot take a certificate on another curve."""
    plan = GroundPlan("ecdsa-p384", "TLSv1.2", client_certificate=True)
    lab_of_p384 = replace(lab, loaded=override(lab.loaded, key=plan.key))
    with lab_of_p384.context(lab_of_p384.loaded) as run:
        found = measure_ground(run, plan, BRIEF, speed_of=lambda _key: OpensslSpeed(0.1, 0.1))

    assert [cell.refusal for cell in found.cells] == ["alert-handshake-failure"] * 2
    assert [cell.fault for cell in found.cells] == [None] * 2
    assert {cell.gateway_cpu_us for cell in found.cells} == {None}
    assert found.speed.runs == 1, "a second round would find the same"
    fine, sentence = judge_lab(TlsLab(is_full=False, cells=found.cells))
    assert fine
    assert sentence.startswith("0 of 2 cells measured (2 cannot shake hands)")
    assert {each.code for each in lab_findings(TlsLab(is_full=False, cells=found.cells))} == {"cell-refused"}
