"""Outcomes that Istio's own tests assert, for sidecars and gateways, written as which host leads where."""

from __future__ import annotations

from typing import Any

import pytest

from bench.translate import Notice, ProxyConfig, translate
from bench.translate.messages import to_plain
from tests.translate.conftest import registry_of

SUFFIX = "svc.cluster.local"


def service(name: str, namespace: str, ports: tuple[int, ...] = (80, 8080)) -> str:
    listed = ", ".join(f"{{name: http-{port}, port: {port}}}" for port in ports)
    return f"""apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{ports: [{listed}]}}
"""


def routes_to(
    namespace: str, hosts: str, destination: str, more: str = "", name: str = "vs", **spec: str
) -> str:
    lines = "".join(f"  {key}: {value}\n" for key, value in spec.items())
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{hosts}]
{lines}  http:
  - {more}
    route: [{{destination: {destination}}}]
"""


def to(host: str, port: int | None = None) -> str:
    return f"{{host: {host}{f', port: {{number: {port}}}' if port else ''}}}"


SERVICES = [service("known", "default"), service("alt-known", "default"), service("other", "not-default")]
KNOWN, ALT = f"known.default.{SUFFIX}", f"alt-known.default.{SUFFIX}"


def sidecar(namespace: str, *documents: str) -> ProxyConfig:
    text = "---\n".join([*SERVICES, *documents])
    proxies = {"client": {"role": "sidecar", "namespace": namespace, "ip": "10.1.0.5"}}
    return translate(registry_of(text, {"proxies": proxies}), "client", config_source="eds")


def leads(config: ProxyConfig, route_config: str) -> dict[str, str]:
    """Virtual host -> cluster of its first route."""
    found = next(
        (to_plain(each) for each in config.routes if each.name == route_config), {"virtual_hosts": []}
    )
    return {
        host["name"].rpartition(":")[0]: host["routes"][0]["route"]["cluster"]
        for host in found["virtual_hosts"]
        if host.get("routes") and "route" in host["routes"][0]
    }


@pytest.mark.parametrize("namespace", ["default", "not-default"])
@pytest.mark.parametrize("owner", ["default", "not-default", "arbitrary"])
def test_the_rule_of_any_namespace_reaches_every_client(namespace, owner):
    """Producer's, consumer's or a third one's; the destination's port is the listener's."""
    config = sidecar(namespace, routes_to(owner, KNOWN, to(ALT)))
    assert leads(config, "80")[KNOWN] == f"outbound|80||{ALT}"
    assert leads(config, "8080")[KNOWN] == f"outbound|8080||{ALT}"


def test_an_unknown_host_exists_on_port_80_only():
    """With or without ports in the rule."""
    config = sidecar("default", routes_to("default", "foo.example", to("foo.example")))
    assert leads(config, "80")["foo.example"] == "outbound|80||foo.example"
    assert "foo.example" not in leads(config, "8080")
    config = sidecar(
        "default", routes_to("default", "foo.example", to("foo.example", 8080), "match: [{port: 8080}]")
    )
    assert "foo.example" not in leads(config, "8080")


@pytest.mark.parametrize(
    "order", [("arbitrary", "default", "not-default"), ("not-default", "arbitrary", "default")]
)
def test_the_oldest_rule_has_the_host_to_itself(order):
    """Nothing is merged, whatever the namespaces."""
    documents = [
        routes_to(owner, KNOWN, to(f"{owner}.example"), name=f"vs-{index}")
        for index, owner in enumerate(order)
    ]
    assert leads(sidecar("default", *documents), "80")[KNOWN] == f"outbound|80||{order[0]}.example"


@pytest.mark.parametrize("wildcard_first", [True, False])
def test_a_wildcard_takes_only_what_nothing_more_specific_claims(wildcard_first):
    """Older or newer, in the same namespace or another."""
    documents = [
        routes_to("not-default", '"*.cluster.local"', to("wild.example"), name="wild"),
        routes_to("default", KNOWN, to("exact.example"), name="exact"),
    ]
    config = sidecar("default", *(documents if wildcard_first else reversed(documents)))
    found = leads(config, "80")
    assert found[KNOWN] == "outbound|80||exact.example"
    assert found[ALT] == "outbound|80||wild.example"
    assert "*.cluster.local" not in found


def test_a_wildcard_without_any_service_is_a_host_of_its_own():
    """Services keep their default routes; an exact unknown host beside it is independent."""
    config = sidecar(
        "default",
        routes_to("default", '"*.tld"', to("wild.example"), name="wild"),
        routes_to("default", "example.tld", to("exact.example"), name="exact"),
    )
    found = leads(config, "80")
    assert found["*.tld"] == "outbound|80||wild.example"
    assert found["example.tld"] == "outbound|80||exact.example"
    assert found[KNOWN] == f"outbound|80||{KNOWN}"


def gateway(
    *servers: str, documents: tuple[str, ...] = (), names: tuple[str, ...] = ("gw",), services: str = ""
) -> ProxyConfig:
    gateways = [
        f"""apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{istio: gw}}
  servers:
  - {server}
"""
        for name, server in zip(names, servers, strict=True)
    ]
    text = "---\n".join([*gateways, *documents, *([services] if services else [])])
    proxies = {
        "egress": {
            "role": "gateway",
            "namespace": "istio-system",
            "ip": "10.1.0.9",
            "labels": {"istio": "gw"},
        }
    }
    return translate(registry_of(text, {"proxies": proxies}), "egress", config_source="eds")


def http(hosts: str, port: int = 80, more: str = "") -> str:
    return f"{{port: {{number: {port}, name: http-{port}, protocol: HTTP}}, hosts: [{hosts}]{more}}}"


def hosts_of(config: ProxyConfig, name: str) -> dict[str, dict[str, Any]]:
    found = next(to_plain(each) for each in config.routes if each.name == name)
    return {host["name"]: host for host in found["virtual_hosts"]}


def test_a_gateway_host_that_only_some_paths_lead_from():
    """The narrower of server host and rule host becomes the virtual host."""
    rule = routes_to(
        "default", '"*"', to("productpage.example", 9080), "match: [{uri: {exact: /p}}]", gateways="[gw]"
    )
    (host,) = hosts_of(gateway(http("foo.bar"), documents=(rule,)), "http.80").values()
    assert (host["name"], host["domains"]) == ("foo.bar:80", ["foo.bar"])
    assert [route["match"].get("path") for route in host["routes"]] == ["/p"]


def test_a_server_without_rules_answers_404_on_its_own_port_and_nowhere_else():
    """One virtual host without routes, one listener."""
    config = gateway(http("foo.bar"))
    assert [each.name for each in config.listeners] == ["0.0.0.0_80"]
    (host,) = hosts_of(config, "http.80").values()
    assert (host["name"], host["domains"], host.get("routes", [])) == ("blackhole:80", ["*"], [])


def test_behind_tls_routes_are_named_after_the_server_and_ports_default_to_its_own():
    """``httpsRedirect`` says nothing where TLS ends already."""
    server = (
        "{port: {number: 443, name: https, protocol: HTTPS}, hosts: [example.com], "
        "tls: {mode: SIMPLE, serverCertificate: /a.crt, privateKey: /a.key, httpsRedirect: true}}"
    )
    rule = routes_to("default", "example.com", to("b"), gateways="[gw]")
    config = gateway(server, documents=(rule,))
    assert [each.name for each in config.listeners] == ["0.0.0.0_443"]
    (host,) = hosts_of(config, "https.443.https.gw.default").values()
    assert host["name"] == "example.com:443"
    assert host["routes"][0]["route"]["cluster"] == f"outbound|443||b.default.{SUFFIX}"


def test_hosts_under_a_wildcard_server_lead_apart():
    """A host without a rule has no virtual host at all."""
    rules = tuple(
        routes_to("default", f"{name}.example.com", to(f"{name}.svc.example", 80), name=name, gateways="[gw]")
        for name in ("a", "b")
    )
    found = hosts_of(gateway(http('"*.example.com"'), documents=rules), "http.80")
    assert sorted(found) == ["a.example.com:80", "b.example.com:80"]


@pytest.mark.parametrize("has_rule", [True, False])
def test_a_redirecting_server_redirects_with_and_without_rules(has_rule):
    """The virtual host demands TLS."""
    rules = (routes_to("default", "example.com", to("a.example"), gateways="[gw]"),) if has_rule else ()
    found = hosts_of(
        gateway(http("example.com", more=", tls: {httpsRedirect: true}"), documents=rules), "http.80"
    )
    assert found["example.com:80"]["require_tls"] == "ALL"


def test_of_two_gateways_with_one_host_a_redirect_wins():
    """Their servers merge."""
    config = gateway(
        http("example.com", more=", tls: {httpsRedirect: true}"),
        http("example.com"),
        names=("first", "second"),
    )
    assert hosts_of(config, "http.80")["example.com:80"]["require_tls"] == "ALL"


@pytest.mark.parametrize("tcp_first", [True, False])
def test_the_older_gateway_decides_the_protocol_of_a_port(tcp_first):
    """TCP without a route gives no listener; HTTP without one answers 404. The loser is reported."""
    servers = ["{port: {number: 80, name: tcp, protocol: TCP}, hosts: [foo.bar]}", http("foo.bar")]
    config = gateway(*(servers if tcp_first else reversed(servers)), names=("alpha", "beta"))
    assert [each.name for each in config.listeners] == ([] if tcp_first else ["0.0.0.0_80"])
    assert [each.name for each in config.routes] == ([] if tcp_first else ["http.80"])
    assert Notice.PORT_TAKEN in {each.code for each in config.warnings}


def test_a_namespace_before_a_host_admits_only_rules_of_that_namespace():
    """Each reaches its own."""
    rules = tuple(
        routes_to(ns, f"{ns}.example.com", to("echo"), name=ns, gateways=f"[default/{ns}]")
        for ns in ("one", "two")
    )
    config = gateway(
        http('"one/*.example.com"'), http('"two/*.example.com"'), documents=rules, names=("one", "two")
    )
    clusters = {
        name: host["routes"][0]["route"]["cluster"] for name, host in hosts_of(config, "http.80").items()
    }
    assert clusters == {f"{ns}.example.com:80": f"outbound|80||echo.{ns}.{SUFFIX}" for ns in ("one", "two")}


def test_the_target_port_names_listener_and_routes_and_the_port_itself_the_rest():
    """Rules and virtual hosts speak of the Gateway's own number."""
    mapped = """apiVersion: v1
kind: Service
metadata: {name: gw, namespace: istio-system}
spec: {selector: {istio: gw}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
    rule = routes_to("default", "example.com", to("a.example"), "match: [{port: 80}]", gateways="[gw]")
    config = gateway(http("example.com"), documents=(rule,), services=mapped)
    assert [each.name for each in config.listeners] == ["0.0.0.0_8080"]
    assert list(hosts_of(config, "http.8080")) == ["example.com:80"]


def test_rules_of_one_host_follow_each_other_on_a_gateway():
    """Unlike on a sidecar, where the oldest takes all."""
    hosts = {"both": "foo.example.com, bar.example.com", "foo": "foo.example.com"}
    rules = tuple(
        routes_to(
            "default",
            served,
            to(f"{name}.svc"),
            f"match: [{{uri: {{prefix: /{name}}}}}]",
            name,
            gateways="[gw]",
        )
        for name, served in hosts.items()
    )
    found = hosts_of(gateway(http('"*.example.com"'), documents=rules), "http.80")
    assert [each["match"]["prefix"] for each in found["foo.example.com:80"]["routes"]] == ["/both", "/foo"]
    assert [each["match"]["prefix"] for each in found["bar.example.com:80"]["routes"]] == ["/both"]


def test_the_same_sni_twice_gives_one_chain():
    """Envoy would refuse two."""
    server = (
        "{port: {number: 443, name: tls, protocol: TLS}, hosts: ['*.example.com'], tls: {mode: PASSTHROUGH}}"
    )
    rules = tuple(
        f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [mysite.example.com]
  gateways: [gw]
  tls:
  - match: [{{sniHosts: [mysite.example.com]}}]
    route: [{{destination: {{host: mysite.example.com}}}}]
"""
        for name in ("one", "two")
    )
    config = gateway(server, documents=rules)
    assert [len(each.filter_chains) for each in config.listeners] == [1]
    assert "sni-taken" in {each.code for each in config.warnings}


def test_endpoint_weights_add_up_by_locality():
    """An endpoint without a weight counts one."""
    text = f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: weighted}}
spec:
  hosts: [weighted.static.{SUFFIX}]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
  - {{address: 3.3.3.3, locality: a}}
  - {{address: 2.2.2.2, locality: a, weight: 8}}
  - {{address: 1.1.1.1, locality: b, weight: 3}}
"""
    config = sidecar("default", text)
    name = f"outbound|80||weighted.static.{SUFFIX}"
    (assignment,) = [to_plain(each) for each in config.endpoints if each.cluster_name == name]
    weights = {
        group["locality"]["region"]: group["load_balancing_weight"] for group in assignment["endpoints"]
    }
    assert weights == {"a": 9, "b": 3}
    single = {
        endpoint["endpoint"]["address"]["socket_address"]["address"]: endpoint["load_balancing_weight"]
        for group in assignment["endpoints"]
        for endpoint in group["lb_endpoints"]
    }
    assert single == {"3.3.3.3": 1, "2.2.2.2": 8, "1.1.1.1": 3}
