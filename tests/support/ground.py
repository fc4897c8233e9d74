"""A stack that is open to faults, for the rooms whose tests need one real path."""

import pytest

from bench.experiment.faults.aims import find_aims
from bench.experiment.faults.field import Field
from bench.load.run import LoadGenerator
from bench.measure.request_matching import SIDECAR_LOG
from bench.measure.topology import topology_of
from bench.preparation import Variation, make_material, prepare
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.local import LocalFaults, LocalStack
from bench.telemetry.handshake import GATEWAY_FIELDS


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
        aims = find_aims(prepared, topology)
        yield Field(stack, LocalFaults(stack), prepared, topology, material, aims)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """Locust processes for all loads of a module."""
    with LoadGenerator(tmp_path_factory.mktemp("generator") / "generator") as running:
        yield running
