"""The path as containers: who reaches whom, who may what, and what an update does."""

import stat
import subprocess
from pathlib import Path

import pytest

from bench.load import Expectation, LoadPlan, RequestKind, Stage, Target
from bench.load.run import run_load
from bench.scenario.traffic import Constant
from bench.stack.artifacts import save_config, save_logs
from bench.stack.compose.command import find_compose
from bench.stack.engine.labels import PART_LABEL, RUN_LABEL
from bench.stack.runs import find_runs
from bench.telemetry.admin import Admin
from bench.telemetry.containers import read_containers
from bench.telemetry.memory import MemorySampler
from bench.verify.callers import make_calls
from bench.verify.calls import CONNECT_ONLY, Call
from tests.stack.egress_path import HOST, call_node, entrance

pytestmark = pytest.mark.docker
BIND = ("0.0.0.0", 80)


def from_the_pod(stack, *calls):
    return make_calls(calls, stack.client("sidecar"))


def inspected(stack):
    api = stack.project.engine.api
    found = api.containers(all=True, filters={"label": f"{RUN_LABEL}={stack.project.name}"})
    return {each["Labels"][PART_LABEL]: api.inspect_container(each["Id"]) for each in found}


def test_parts_listen_on_their_own_addresses_under_the_ports_of_the_resources(stack):
    assert {port for part in stack.components() for _, port in part.addresses.values()} == {80, 443}
    assert len({ip for part in stack.components() for ip, _ in part.addresses.values()}) == 4


def test_the_client_has_no_way_to_a_node_but_through_the_gateway(stack, material):
    nodes = [next(iter(part.addresses.values())) for part in stack.components() if part.role == "node"]
    assert len(nodes) == 2
    for address in nodes:
        assert call_node(address, trust=material.live, client=material.live)[0] == 200

    answers = from_the_pod(stack, *(Call(f"https://{ip}:{port}", method=CONNECT_ONLY) for ip, port in nodes))

    assert all(answer.error for answer in answers)


def test_the_admin_api_is_reached_through_the_run_folder_and_over_no_network(stack):
    for part in stack.components()[2:]:
        with Admin(part.admin_url, name=part.name) as admin:
            assert admin.server_info().state == "LIVE"
        assert Path(part.admin_url.removeprefix("unix://")).is_socket()
        table = Path(f"/proc/{stack.container(part.name).visible_pid()}/net/tcp").read_text()
        rows = [line.split() for line in table.splitlines()[1:]]
        listening = {row[1] for row in rows if row[3] == "0A"}
        # The engine's own DNS listens on 127.0.0.11.
        ports = {int(at.split(":")[1], 16) for at in listening if not at.startswith("0B00007F")}
        assert ports == {80}
    assert stat.S_IMODE(stack.folder.stat().st_mode) == 0o700


def test_no_container_has_more_rights_than_it_needs(stack):
    found = inspected(stack)

    assert len(found) == 5
    for about in found.values():
        host = about["HostConfig"]
        assert not host["Privileged"]
        assert host["NetworkMode"] != "host"
        assert host["PidMode"] != "host"
        assert not host["PortBindings"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert about["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_keys_are_mounted_for_reading_and_only_where_they_are_used(stack):
    keys = {}
    for part, about in inspected(stack).items():
        for mount in about["Mounts"]:
            source = Path(mount["Source"])
            assert source.is_dir()
            held = set(source.glob("*.key"))
            assert not (held and mount["RW"])
            assert all(stat.S_IMODE(key.stat().st_mode) == 0o400 for key in held)
            keys |= {part: {key.name for key in held}} if held else {}

    assert set(keys) == {"nginx01", "nginx02", "egress"}
    assert keys["nginx01"] == {"server.key"}
    assert all("client" in name for name in keys["egress"])


def test_everything_carries_the_label_of_the_run(stack):
    api = stack.project.engine.api
    wanted = {"label": f"{RUN_LABEL}={stack.project.name}"}

    assert len(api.containers(filters=wanted)) == 5
    networks = api.networks(filters=wanted)
    assert sorted(network["Name"].rpartition("_")[2] for network in networks) == ["external", "mesh"]
    assert all(network["Internal"] for network in networks)
    (run,) = [run for run in find_runs() if run.folder == stack.folder]
    assert run.components == tuple(stack.components())


def test_load_from_the_pod_is_checked_and_counted_as_anywhere(stack, tmp_path):
    ip, port = entrance(stack)
    plan = LoadPlan(
        run_id="docker",
        target=Target(address=ip, port=port, host=HOST),
        requests=tuple(
            RequestKind(name=want, headers=(("want", want),), expect=Expectation(nodes=(node,)))
            for want, node in (("v1", "nginx01"), ("v2", "nginx02"))
        ),
        stages=(Stage(name="m", kind="measure", duration_s=1, schedule=Constant(arrival_rate=200)),),
        require_id=True,
    )

    outcome = run_load(plan, tmp_path / "load", launcher=stack.client("sidecar"))

    counts = [subset.counts for subset in outcome.stages[0].subsets]
    assert outcome.complete
    assert sum(count.answered for count in counts) == 200
    assert sum(count.failed + count.misrouted + count.unsent for count in counts) == 0


def test_what_a_container_uses_is_read_from_the_engine_too(stack):
    part = stack.component("egress")

    (usage,) = read_containers({"egress": part.container}).values()

    assert usage.usage.cpu_seconds > 0
    assert usage.usage.memory_bytes > 1 << 20


def test_memory_is_that_of_all_processes_in_all_containers_those_of_exec_too(stack):
    containers = stack.containers()
    held = stack.client("sidecar").command(
        "caller", ["-c", "x = bytearray(60_000_000); print(1, flush=True); import sys; sys.stdin.read()"], {}
    )
    parts = {part.name: part.pid for part in stack.components()}
    before = MemorySampler(parts, containers=containers)
    before.look()

    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        program.stdout.readline()
        with MemorySampler(parts, containers=containers) as sampler:
            pass
        program.stdin.close()

    # Nodes, proxies and the client beside the sidecar.
    assert len(containers) == 5
    assert sampler.peaks.keys() == parts.keys()
    assert sampler.peak_bytes - before.peak_bytes > 60_000_000


def test_what_ran_can_be_kept_the_compose_file_included_and_no_key(stack, tmp_path):
    save_config(stack, tmp_path / "config")
    save_logs(stack, tmp_path / "logs")

    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"config/compose.yaml", "config/nginx01/nginx.conf", "config/egress/eds/v1.yaml"} <= kept
    assert "logs/egress.access.log" in kept
    assert not [name for name in kept if name.endswith((".key", ".crt"))]


def test_a_proxy_is_rendered_for_what_its_container_sees(stack):
    placement = stack.placement("egress")

    assert placement.admin == "/egress-bench/admin/sock"
    assert all(path.startswith("/egress-bench/keys/") for path in placement.files.values())
    assert placement.listeners == {BIND: BIND}


def test_the_compose_file_is_valid_for_the_installed_compose(stack):
    done = subprocess.run(
        [*find_compose().words, "--file", str(stack.project.folders.compose_file), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
