"""What every stack promises, whatever it is made of."""

import dataclasses
import ipaddress

import pytest

from bench.errors import StackError
from bench.placement import ConfigFile
from bench.stack.compose.stack import ComposeStack
from bench.stack.fake import FakeStack
from bench.stack.local import LocalStack
from bench.stack.local.ports import listen
from tests.stack.egress_path import GATEWAY_IP, NODES, eds_file, egress_spec, gateway_files, sidecar_files

KINDS = [
    pytest.param(FakeStack, id="fake"),
    pytest.param(LocalStack, id="local", marks=[pytest.mark.envoy, pytest.mark.nginx]),
    pytest.param(ComposeStack, id="docker", marks=[pytest.mark.docker]),
]
BIND = ("0.0.0.0", 80)


def eds_gateway(placement):
    return gateway_files(placement, eds=True)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def spec(material):
    return egress_spec(material.live, gateway=eds_gateway)


@pytest.fixture(scope="module")
def stack(kind, spec):
    with kind(spec) as running:
        yield running


def test_parts_start_from_the_far_end_so_that_each_finds_what_it_forwards_to(stack):
    assert [part.name for part in stack.components()] == ["nginx01", "nginx02", "egress", "sidecar"]
    assert [part.role for part in stack.components()] == ["node", "node", "egress", "sidecar"]
    assert [part.kind for part in stack.components()] == ["nginx", "nginx", "envoy", "envoy"]


def test_every_translated_address_has_a_real_one_and_no_two_share_it(stack):
    real = [address for part in stack.components() for address in part.addresses.values()]

    assert len(set(real)) == 4
    assert all(ipaddress.ip_address(ip).is_private and port > 0 for ip, port in real)
    assert list(stack.component("nginx02").addresses) == [NODES["v2"]]
    assert list(stack.component("sidecar").addresses) == [BIND]


def test_a_proxy_is_rendered_for_the_real_addresses_of_the_parts_before_it(stack):
    gateway = stack.placement("egress")
    sidecar = stack.placement("sidecar")

    for name, played in zip(("nginx01", "nginx02"), NODES.values(), strict=True):
        assert gateway.endpoints[played] == stack.component(name).addresses[played]
    assert sidecar.endpoints[GATEWAY_IP, 80] == stack.component("egress").addresses[BIND]
    assert set(gateway.listeners) == {BIND}
    assert all(real.endswith((".crt", ".key")) for real in gateway.files.values())


def test_only_proxies_have_an_admin_api_and_each_its_own(stack):
    urls = [part.admin_url for part in stack.components()]

    assert urls[:2] == [None, None]
    assert all(url.startswith(("http://127.0.0.1:", "unix:///")) for url in urls[2:])
    assert urls[2] != urls[3]


def test_files_of_a_running_proxy_can_be_replaced_and_others_are_refused(stack):
    moved = eds_file(stack.placement("egress"), "v1", NODES["v2"])

    stack.write_config("egress", [moved])

    with pytest.raises(StackError, match="outside"):
        stack.write_config("egress", [ConfigFile("../cds.yaml", "")])
    with pytest.raises(StackError, match="outside"):
        stack.write_config("egress", [ConfigFile("/etc/cds.yaml", "")])
    with pytest.raises(StackError, match="is a node"):
        stack.write_config("nginx01", [moved])
    with pytest.raises(StackError, match="no running part called nobody"):
        stack.write_config("nobody", [moved])


def test_a_living_stack_is_found_alive_and_unknown_parts_are_named(stack):
    stack.check_alive()

    with pytest.raises(StackError, match="no running part called nginx03"):
        stack.component("nginx03")
    with pytest.raises(StackError, match="no running proxy called nginx01"):
        stack.placement("nginx01")


def test_it_cannot_be_started_twice(stack):
    with pytest.raises(StackError, match="running already"):
        stack.start()

    stack.check_alive()
    assert len(stack.components()) == 4


def test_stop_forgets_everything_may_be_called_twice_and_the_stack_starts_again(kind, spec):
    stack = kind(spec)
    stack.stop()
    stack.start()
    stack.stop()
    stack.stop()

    assert list(stack.components()) == []
    stack.check_alive()
    with pytest.raises(StackError):
        stack.placement("egress")
    with stack:
        assert len(stack.components()) == 4


def test_wished_ports_are_kept_for_a_part_or_for_one_listener_of_it(kind, material):
    with listen(0, "a") as a, listen(0, "b") as b, listen(0, "c") as c, listen(0, "d") as d:
        names = ("sidecar", "nginx01", "egress:80", "nginx02:443")
        ports = {name: each.getsockname()[1] for name, each in zip(names, (a, b, c, d), strict=True)}

    with kind(egress_spec(material.live, ports=ports)) as stack:
        real = {part.name: next(iter(part.addresses.values()))[1] for part in stack.components()}

    assert real == {name.partition(":")[0]: port for name, port in ports.items()}
    with pytest.raises(StackError, match=r"requested for egress:443.*Known are: .*egress:80"):
        kind(egress_spec(material.live, ports={"egress:443": 1})).start()


def test_a_failing_renderer_leaves_nothing_running(kind, material):
    def broken(placement):
        raise StackError("cannot render this.")

    stack = kind(egress_spec(material.live, sidecar=broken))
    with pytest.raises(StackError, match="cannot render this"):
        stack.start()

    assert list(stack.components()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ports": {"nginx07": 1}}, "no part or listener is called so"),
        ({"ports": {"nginx01": 5, "egress": 5}}, "requested twice"),
        ({"twins": True}, "are called nginx01"),
        ({"echo": True}, "two nodes play 192.168.0.63:443"),
        ({"lost": True}, "not there"),
    ],
)
def test_a_contradictory_specification_is_refused_before_anything_starts(
    kind, material, tmp_path, change, message
):
    spec = egress_spec(material.live, ports=change.get("ports"))
    first, second = spec.nodes
    if "twins" in change:
        spec = dataclasses.replace(spec, nodes=(first, dataclasses.replace(second, name=first.name)))
    if "echo" in change:
        spec = dataclasses.replace(spec, nodes=(first, dataclasses.replace(second, plays=first.plays)))
    if "lost" in change:
        spec = dataclasses.replace(spec, files={"/etc/tls.crt": tmp_path / "nothing"})

    with pytest.raises(StackError, match=message):
        kind(spec).start()


def test_fake_records_what_was_done_with_it_and_can_fail_and_die(material):
    """The fake's own powers, for tests of what is above a stack."""
    fake = FakeStack(egress_spec(material.live, gateway=eds_gateway, sidecar=sidecar_files))
    with fake:
        fake.write_config("egress", [ConfigFile("eds/v1.yaml", "new")])
        fake.kill("nginx01")
        with pytest.raises(StackError, match="nginx01 was ended by SIGKILL"):
            fake.check_alive()

    assert fake.calls == ["start", "write_config egress", "check_alive", "stop"]
    assert fake.files["egress"]["eds/v1.yaml"] == "new"
    assert fake.writes[-1] == ("egress", "eds/v1.yaml")
    with pytest.raises(StackError, match="no engine"):
        FakeStack(fake.spec, failure=StackError("no engine.")).start()
