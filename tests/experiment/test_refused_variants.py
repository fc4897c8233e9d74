"""What Envoy refuses: its reason and the line of YAML are shown, and what ran before goes on."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from bench.errors import StackError
from bench.experiment.compare import CompareOptions, compare, parse_variant
from bench.experiment.instruments import REAL
from bench.experiment.update.writing import GatewayWriter
from bench.preparation import Variation, prepare
from bench.scenario.load import load_scenario
from bench.stack.backend import local_backend
from bench.stack.local import LocalStack
from bench.telemetry import Admin
from bench.translate import CONFIG_SOURCES

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]

POLICY = "  trafficPolicy:\n"
REFUSED = "    loadBalancer: {consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 9000000}}}\n"
"""Istio accepts it; Envoy's own limit is 8,388,608."""
WHY = "MinimumRingSize: value must be less than or equal to 8388608"


@pytest.fixture
def refused(short):
    """The Istio YAML of the short scenario, with a rule that Envoy refuses."""
    path = short / "istio" / "destination-rule.yaml"
    before = path.read_text()
    path.write_text(before.replace(POLICY, POLICY + REFUSED))
    assert path.read_text() != before
    return path


def test_a_variant_that_envoy_refuses_ends_the_comparison_with_its_reason_and_its_line(
    refused, tmp_path, pytestconfig
):
    loaded = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")
    variants = [
        parse_variant(name, ["key=ecdsa-p256", *more], loaded, lambda *_: local_backend())
        for name, more in (("A", []), ("B", [f"istio={refused.parent}"]))
    ]
    instruments = replace(REAL, write_report=lambda folder: folder)

    with pytest.raises(StackError) as caught:
        compare(variants, CompareOptions(tmp_path, ""), Mock(), instruments=instruments)

    line = refused.read_text().splitlines().index(REFUSED.rstrip("\n"))
    assert str(caught.value.where) == f"{refused}:{line}", "of the trafficPolicy"
    assert WHY in caught.value.what
    assert "goo.gle" not in caught.value.what
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", CONFIG_SOURCES)
def test_a_refused_change_is_named_with_its_line_and_the_old_configuration_goes_on(
    source, short, refused, material
):
    before, after = prepare(load_scenario(Path("scenarios/egress-mtls"))), prepare(load_scenario(short))
    wrong = after.configs["egress", source]
    with LocalStack(before.stack_spec(source, source, material)) as stack:
        gateway = stack.component("egress")
        with Admin(gateway.admin_url, name="egress") as admin:
            writer = GatewayWriter(stack, "egress", before.renderer("egress", Variation()), admin, wrong)
            writer.remember(before.configs["egress", source])
            told = writer.write(wrong)
        answers = [ask(stack, want) for want in ("v1", "v2")]
        stack.check_alive()

    assert told.accepted_us is None
    assert WHY in told.refused
    assert f"({refused}:" in told.refused
    assert answers == [200, 200]


def ask(stack, want):
    host, port = stack.component("sleep").addresses["0.0.0.0", 80]
    headers = {"Host": "nginx.external.svc.cluster.local", "want": want}
    return httpx.get(f"http://{host}:{port}/", headers=headers).status_code
