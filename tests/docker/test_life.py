"""What is started goes, however it ends; what cannot start says why."""

import dataclasses
import io
import json
import os
import signal
import socket
import subprocess
import sys

import docker
import psutil
import pytest

from bench.errors import StackError
from bench.placement import ConfigFile
from bench.stack import ResourceLimits
from bench.stack.compose import project as project_module
from bench.stack.compose.stack import ComposeStack
from bench.stack.engine.labels import FOLDER_LABEL, OWNER_LABEL, RUN_LABEL
from bench.stack.images.supply import supply_image
from bench.stack.images.unfinished import BUILDER_LABEL, FINISHED_LABEL, remove_unfinished
from bench.stack.runs import end_orphans, find_runs
from bench.verify.callers import make_calls
from bench.verify.calls import Call
from tests.docker.lookups import ONCE
from tests.stack.egress_path import (
    HOST,
    call,
    egress_spec,
    entrance,
    gateway_files,
    listener,
    sidecar_files,
)
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.docker

_OWNER = """
import sys, time
from pathlib import Path
from bench.stack.compose.stack import ComposeStack
from tests.stack.egress_path import egress_spec
stack = ComposeStack(egress_spec(Path(sys.argv[1])))
stack.start()
print(stack.project.name, flush=True)
time.sleep(60)
"""


def left(engine, project):
    wanted = {"label": f"{RUN_LABEL}={project}"}
    return [*engine.api.containers(all=True, filters=wanted), *engine.api.networks(filters=wanted)]


def test_a_killed_run_leaves_no_container_no_network_and_no_folder(engine, images, material):
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(material.live)], stdout=subprocess.PIPE, text=True
    ) as owner:
        project = owner.stdout.readline().strip()
        assert len(left(engine, project)) == 7
        owner.send_signal(signal.SIGKILL)

    wait_until(lambda: not left(engine, project))
    wait_until(lambda: not [run for run in find_runs() if run.folder.name == project])


def test_containers_whose_run_folder_is_gone_are_found_and_removed(engine, images, tmp_path):
    labels = {RUN_LABEL: "orphan", FOLDER_LABEL: str(tmp_path / "gone"), OWNER_LABEL: str(os.getuid())}
    engine.containers.create(images.envoy.id, ["--version"], labels=labels)

    # Other stacks of this machine may have lost their runs at the same time.
    assert "orphan" in end_orphans()
    assert not left(engine, "orphan")


def test_a_name_that_another_project_has_is_named_and_left_alone(engine, images, material):
    # The two spellings of Compose join the parts of a name differently.
    others = [
        engine.containers.create(images.envoy.id, ["--version"], name=name)
        for name in ("eb-clash_nginx01_1", "eb-clash-nginx01-1")
    ]
    try:
        stack = ComposeStack(egress_spec(material.live), images=images, project="eb-clash")
        with pytest.raises(StackError, match="another project has a container or network of the same name"):
            stack.start()
        assert not left(engine, "eb-clash")
        for other in others:
            other.reload()
    finally:
        for other in others:
            other.remove(force=True)


def test_a_refused_configuration_is_reported_with_envoys_own_reason_and_nothing_stays(
    engine, images, material
):
    def broken(placement):
        return [ConfigFile("bootstrap.yaml", "{node: {id: a, cluster: b}, admni: {}}")]

    stack = ComposeStack(egress_spec(material.live, name="refused", gateway=broken), images=images)
    with pytest.raises(StackError, match=r"(?s)egress.*admni"):
        stack.start()
    assert not list(stack.components())
    assert not [run for run in find_runs() if run.name == "refused"]


def test_a_proxy_ended_for_want_of_memory_is_named_so(images, material):
    def large(placement):
        *files, bootstrap = gateway_files(placement)
        document = json.loads(bootstrap.text)
        document["node"]["metadata"] = {"ballast": "x" * (64 << 20)}
        return [*files, ConfigFile(bootstrap.path, json.dumps(document))]

    spec = dataclasses.replace(
        egress_spec(material.live, gateway=large),
        resource_limits={"egress": ResourceLimits(memory_bytes=32 << 20)},
    )

    with pytest.raises(StackError, match=r"(?s)egress .*ran out of memory.*32 MiB.*resources"):
        ComposeStack(spec, images=images).start()


def test_a_node_whose_workers_are_ended_for_want_of_memory_is_named_so_at_once(images, material):
    spec = dataclasses.replace(
        egress_spec(material.live), resource_limits={"nginx01": ResourceLimits(memory_bytes=6 << 20)}
    )

    with pytest.raises(StackError, match=r"(?s)worker of nginx01 .*ran out of memory.*6 MiB.*resources"):
        ComposeStack(spec, images=images).start()


def test_a_subnet_that_somebody_takes_in_between_is_given_up_for_another(
    engine, images, material, monkeypatch
):
    real = project_module.choose_subnets
    first, second = real(engine)
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=str(first))])
    other = engine.networks.create("eb-taken", ipam=pool)
    chosen = []

    def choose(client):
        # What was free at the look is no more at the start.
        chosen.append((first, second) if not chosen else real(client))
        return chosen[-1]

    monkeypatch.setattr(project_module, "choose_subnets", choose)
    try:
        with ComposeStack(egress_spec(material.live), images=images) as stack:
            assert call(stack, "v1")[0] == 200
    finally:
        other.remove()
    assert len(chosen) == 2


def test_an_image_that_is_not_here_and_cannot_be_pulled_is_named(engine):
    with pytest.raises(StackError, match=r"image localhost:1/nobody/envoy:0 is not here"):
        supply_image(engine, "envoy", requested="localhost:1/nobody/envoy:0")


def test_an_image_of_something_else_is_refused(engine, images):
    with pytest.raises(StackError, match="/usr/local/bin/envoy"):
        supply_image(engine, "envoy", requested=images.nginx.id)


def test_limits_are_those_of_the_specification_and_stacks_run_side_by_side(stack, images, material):
    spec = dataclasses.replace(
        egress_spec(material.live),
        resource_limits={
            "egress": ResourceLimits(cpus=0.5, memory_bytes=256 << 20),
            "sidecar": ResourceLimits(cpuset="0"),
            "generator": ResourceLimits(cpus=1.0),
        },
        workers=2,
    )
    with ComposeStack(spec, images=images) as second:
        found = second.project.containers()
        host = {
            service: [second.project.engine.api.inspect_container(each)["HostConfig"] for each in ids]
            for service, ids in found.items()
        }
        assert host["egress"][0]["NanoCpus"] == 500_000_000
        assert host["egress"][0]["Memory"] == host["egress"][0]["MemorySwap"] == 256 << 20
        assert host["sidecar"][0]["CpusetCpus"] == "0"
        assert [each["NanoCpus"] for each in host["worker"]] == [1_000_000_000] * 2
        assert call(second, "v2")[1]["x-node"] == "nginx02"
        assert entrance(second) != entrance(stack)
    assert call(stack, "v2")[0] == 200


def test_redirection_lets_the_client_call_the_service_by_its_name(images, material):
    bind, outbound = ("0.0.0.0", 80), ("0.0.0.0", 15001)

    def redirected(placement):
        files = {file.path: file for file in sidecar_files(placement)}
        http = listener(placement, "0.0.0.0_80", bind, "80", None) | {"bind_to_port": False}
        return [
            ConfigFile("cds.yaml", _with_passthrough(files["cds.yaml"].text)),
            files["rds.yaml"],
            ConfigFile("lds.yaml", _with_outbound(http, files["lds.yaml"].text)),
            files["bootstrap.yaml"],
        ]

    spec = egress_spec(material.live, sidecar=redirected)
    sidecar, gateway = spec.proxies
    spec = dataclasses.replace(
        spec,
        proxies=(dataclasses.replace(sidecar, listeners=(bind, outbound), intercepts=True), gateway),
        names=(HOST,),
    )
    with ComposeStack(spec, images=images) as stack:
        answers = make_calls(
            [Call(f"http://{HOST}/", headers={"want": want}) for want in ("v1", "v2")],
            stack.client("sidecar"),
        )
        about = stack.project.engine.api.inspect_container(stack.project.containers()["redirect"][0])
        bridge = str(next(stack.project.layout.subnets["mesh"].hosts()))
        with socket.create_server(("0.0.0.0", 0)) as host:
            port = host.getsockname()[1]
            # Unknown addresses are passed on by the proxy: to this machine, and to one beyond it.
            outside = make_calls(
                [Call(f"http://{bridge}:{port}/"), Call("http://198.51.100.9:8443/")],
                stack.client("sidecar"),
            )
            host.settimeout(0.2)
            with pytest.raises(TimeoutError):
                host.accept()
        lookup = stack.client("sidecar").command("dns", ["-c", _LOOKUP], ONCE)
        looked_up = subprocess.run(lookup, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        settings = [
            stack.project.engine.api.inspect_container(stack.container(part.name).id)["HostConfig"]["Dns"]
            for part in stack.components()
        ]

    assert all(answer.status is None for answer in outside)
    assert looked_up.stdout.strip() == "not resolved"
    assert settings == [["127.0.0.1"]] * 4
    assert [(answer.status, answer.headers.get("x-node")) for answer in answers] == [
        (200, "nginx01"),
        (200, "nginx02"),
    ]
    assert (about["State"]["Status"], about["State"]["ExitCode"]) == ("exited", 0)
    assert not about["HostConfig"]["Privileged"]


_LOOKUP = """
import socket
try:
    print(socket.getaddrinfo("leak.example", 80))
except OSError:
    print("not resolved")
"""


def _with_passthrough(text):
    document = json.loads(text)
    passthrough = document["resources"][0] | {
        "name": "PassthroughCluster",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
    }
    del passthrough["load_assignment"]
    return json.dumps(document | {"resources": [*document["resources"], passthrough]})


def _with_outbound(http, text):
    document = json.loads(text)
    passed_on = {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "passthrough",
            "cluster": "PassthroughCluster",
        },
    }
    outbound = {
        "@type": http["@type"],
        "name": "virtualOutbound",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15001}},
        "use_original_dst": True,
        "filter_chains": [{"filters": [passed_on]}],
    }
    return json.dumps(document | {"resources": [http, outbound]})


def test_a_run_folder_too_deep_for_a_socket_is_named_before_anything_starts(images, material, tmp_path):
    deep = tmp_path / ("d" * 60)
    deep.mkdir()

    with pytest.raises(StackError, match=r"too long for a Unix socket.*TMPDIR"):
        ComposeStack(egress_spec(material.live), images=images, parent=deep).start()
    assert not list(deep.iterdir())


def test_what_a_killed_build_leaves_is_removed_and_a_living_one_is_left_alone(engine):
    def unnamed(label, **more):
        labels = " ".join(f'{name}="{value}"' for name, value in {BUILDER_LABEL: label, **more}.items())
        definition = io.BytesIO(f"FROM scratch\nLABEL {labels}\n".encode())
        image, _ = engine.images.build(fileobj=definition, rm=True)
        return image.id

    ended = subprocess.Popen(["true"])
    ended.wait()
    living = psutil.Process(os.getppid())
    left = unnamed(f"{ended.pid} 1.0")
    building = unnamed(f"{living.pid} {living.create_time()}")
    # A newer build took its name; a run may still begin with it.
    replaced = unnamed(f"{ended.pid} 1.0", **{FINISHED_LABEL: "all of it"})
    try:
        # Whoever builds an image at this moment removes it, too.
        assert set(remove_unfinished(engine)) <= {left}
        with pytest.raises(docker.errors.ImageNotFound):
            engine.images.get(left)
        assert engine.images.get(building)
        assert engine.images.get(replaced)
    finally:
        engine.api.remove_image(building)
        engine.api.remove_image(replaced)
