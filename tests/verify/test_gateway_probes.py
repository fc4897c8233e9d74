"""Which scenarios have controls of the gateway's end of TLS."""

from pathlib import Path

import pytest

from bench.preparation import prepare
from bench.scenario.load import load_scenario
from bench.verify.verifier import Verifier


@pytest.mark.parametrize(
    ("folder", "has"),
    [
        ("scenarios/egress-mtls", True),
        ("scenarios/tls-simple", True),
        # Its clients reach the nodes by themselves, in plain text or by TLS of their own.
        ("tests/measure/any_shape", False),
    ],
)
def test_only_those_whose_gateway_or_sidecar_starts_tls_have_any(folder, has):
    verifier = Verifier(prepare(load_scenario(Path(folder))), material=None)

    assert verifier.has_gateway_probes() is has
