"""What every stack promises, asked of processes and of containers in the same words."""

import os
import signal

import pytest

from bench.errors import StackError
from bench.load import Expectation, LoadPlan, RequestKind, Stage, Target
from bench.load.run import run_load
from bench.scenario.traffic import Constant
from bench.stack.artifacts import save_config, save_logs
from bench.stack.compose.stack import ComposeStack
from bench.stack.local import LocalStack
from bench.stack.runs import find_runs
from bench.telemetry.admin import Admin
from bench.verify.callers import make_calls
from bench.verify.calls import Call
from tests.stack.egress_path import HOST, NODES, call, eds_file, egress_spec, entrance, gateway_files
from tests.support.waiting import wait_until

KINDS = (
    pytest.param("local", marks=[pytest.mark.envoy, pytest.mark.nginx]),
    pytest.param("docker", marks=pytest.mark.docker),
)


def eds_gateway(placement):
    return gateway_files(placement, eds=True)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def make_stack(kind, request, material):
    def make():
        spec = egress_spec(material.live, name=f"promises-{kind}", gateway=eds_gateway)
        if kind == "local":
            return LocalStack(spec)
        return ComposeStack(spec, images=request.getfixturevalue("images"))

    return make


@pytest.fixture(scope="module")
def either(make_stack):
    with make_stack() as running:
        yield running


def asked_from_the_pod(stack, *headers):
    ip, port = entrance(stack)
    calls = [Call(f"http://{ip}:{port}/", headers={"host": HOST, **each}) for each in headers]
    return make_calls(calls, stack.client("sidecar"))


def test_each_header_reaches_its_node_with_its_page_and_its_id_and_others_reach_none(either):
    v1, v2, capital, none = asked_from_the_pod(
        either, {"want": "v1", "x-bench-id": "run/1"}, {"want": "v2"}, {"want": "V1"}, {}
    )

    assert (v1.status, v1.headers["x-node"], v1.headers["x-bench-id"]) == (200, "nginx01", "run/1")
    assert "<h1>v1!</h1>" in v1.text
    assert (v2.status, v2.headers["x-node"]) == (200, "nginx02")
    assert [(each.status, each.headers.get("x-node")) for each in (capital, none)] == [(404, None)] * 2


def test_an_endpoint_file_moves_a_subset_without_a_restart(either):
    placement = either.placement("egress")
    assert call(either, "v1")[1]["x-node"] == "nginx01"
    try:
        either.write_config("egress", [eds_file(placement, "v1", NODES["v2"])])
        wait_until(lambda: call(either, "v1")[1]["x-node"] == "nginx02")
    finally:
        either.write_config("egress", [eds_file(placement, "v1")])
    wait_until(lambda: call(either, "v1")[1]["x-node"] == "nginx01")


def test_load_is_checked_and_counted_alike_and_the_gateway_counts_the_same(either, tmp_path):
    ip, port = entrance(either)
    plan = LoadPlan(
        run_id="promises",
        target=Target(address=ip, port=port, host=HOST),
        requests=tuple(
            RequestKind(name=want, headers=(("want", want),), expect=Expectation(nodes=(node,)))
            for want, node in (("v1", "nginx01"), ("v2", "nginx02"))
        ),
        stages=(Stage(name="main", kind="measure", duration_s=1, schedule=Constant(arrival_rate=200)),),
        require_id=True,
    )
    completed = r"^cluster\..*v1[^.]*\.upstream_rq_completed$"
    with Admin(either.component("egress").admin_url, name="egress") as admin:
        before = sum(admin.stats(completed).values())
        outcome = run_load(plan, tmp_path / "load")
        after = sum(admin.stats(completed).values())

    counts = {subset.name: subset.counts for subset in outcome.stages[0].subsets}
    assert {name: (each.due, each.answered) for name, each in counts.items()} == {
        "v1": (100, 100),
        "v2": (100, 100),
    }
    assert after - before == 100


def test_what_ran_can_be_kept_without_any_key(either, tmp_path):
    call(either, "v1")
    wait_until(lambda: either.component("nginx01").access_log.stat().st_size > 0)

    save_config(either, tmp_path / "config")
    save_logs(either, tmp_path / "logs")

    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"config/nginx01/nginx.conf", "config/egress/eds/v1.yaml", "config/sidecar/rds.yaml"} <= kept
    assert "config/egress/bootstrap.yaml" in kept
    assert {"logs/nginx01.access.log", "logs/sidecar.log"} <= kept
    assert not any("PRIVATE KEY" in (tmp_path / name).read_text() for name in kept)


def test_a_dead_part_is_named_and_the_end_leaves_nothing(make_stack, kind):
    stack = make_stack()
    with stack:
        folder = stack.folder
        (run,) = [each for each in find_runs() if each.folder == folder]
        assert run.components == tuple(stack.components())
        stack.check_alive()
        if kind == "local":
            os.kill(stack.component("egress").pid, signal.SIGKILL)
        else:
            stack.project.engine.api.kill(stack.container("egress").id)

        def is_noticed():
            try:
                stack.check_alive()
            except StackError as error:
                return "egress" in str(error)
            return False

        wait_until(is_noticed)

    assert not folder.exists()
    assert folder not in [each.folder for each in find_runs()]
