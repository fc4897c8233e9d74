"""What of the container stack can be said without an engine."""

import dataclasses
import ipaddress
import itertools
import types

import pytest
import requests
import yaml
from docker.errors import DockerException
from urllib3.exceptions import ProtocolError

from bench.errors import StackError
from bench.stack import NodeSpec, ProxySpec, ResourceLimits
from bench.stack.compose.command import Compose, compose_environment, find_compose, up_error
from bench.stack.compose.composefile import Mount, Service, render_compose_file
from bench.stack.compose.containers import has_oom_kills
from bench.stack.compose.layout import EXTERNAL, MESH, bind_addresses, lay_out, node_address
from bench.stack.compose.services import (
    dialled_addresses,
    lookup_rules,
    owners_of_names,
    redirect_rules,
    routes,
)
from bench.stack.compose.subnets import choose_subnets, free_subnets
from bench.stack.engine import connect
from bench.stack.engine import connection as engine_module
from bench.stack.images.definitions import COMPOSE_FILE, read_definition
from bench.stack.images.recipes import recipe
from bench.stack.images.rootfs import Rootfs, libraries_of
from bench.stack.local import LocalStack
from tests.stack.egress_path import egress_spec

MESH_NET = ipaddress.IPv4Network("172.20.0.0/26")
EXTERNAL_NET = ipaddress.IPv4Network("172.20.0.64/26")


@pytest.fixture
def spec(tmp_path):
    return egress_spec(tmp_path)


@pytest.fixture
def layout(spec):
    return lay_out(spec, "run", MESH_NET, EXTERNAL_NET)


@pytest.mark.parametrize(
    ("words", "start"),
    [(("docker", "compose"), ["docker", "compose"]), (("docker-compose",), ["docker-compose"])],
)
def test_both_spellings_are_called_with_the_same_words(words, start, tmp_path):
    compose = Compose(words)
    file = tmp_path / "compose.yaml"

    assert compose.up("run", file, {"worker": 3}) == [
        *start,
        *("--project-name", "run", "--file", str(file)),
        *("up", "--detach", "--no-build", "--no-color", "--scale", "worker=3"),
    ]


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (("docker compose", "docker-compose"), ("docker", "compose")),
        (("docker compose",), ("docker", "compose")),
        (("docker-compose",), ("docker-compose",)),
    ],
)
def test_the_newer_spelling_is_preferred_and_the_older_one_used(installed, expected, monkeypatch):
    there = {"docker", *installed}
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in there else None)

    assert find_compose(lambda command: " ".join(command[:-1]) in installed).words == expected


def test_the_users_own_settings_do_not_reach_compose(monkeypatch):
    monkeypatch.setenv("COMPOSE_FILE", "/somewhere/else.yaml")
    monkeypatch.setenv("PYTHONPATH", "/a/docker/sdk/of/another/version")

    environment = compose_environment()

    assert (environment["COMPOSE_FILE"], environment["PYTHONPATH"]) == ("", "")
    assert "PATH" not in environment


def test_a_missing_compose_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/docker" if name == "docker" else None)

    with pytest.raises(StackError, match=r"neither `docker compose` nor `docker-compose`.*Install"):
        find_compose(lambda _: False)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (FileNotFoundError(2, "any words"), "there is no Docker engine"),
        (PermissionError(13, "any words"), r"may not talk to the Docker engine.*group docker"),
        (ConnectionRefusedError(111, "any words"), "no Docker engine answers\\."),
        (ValueError("Permission denied, No such file"), r"no Docker engine answers \("),
    ],
)
def test_an_engine_that_cannot_be_used_is_distinguished(said, message, monkeypatch):
    """By the number of the error that lies below, whatever the words around it are."""

    def fails(**_):
        beneath = requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", said))
        raise DockerException("Error while fetching server API version") from beneath

    monkeypatch.setattr(engine_module.docker, "from_env", fails)

    with pytest.raises(StackError, match=f"(?s){message}"):
        connect()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"OperatingSystem": "Docker Desktop"}, "cannot reach"),
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}, "rootless"),
    ],
)
def test_an_engine_in_a_machine_of_its_own_is_refused_with_the_reason(facts, message):
    with pytest.raises(StackError, match=message):
        engine_module._require_local(facts)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('The container name "/x" is already in use by container "y".', "another project"),
        ("Pool overlaps with other one on this address space", "subnet"),
        ("something else", "Compose cannot start the stack"),
    ],
)
def test_what_compose_says_becomes_an_error_that_says_what_to_do(said, message):
    assert message in str(up_error(said))
    assert said in str(up_error(said))


def test_services_are_named_as_in_the_pod(spec, layout):
    assert layout.services == {
        "nginx01": "nginx01",
        "nginx02": "nginx02",
        "egress": "egress",
        "sidecar": "sidecar",
    }
    assert layout.pods["sidecar"].client == "sleep"
    sidecar, gateway = spec.proxies
    renamed = dataclasses.replace(spec, proxies=(dataclasses.replace(sidecar, name="sleep"), gateway))
    named = lay_out(renamed, "run", MESH_NET, EXTERNAL_NET)
    assert (named.services["sleep"], named.pods["sleep"].client) == ("sidecar", "sleep")


def test_no_two_parts_share_an_address_and_only_the_gateway_is_on_both_networks(layout):
    addresses = [address for hosts in layout.hosts.values() for address in hosts.values()]

    assert len(set(addresses)) == len(addresses) == 5
    assert {part: set(hosts) for part, hosts in layout.hosts.items()} == {
        "nginx01": {EXTERNAL},
        "nginx02": {EXTERNAL},
        "egress": {MESH, EXTERNAL},
        "sidecar": {MESH},
    }
    # The first address of a network is the bridge's.
    assert "172.20.0.1" not in addresses


def test_a_sidecar_that_leaves_the_mesh_itself_is_on_both_networks_too(spec):
    sidecar, gateway = spec.proxies
    leaving = dataclasses.replace(spec, proxies=(dataclasses.replace(sidecar, leaves_mesh=True), gateway))

    assert set(lay_out(leaving, "run", MESH_NET, EXTERNAL_NET).hosts["sidecar"]) == {MESH, EXTERNAL}
    assert (spec.leaves_mesh("sidecar"), leaving.leaves_mesh("sidecar")) == (False, True)
    rules = redirect_rules(MESH_NET, ("127.0.0.1", 7), EXTERNAL_NET).splitlines()
    passed = [line for line in rules if line.endswith(f"-d {EXTERNAL_NET} -j RETURN")]
    assert len(passed) == 1
    assert f"-d {next(EXTERNAL_NET.hosts())} -j REDIRECT --to-ports 7" in rules[rules.index(passed[0]) - 1]


def test_more_parts_than_addresses_are_refused(spec):
    nodes = tuple(NodeSpec(f"n{number}", (f"10.0.0.{number}", 443), "v1") for number in range(70))

    with pytest.raises(StackError, match="more parts"):
        lay_out(dataclasses.replace(spec, nodes=nodes), "run", MESH_NET, EXTERNAL_NET)


def test_listeners_that_share_a_port_get_one_each_and_a_redirected_proxy_keeps_its_own(spec):
    binds = (("0.0.0.0", 80), ("10.233.0.1", 443), ("10.233.0.2", 443))
    proxy = ProxySpec("sleep", "sidecar", "10.0.0.1", binds, list)
    spec = dataclasses.replace(spec, proxies=(proxy,))

    bound = bind_addresses(spec, proxy)

    assert [at[0] for at in bound.values()] == ["0.0.0.0"] * 3
    ports = [at[1] for at in bound.values()]
    assert ports[:2] == [80, 443]
    assert len(set(ports)) == 3
    redirected = dataclasses.replace(proxy, intercepts=True)
    assert bind_addresses(spec, redirected) == {bind: bind for bind in binds}


def test_a_node_keeps_the_port_of_the_resources_unless_another_is_requested(spec, layout):
    node = spec.nodes[0]
    requested = dataclasses.replace(spec, ports={"nginx01": 8443})

    assert node_address(spec, layout, node)[1] == 443
    assert node_address(requested, layout, node)[1] == 8443


def test_subnets_avoid_everything_in_use_and_run_out_at_last():
    pool = ipaddress.IPv4Network("172.16.0.0/24")
    used = [ipaddress.IPv4Network("172.16.0.0/26"), ipaddress.IPv4Network("172.16.0.128/25")]

    assert list(free_subnets(used, pool)) == [ipaddress.IPv4Network("172.16.0.64/26")]
    assert not list(free_subnets([pool], pool))
    first, second = itertools.islice(free_subnets([]), 2)
    assert not first.overlaps(second)


def test_a_machine_without_a_free_subnet_is_asked_what_to_remove():
    everything = types.SimpleNamespace(attrs={"IPAM": {"Config": [{"Subnet": "172.16.0.0/12"}]}})
    engine = types.SimpleNamespace(networks=types.SimpleNamespace(list=lambda: [everything]))

    with pytest.raises(StackError, match=r"no free subnet.*docker network ls"):
        choose_subnets(engine)


def test_an_out_of_memory_kill_is_read_in_both_versions_of_control_groups(tmp_path):
    proc = tmp_path / "proc" / "1"
    proc.mkdir(parents=True)
    for line, file, killed in (
        ("0::/docker/a", "docker/a/memory.events", "oom 3\noom_kill 2\n"),
        ("4:memory:/docker/b", "memory/docker/b/memory.oom_control", "under_oom 0\noom_kill 1\n"),
    ):
        (proc / "cgroup").write_text(f"9:name=systemd:/docker/x\n{line}\n")
        counts = tmp_path / "cgroup" / file
        counts.parent.mkdir(parents=True)

        def reported(text, counts=counts):
            counts.write_text(text)
            return has_oom_kills(1, proc=tmp_path / "proc", cgroups=tmp_path / "cgroup")

        assert reported(killed)
        assert not reported("oom_kill 0\n")
    assert not has_oom_kills(2, proc=tmp_path / "proc")


def test_the_compose_file_hardens_every_service_and_carries_limits_and_labels(layout, tmp_path):
    service = Service(
        name="egress",
        pattern="egress",
        part="egress",
        image="sha256:1",
        user="10101:1337",
        command=["--x", "$HOME"],
        mounts=[Mount(tmp_path, "/config"), Mount(tmp_path, "/logs", writable=True)],
        addresses={MESH: "172.20.0.2", EXTERNAL: "172.20.0.66"},
        after=["nginx01"],
        resource_limits=ResourceLimits(cpus=0.5, memory_bytes=1 << 27, cpuset="0"),
    )

    document = yaml.safe_load(render_compose_file(layout, [service], {"egress-bench.run": "run"}))

    made = document["services"]["egress"]
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in made
    assert "ports" not in made
    assert (made["cpus"], made["mem_limit"], made["memswap_limit"], made["cpuset"]) == (
        0.5,
        1 << 27,
        1 << 27,
        "0",
    )
    # Compose would put a variable of the environment in.
    assert made["command"] == ["--x", "$$HOME"]
    assert [(volume["type"], volume["read_only"]) for volume in made["volumes"]] == [
        ("bind", True),
        ("bind", False),
    ]
    assert made["labels"] == {"egress-bench.run": "run", "egress-bench.part": "egress"}
    assert all(network["internal"] for network in document["networks"].values())


def test_only_containers_that_set_up_a_network_and_end_may_change_it():
    patterns = yaml.safe_load(read_definition(COMPOSE_FILE))["services"]

    assert {name for name, pattern in patterns.items() if "cap_add" in pattern} == {"redirect", "route"}
    assert all(pattern["cap_drop"] == ["ALL"] for pattern in patterns.values())
    assert all("ports" not in pattern and "privileged" not in pattern for pattern in patterns.values())


def test_redirection_spares_the_pods_loopback_and_lets_the_proxy_reach_the_mesh_alone():
    mesh = ipaddress.IPv4Network("172.20.0.0/26")
    rules = redirect_rules(mesh, ("127.0.0.1", 7)).splitlines()
    appended = [rule for rule in rules if rule.startswith("-A EGRESS_BENCH")]
    ours = [rule for rule in appended if "--gid-owner 1337" in rule]

    assert appended[0].endswith("-d 127.0.0.0/8 -j RETURN")
    # This machine, which is the bridge; the mesh; everything else.
    assert [rule.split("1337 ")[1] for rule in ours] == [
        "-d 172.20.0.1 -j REDIRECT --to-ports 7",
        "-d 172.20.0.0/26 -j RETURN",
        "-j REDIRECT --to-ports 7",
    ]
    assert appended[-1].endswith("--to-ports 15001")
    assert appended.index(ours[-1]) < len(appended) - 1


def test_what_a_proxy_sends_on_reaches_the_node_that_plays_it_and_nothing_else():
    played = {("198.51.100.7", 443): ("172.21.0.2", 443), ("172.21.0.2", 8443): ("172.21.0.3", 8443)}
    rules = redirect_rules(MESH_NET, ("127.0.0.1", 7), EXTERNAL_NET, played).splitlines()
    ours = [rule.split("1337 ")[1] for rule in rules if "--gid-owner 1337" in rule]

    assert ours[:2] == [
        "-d 198.51.100.7 --dport 443 -j DNAT --to-destination 172.21.0.2:443",
        "-d 172.21.0.2 --dport 8443 -j DNAT --to-destination 172.21.0.3:8443",
    ]
    assert ours[-1] == "-j REDIRECT --to-ports 7"
    gateway = lookup_rules(played).splitlines()
    assert sum("DNAT" in rule for rule in gateway) == 2
    assert not any("REDIRECT" in rule for rule in gateway)


def test_the_way_to_what_clients_dial_begins_at_a_bridge_that_passes_nothing_on(spec, layout, tmp_path):
    assert routes(["198.51.100.7"], "172.20.0.1") == "route replace 198.51.100.7 via 172.20.0.1\n"

    called = {"a.example": ("198.51.100.7", "198.51.100.8"), "b.example": ("2001:db8::1",)}
    assert dialled_addresses(dataclasses.replace(spec, called=called)) == ("198.51.100.7",)


def test_a_name_that_several_nodes_play_is_the_address_of_the_first_where_names_are_looked_up(spec):
    nodes = tuple(
        NodeSpec(f"n{port}", ("a.example", port), "x", also=(("10.0.0.9", port),)) for port in (80, 8443)
    )
    sidecar, gateway = spec.proxies
    asking = dataclasses.replace(
        spec, nodes=nodes, proxies=(dataclasses.replace(sidecar, asks_dns=True), gateway)
    )

    assert owners_of_names(asking) == {"a.example": "n80"}
    assert owners_of_names(dataclasses.replace(spec, nodes=nodes)) == {}


def test_the_local_stack_refuses_redirection_and_names_the_stack_that_has_it(spec):
    sidecar, gateway = spec.proxies
    spec = dataclasses.replace(
        spec, files={}, proxies=(dataclasses.replace(sidecar, intercepts=True), gateway)
    )

    with pytest.raises(StackError, match="--stack docker"):
        LocalStack(spec).start()


def test_the_tag_of_an_image_follows_its_content(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    first = Rootfs(files={"/a": file}).digest()
    file.write_text("two")

    assert Rootfs(files={"/a": file}).digest() != first
    assert Rootfs(files={"/b": file}).digest() != Rootfs(files={"/a": file}).digest()
    assert recipe("nginx").reference == recipe("nginx").reference


@pytest.mark.envoy
def test_an_image_holds_every_library_that_its_program_loads():
    rootfs = recipe("envoy").assemble()

    needed = {str(path) for path in libraries_of([rootfs.files["/usr/local/bin/envoy"]])}
    assert needed
    assert needed <= set(rootfs.files)
    assert not [path for path in rootfs.files if "/bin/sh" in path]
