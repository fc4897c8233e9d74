"""A real path fed by the control plane, held against Envoy's own counters and dump."""

import json
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from bench.placement import ConfigFile
from bench.preparation import prepare
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack
from bench.stack.runs import CONTROL_PLANE, RunFolder, find_runs
from tests.stack.control.raw import TYPES
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]

HOST = "nginx.external.svc.cluster.local"
V1 = f"outbound|443|v1|{HOST}"


@pytest.fixture(scope="module", params=["ads", "ads-delta"])
def stack(request, material):
    """The shipped scenario; its certificates are the session's."""
    prepared = prepare(load_scenario(Path("scenarios/egress-mtls")))
    spec = prepared.stack_spec(request.param, request.param, material)
    with LocalStack(spec) as running:
        yield running


def admin(stack, path):
    url = stack.component("egress").admin_url
    with httpx.Client(transport=httpx.HTTPTransport(uds=url.removeprefix("unix://"), verify=False)) as client:
        return client.get(f"http://envoy{path}").json()


def counters(stack, pattern):
    found = admin(stack, f"/stats?format=json&filter={pattern}")["stats"]
    return {each["name"]: each["value"] for each in found if "name" in each}


def dumped_clusters(stack):
    section = admin(stack, "/config_dump?resource=dynamic_active_clusters")
    return {each["cluster"]["name"]: each for each in section["configs"]}


def call(stack, want):
    connection = HTTPConnection(*stack.component("sleep").addresses["0.0.0.0", 80], timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": HOST, "want": want})
        answer = connection.getresponse()
        return answer.status, f"<h1>{want}!</h1>" in answer.read().decode()
    finally:
        connection.close()


def served(stack, kind):
    text = (stack.component("egress").config / "ads" / f"{kind}.json").read_text()
    return json.loads(text)["resources"]


def write(stack, kind, resources):
    """As an experiment does: the file by rename, then the proxy."""
    body = ",\n".join(json.dumps(each) for each in resources)
    stack.write_config("egress", [ConfigFile(f"ads/{kind}.json", f'{{"resources": [\n{body}\n]}}\n')])


def newest(stack, what, kind):
    found = [
        each
        for each in stack.control_plane().state().events
        if (each["what"], each["proxy"], each["type_url"]) == (what, "egress", TYPES[kind])
    ]
    return found[-1] if found else None


def test_the_path_serves_and_envoy_has_what_was_sent(stack):
    """Clusters by name with the version that the control plane sent; every update accepted."""
    assert [call(stack, want) for want in ("v1", "v2")] == [(200, True), (200, True)]
    dumped = dumped_clusters(stack)
    assert dumped.keys() == {each["name"] for each in served(stack, "clusters")}
    counted = counters(stack, "control_plane|update_rejected|update_failure")
    assert counted["control_plane.connected_state"] == 1
    assert not any(value for name, value in counted.items() if "update" in name)
    [node] = [each["node"] for each in stack.control_plane().state().streams if each["proxy"] == "egress"]
    assert node["metadata"]["CONFIG_SOURCE"] == stack.spec.name


def test_a_refused_update_is_seen_with_envoys_reason_and_the_old_one_goes_on(stack):
    """NACK."""
    good = served(stack, "clusters")
    bad = [each | ({"eds_cluster_config": {}} if each["name"] == V1 else {}) for each in good]
    before = newest(stack, "nack", "clusters")
    write(stack, "clusters", bad)
    wait_until(lambda: newest(stack, "nack", "clusters") != before)
    refused = newest(stack, "nack", "clusters")
    assert V1 in refused["reason"]
    assert V1 in refused["names"]
    assert counters(stack, "cds.update_rejected")["cluster_manager.cds.update_rejected"] == 1
    assert [call(stack, want) for want in ("v1", "v2")] == [(200, True), (200, True)]
    write(stack, "clusters", good)


def test_a_changed_cluster_warms_and_serves(stack):
    """It waits for endpoints that Envoy believes to have, and gets them."""
    changed = {V1: {"connect_timeout": "3s"}}
    write(stack, "clusters", [each | changed.get(each["name"], {}) for each in served(stack, "clusters")])
    wait_until(lambda: dumped_clusters(stack)[V1]["cluster"]["connect_timeout"] == "3s")
    assert counters(stack, "warming_clusters")["cluster_manager.warming_clusters"] == 0
    assert call(stack, "v1") == (200, True)


def test_envoy_serves_on_without_its_control_plane_and_comes_back_with_what_it_has(stack):
    """Killed in the middle; clusters that it has already are not sent again."""
    plane = stack.control_plane()
    plane.kill()
    wait_until(lambda: counters(stack, "connected_state")["control_plane.connected_state"] == 0)
    stack.check_alive()
    assert [call(stack, want) for want in ("v1", "v2")] == [(200, True), (200, True)]
    plane.start_again()
    wait_until(lambda: {each["proxy"] for each in plane.state().streams} == {"sleep", "egress"})
    wait_until(lambda: counters(stack, "connected_state")["control_plane.connected_state"] == 1)
    assert newest(stack, "send", "clusters") is None
    stack.check_alive()
    assert call(stack, "v2") == (200, True)


def test_the_control_plane_is_one_of_the_runs_processes(stack):
    """So that whoever clears up after a killed run ends it, too."""
    [run] = [each for each in find_runs() if each.folder == stack.folder]
    assert CONTROL_PLANE in {mark.name for mark in RunFolder(run.folder).processes()}
