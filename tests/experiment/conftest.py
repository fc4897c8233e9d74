"""A scenario that runs in seconds: the walkthrough with short trials and cheap keys."""

import shutil
from pathlib import Path

import pytest

from bench.experiment.faults.field import Field, find_pair
from bench.measure.request_matching import SIDECAR_LOG
from bench.measure.topology import topology_of
from bench.preparation import Variation, make_material, prepare
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.local import LocalFaults, LocalStack
from bench.telemetry.handshake import GATEWAY_FIELDS

SHORT = {
    "key: rsa-4096": "key: ecdsa-p256",
    "arrival_rate: 500": "arrival_rate: 100",
    "warm_up_s: 1": "warm_up_s: 0.5",
    "measure_s: 5": "measure_s: 1.5",
    "blocks: 6": "blocks: 1",
    "measure_s: 13": "measure_s: 2",
    # Two busy cores must not fail a test of correctness.
    "response_time_p99_ms: 50": "response_time_p50_ms: 1000",
}


@pytest.fixture(scope="module")
def ground(pytestconfig, tmp_path_factory):
    """The walkthrough's stack with EDS and with every access log, open to faults; healed after each test."""
    shipped = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")
    loaded = override(shipped, rate=None, measure_s=None, blocks=None, workers=None, key="ecdsa-p256")
    prepared = prepare(loaded)
    material = make_material(loaded, tmp_path_factory.mktemp("keys") / "material")
    logs = {**GATEWAY_FIELDS, "at": SIDECAR_LOG["at"]}
    topology = topology_of(prepared, "eds")
    spec = prepared.stack_spec("ground", "eds", material, Variation(access_log=logs, sidecar_access_log=logs))
    with LocalStack(spec) as stack:
        pair = find_pair(loaded.scenario, topology)
        yield Field(stack, LocalFaults(stack), loaded.scenario, topology, material, pair)


@pytest.fixture
def short(tmp_path):
    """The folder of the short scenario."""
    folder = Path(shutil.copytree("scenarios/egress-mtls", tmp_path / "short"))
    path = folder / "scenario.yaml"
    text = path.read_text()
    for old, new in SHORT.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)
    return folder
