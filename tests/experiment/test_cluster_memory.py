"""The memory of one cluster, weighed on real gateways with more and more copies of their own."""

from bench.experiment.capacity.memory import measure_cluster_memory
from bench.preparation import Variation, make_material, prepare
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.local import LocalStack
from bench.telemetry import Admin


def test_each_copy_is_a_cluster_of_the_gateway_and_takes_memory(pytestconfig, tmp_path):
    loaded = override(load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls"), key="ecdsa-p256")
    prepared = prepare(loaded)
    material = make_material(loaded, tmp_path / "material")
    own = len(prepared.configs["egress", "static"].clusters)
    counted = []

    def stacks():
        for more in (0, 60, 180):
            spec = prepared.stack_spec("copies", "static", material, Variation(more_clusters=more))
            with LocalStack(spec) as stack:
                with Admin(stack.component("egress").admin_url, name="egress") as admin:
                    counted.append(
                        admin.stats("cluster_manager.active_clusters")["cluster_manager.active_clusters"]
                    )
                yield own + more, stack

    model = measure_cluster_memory(stacks(), "egress")

    assert [count - counted[0] for count in counted] == [0, 60, 180]
    assert (model.each, model.least, model.most) == ("cluster", own, own + 180)
    # A cluster with endpoints, TLS settings and its statistics is neither free nor megabytes large.
    assert 4_000 < model.bytes_for_each < 400_000
    assert model.resident_bytes > model.base_bytes
