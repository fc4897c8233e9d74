"""Blocks are interleaved so that neither place nor drift favours a side."""

from bench.experiment.steady.plans import steady_plans
from bench.scenario.load import load_scenario

SHIPPED = "scenarios/egress-mtls"


def test_the_order_of_the_sources_turns_with_each_block(pytestconfig):
    traffic = load_scenario(pytestconfig.rootpath / SHIPPED).scenario.traffic

    sources = [plan.config_source for _, plan in steady_plans(traffic, ("static", "eds"))]

    assert sources[:4] == ["static", "eds", "eds", "static"]
    assert sources.count("static") == sources.count("eds") == traffic.blocks


def test_trial_names_are_unique(pytestconfig):
    traffic = load_scenario(pytestconfig.rootpath / SHIPPED).scenario.traffic

    names = [plan.name for _, plan in steady_plans(traffic, ("static", "eds"))]

    assert len(set(names)) == len(names)
