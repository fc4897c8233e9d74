"""Shares of nodes: taken from the weights, tested exactly, and a swapped canary is found."""

import shutil

import pytest

from bench.analysis.verdict import judge
from bench.measure.shares import expected_shares, judge_shares
from bench.report.terminal import summary_lines
from bench.result import read_result
from bench.scenario.load import load_scenario
from tests.report.synthetic import make_run
from tests.support.results import subset_result

SCENARIO = """
name: canary
inventory:
  semantics: current
  outbound: REGISTRY_ONLY
  proxies:
    client: {role: sidecar, namespace: default, ip: 10.0.0.5, interception: none}
    egress: {role: gateway, namespace: istio-system, labels: {istio: egress}, ip: 10.0.0.9}
  services:
  - {name: egress, namespace: istio-system, selector: {istio: egress}, ports: [{name: http2, port: 80}]}
nodes:
  stable: {plays: "192.0.2.10:443", page: stable}
  canary: {plays: "192.0.2.11:443", page: canary}
traffic:
  client: client
  gateway: egress
  url: http://api.example/
  subsets:
    api: {expect: EXPECT}
"""
ISTIO = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example]
  location: MESH_EXTERNAL
  ports:
  - {number: 80, name: http, protocol: HTTP}
  - {number: 443, name: https, protocol: HTTPS}
  resolution: STATIC
  endpoints:
  - {address: 192.0.2.10, labels: {version: stable}}
  - {address: 192.0.2.11, labels: {version: canary}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress}
spec:
  selector: {istio: egress}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example]
  gateways: [mesh, egress]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: egress.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [egress], port: 80}]
    route: ROUTE
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.example
  subsets:
  - {name: stable, labels: {version: stable}}
  - {name: canary, labels: {version: canary}}
"""
WEIGHTED = """
    - {destination: {host: api.example, subset: stable, port: {number: 443}}, weight: 90}
    - {destination: {host: api.example, subset: canary, port: {number: 443}}, weight: 10}
"""
UNWEIGHTED = "[{destination: {host: api.example, port: {number: 443}}}]"


def scenario(folder, expect, route=WEIGHTED):
    (folder / "istio").mkdir()
    (folder / "scenario.yaml").write_text(SCENARIO.replace("EXPECT", expect))
    (folder / "istio" / "all.yaml").write_text(ISTIO.replace("ROUTE", route))
    return load_scenario(folder)


def answers(**by_node):
    return subset_result("api", sum(by_node.values()), answered_by=by_node)


def test_the_weights_of_the_yaml_are_what_is_expected(tmp_path):
    (api,) = expected_shares(scenario(tmp_path, "{nodes: [stable, canary]}")).values()

    assert api.source == "istio"
    assert {nodes: float(share) for nodes, share in api.of.items()} == {("stable",): 0.9, ("canary",): 0.1}


def test_shares_of_the_scenario_come_before_the_weights_and_name_the_nodes(tmp_path):
    loaded = scenario(tmp_path, "{shares: {stable: 1, canary: 3}}")

    (api,) = expected_shares(loaded).values()

    assert loaded.scenario.traffic.requests["api"].expect.nodes == ("stable", "canary")
    assert (api.source, {nodes: float(share) for nodes, share in api.of.items()}) == (
        "scenario",
        {("stable",): 0.25, ("canary",): 0.75},
    )


def test_what_a_load_balancer_decides_is_not_expected_to_be_random(tmp_path):
    assert expected_shares(scenario(tmp_path, "{nodes: [stable, canary]}", UNWEIGHTED)) == {}


@pytest.mark.parametrize(
    ("by_node", "fits"),
    [
        ({"stable": 4_500, "canary": 500}, True),
        ({"stable": 4_420, "canary": 580}, True),
        ({"stable": 500, "canary": 4_500}, False),
        ({"stable": 4_350, "canary": 650}, False),
        ({"stable": 5_000}, False),
        ({"stable": 9, "canary": 1}, True),
    ],
)
def test_a_swapped_or_missing_canary_is_found_and_chance_is_not(tmp_path, by_node, fits):
    expected = expected_shares(scenario(tmp_path, "{nodes: [stable, canary]}"))

    (found,) = judge_shares(expected, [answers(**by_node)])

    assert found.fits is fits
    assert found.answers == sum(by_node.values())
    assert found.error_probability == 1e-6


def test_shares_that_do_not_fit_fail_a_run_that_met_all_its_limits(tmp_path):
    (tmp_path / "s").mkdir()
    expected = expected_shares(scenario(tmp_path / "s", "{nodes: [stable, canary]}"))
    result = read_result(make_run(tmp_path, rate=100, seconds=2))
    api = answers(stable=500, canary=4_500)
    swapped = result.model_copy(
        update={"totals": (api, *result.totals[-1:]), "shares": judge_shares(expected, [api])}
    )

    verdict = judge(swapped)

    assert verdict.exit_code == 1
    assert "stable gave 10.0% of 5,000, expected 90.0%" in verdict.sentence
    assert any("canary 90.0% (10.0%) ✗" in line for line in summary_lines(swapped, None))
    shutil.rmtree(tmp_path / "s")
