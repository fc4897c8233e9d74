"""Names, host patterns, domains, and the way from messages to text."""

from __future__ import annotations

from datetime import timedelta

import betterproto2
import pytest
import yaml
from envoy_data_plane.envoy.config.cluster.v3 import OutlierDetection
from hypothesis import given
from hypothesis import strategies as st

from bench.istio.hosts import covers, expand_gateway, expand_host, narrower
from bench.istio.registry.services import Origin, Protocol, Service, ServicePort
from bench.translate import translate
from bench.translate.files.yaml_text import yaml_text
from bench.translate.messages import duration_text, to_plain
from bench.translate.names import envoy_name, file_name
from bench.translate.route.domains import service_domains
from tests.translate.conftest import WALKTHROUGH, registry_of, walkthrough_inventory


def service(host: str, *addresses: str, is_headless: bool = False) -> Service:
    port = ServicePort("http", 80, Protocol.HTTP)
    return Service(
        host=host,
        namespace="default",
        name="x",
        origin=Origin.KUBERNETES,
        locate=lambda: pytest.fail("no message needs a place here"),
        ports=(port,),
        addresses=addresses,
        is_headless=is_headless,
    )


ECHO, FOO = "echo.default.svc.cluster.local", "foo.local.campus.net"


@pytest.mark.parametrize(
    ("host", "proxy_domain", "short"),
    [
        (ECHO, "default.svc.cluster.local", ["echo", "echo.default.svc", "echo.default"]),
        (ECHO, "mesh.svc.cluster.local", ["echo.default", "echo.default.svc"]),
        ("foo.default.svc.bar.baz", "default.svc.cluster.local", []),
        (FOO, "local.campus.net", ["foo"]),
        (FOO, "remote.campus.net", ["foo.local", "foo.local.campus"]),
        (FOO, "example.com", []),
    ],
)
def test_domains_follow_the_resolvers_search_path(host, proxy_domain, short):
    """The short forms that a client in that domain may use, and no others."""
    domains, shortened = service_domains(service(host), 80, proxy_domain, with_ports=False)
    assert domains == [host, f"{host}.", *short]
    assert shortened == set(short)


@pytest.mark.parametrize(("address", "domain"), [("1.2.3.4", "1.2.3.4"), ("2001:db8::1", "[2001:db8::1]")])
def test_an_address_is_not_a_name_to_complete(address, domain):
    """IPv6 is in brackets."""
    assert service_domains(service(address), 80, "a.svc.cluster.local", with_ports=False)[0] == [domain]


def test_a_headless_service_answers_for_each_of_its_pods():
    """Every name also with a wildcard before it."""
    domains, _ = service_domains(
        service("a.b.svc.cluster.local", is_headless=True), 80, "b.svc.cluster.local", with_ports=False
    )
    assert {f"*.{name}" for name in ("a", "a.b", "a.b.svc", "a.b.svc.cluster.local")} <= set(domains)


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ("nginx", "nginx.far.svc.cluster.local"),
        ("nginx.external", "nginx.external"),
        ("*", "*"),
        ("", ""),
        ("10.0.0.1", "10.0.0.1"),
        ("UPPER.example", "upper.example"),
    ],
)
def test_only_a_name_without_a_dot_is_short(written, expanded):
    """It belongs to the namespace of the resource that mentions it."""
    assert expand_host(written, "far", "cluster.local") == expanded


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ("mesh", "mesh"),
        ("gw", "far/gw"),
        ("./gw", "far/gw"),
        ("near/gw", "near/gw"),
        ("gw.near", "near/gw"),
        ("gw.near.svc.cluster.local", "near/gw"),
    ],
)
def test_gateways_are_namespace_and_name(written, expanded):
    """In every form that people use."""
    assert expand_gateway(written, "far") == expanded


@pytest.mark.parametrize(
    ("general", "special", "does"),
    [
        ("*.foo.com", "a.foo.com", True),
        ("*.foo.com", "*.a.foo.com", True),
        ("*.foo.com", "foo.com", False),
        ("*", "anything", True),
        ("a.foo.com", "*.foo.com", False),
        ("a", "a", True),
    ],
)
def test_a_wildcard_covers_what_is_below_it(general, special, does):
    """Not the name itself."""
    assert covers(general, special) is does


def test_the_narrower_of_two_hosts_is_what_they_share():
    """None if they share nothing."""
    assert narrower("*.example.com", "a.example.com") == "a.example.com"
    assert narrower("a.example.com", "*") == "a.example.com"
    assert narrower("a.example.com", "b.example.com") is None


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_file_names_are_safe_and_turn_back(name):
    """Whatever an Envoy name has in it."""
    encoded = file_name(name)
    assert set("/|:").isdisjoint(encoded)
    assert envoy_name(encoded) == name


TEXT = st.text(st.characters(codec="utf-8"))
TEXT = st.text(st.characters(codec="utf-8"))
THOUSANDTHS = st.integers(-(10**6), 10**6).map(lambda number: number / 1000)
PLAIN = st.recursive(
    st.one_of(
        TEXT, st.integers(), st.booleans(), st.none(), st.integers(-(10**6), 10**6).map(lambda n: n / 1000)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, PLAIN, max_size=4))
def test_yaml_reads_back_as_it_was(data):
    """No string turns into something else."""
    assert yaml.safe_load(yaml_text({"x": data}))["x"] == data


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=10), "10s"),
        (timedelta(milliseconds=250), "0.250s"),
        (timedelta(microseconds=1), "0.000001s"),
        (timedelta(hours=1, milliseconds=1500), "3601.500s"),
    ],
)
def test_durations_are_written_as_protobuf_writes_them(span, text):
    """Three, six or no digits after the point."""
    assert duration_text(span) == text


@pytest.mark.parametrize("proxy", ["client", "egress"])
@pytest.mark.parametrize("source", ["static", "eds"])
def test_the_fast_way_to_plain_data_gives_what_the_library_gives(proxy, source):
    """Field by field, for everything that a translation consists of."""
    config = translate(
        registry_of(WALKTHROUGH, walkthrough_inventory("current")), proxy, config_source=source
    )
    for message in (*config.listeners, *config.routes, *config.clusters, *config.endpoints, *config.secrets):
        assert to_plain(message) == message.to_dict(casing=betterproto2.Casing.SNAKE)


def test_field_names_are_those_of_the_proto_files():
    """The library would write consecutive_5_xx, which Envoy does not know."""
    assert to_plain(OutlierDetection(consecutive_5xx=3)) == {"consecutive_5xx": 3}
