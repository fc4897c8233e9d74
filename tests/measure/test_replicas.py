"""Several gateways behind one Service: every one carries its part, and the account of all balances."""

import shutil
from pathlib import Path

import pytest
import yaml

from bench.analysis.capacity import replica_shares
from bench.errors import InputError
from bench.load.run import LoadGenerator
from bench.measure import (
    Bookkeeper,
    Ground,
    Meter,
    TrialPlan,
    load_plan,
    require_matchable,
    run_trial,
    stack_target,
    topology_of,
)
from bench.preparation import make_material, prepare
from bench.result import CapacityWindow
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.local import LocalFaults, LocalStack


def load_with(folder, replicas, **more):
    """The walkthrough with this many gateways."""
    shutil.copytree("scenarios/egress-mtls", folder)
    path = Path(folder) / "scenario.yaml"
    document = yaml.safe_load(path.read_text())
    document["inventory"]["proxies"]["egress"] |= {"replicas": replicas, **more}
    document["tls"]["key"] = "ecdsa-p256"
    path.write_text(yaml.safe_dump(document))
    return load_scenario(Path(folder))


def test_replicas_are_further_proxies_with_the_next_free_addresses(tmp_path):
    loaded = load_with(tmp_path / "s", 3)

    proxies = loaded.scenario.inventory.proxies
    again = override(loaded, rate=7)

    assert {name: proxy.ip for name, proxy in proxies.items()} == {
        "egress": "10.233.64.9",
        "sleep": "10.233.64.5",
        "egress-2": "10.233.64.10",
        "egress-3": "10.233.64.11",
    }
    assert loaded.scenario.inventory.replicas_of("egress") == ("egress", "egress-2", "egress-3")
    assert list(again.scenario.inventory.proxies) == list(proxies)


def test_the_sidecars_cluster_leads_to_every_replica(tmp_path):
    prepared = prepare(load_with(tmp_path / "s", 2))

    topology = topology_of(prepared, "static")
    sidecar = prepared.configs["sleep", "static"]
    (to_gateway,) = topology.to_gateway
    (cluster,) = (each for each in sidecar.clusters if each.name == to_gateway)
    addresses = {
        entry.endpoint.address.socket_address.address
        for group in cluster.load_assignment.endpoints
        for entry in group.lb_endpoints
    }

    assert topology.gateways == ("egress", "egress-2")
    assert addresses == {"10.233.64.9", "10.233.64.10"}


@pytest.mark.parametrize(("replicas", "named"), [(0, "must be at least 1"), (99, "must be at most 32")])
def test_a_number_of_replicas_that_is_none_is_refused_with_its_line(tmp_path, replicas, named):
    with pytest.raises(InputError, match=named):
        load_with(tmp_path / "s", replicas)


def test_a_sidecar_has_no_replicas(tmp_path):
    with pytest.raises(InputError, match="replicas are of a gateway"):
        load_with(tmp_path / "s", 2, role="sidecar")


def test_ids_are_matched_along_several_gateways(tmp_path):
    require_matchable(load_with(tmp_path / "s", 2).scenario.traffic)


@pytest.mark.envoy
@pytest.mark.nginx
def test_two_gateways_share_the_load_the_books_balance_and_one_goes_on_alone(tmp_path):
    loaded = load_with(tmp_path / "s", 2)
    prepared = prepare(loaded)
    material = make_material(loaded, tmp_path / "material")
    topology = topology_of(prepared, "static")
    with (
        LocalStack(prepared.stack_spec("replicas", "static", material)) as stack,
        LoadGenerator(tmp_path / "generator") as generator,
        Meter(stack, "egress") as meter,
    ):
        ground = Ground({"static": stack}, "static", meter, Bookkeeper(stack, topology))
        plan = TrialPlan("two", "steady", "static", Constant(arrival_rate=150), 1.0)
        before = meter.read()
        both = run_trial(
            ground, loaded.scenario, plan, run_id="t.0", folder=tmp_path / "0", run_load=generator.run_load
        )
        sent = before.shares_until(meter.read())
        LocalFaults(stack).kill("egress-2")
        alone = generator.run_load(
            _as_load(stack, loaded, plan), tmp_path / "1", launcher=stack.client("sleep")
        )

    counts = both.result.total
    assert both.failure is None
    assert all(book.state == "balanced" for book in both.result.ledger.books), both.result.ledger
    assert sum(sent.values()) == sum(stage.total.sent for stage in both.result.stages)
    assert set(sent) == {"egress", "egress-2"}
    assert min(sent.values()) > 0
    assert both.result.ledger.at_gateways == sent
    assert counts.misrouted == counts.failed == 0
    shares = replica_shares([a_window(sent)])
    assert all(each.low < each.share < each.high for each in shares)
    assert sum(each.share for each in shares) == pytest.approx(1.0)
    # The first request to the dead one may fail; the sidecar then finds the other.
    answered = [subset.counts.answered for stage in alone.stages for subset in stage.subsets]
    assert sum(answered) > 0


def a_window(sent):
    return CapacityWindow(
        rate=150, duration_s=1, sent=sum(sent.values()), costs=(), generator_share=0.1, replica_requests=sent
    )


def _as_load(stack, loaded, plan):
    return load_plan(loaded.scenario, plan, stack_target(stack, loaded.scenario), "t.1")
