"""What differs between Istio 1.0 and today, each difference in both."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.translate import ProxyConfig, translate
from bench.translate.messages import to_plain
from tests.translate.conftest import SHOP, WALKTHROUGH, registry_of, walkthrough_inventory

WITHOUT_SERVICE = "---".join(WALKTHROUGH.split("---")[1:])
ERAS = ("istio-1.0", "current")


def translated(era: str, proxy: str, text: str = WITHOUT_SERVICE, **inventory: object) -> ProxyConfig:
    written = walkthrough_inventory(era)
    services = [each for each in written["services"] if each["name"] != "shop" or "kind: Service\n" in text]
    return translate(
        registry_of(text, {**written, "services": services, **inventory}), proxy, config_source="eds"
    )


def hosts_of(config: ProxyConfig, route_config: str) -> dict[str, dict]:
    found = next(each for each in config.routes if each.name == route_config)
    return {host["name"]: host for host in to_plain(found)["virtual_hosts"]}


def cluster(config: ProxyConfig, name: str) -> dict:
    return next(to_plain(each) for each in config.clusters if each.name == name)


@pytest.mark.parametrize(
    ("era", "ports"),
    [("istio-1.0", {"80|", "80|v1", "80|v2", "443|", "443|v1", "443|v2"}), ("current", {"80|"})],
)
def test_a_service_and_a_service_entry_of_one_host(era, ports):
    """Istio 1.0 has clusters for both; today the Service takes the host, and the gateway loses port 443."""
    config = translated(era, "egress", WALKTHROUGH)
    names = [each.name.split("|") for each in config.clusters if each.name.endswith(SHOP)]
    assert {f"{port}|{subset}" for _, port, subset, _ in names} == ports


def test_today_a_sidecar_takes_the_entry_of_its_own_namespace():
    """A Service of another namespace does not win over it there."""
    config = translated("current", "client", WALKTHROUGH)
    names = {each.name for each in config.clusters}
    assert f"outbound|443|v1|{SHOP}" in names
    assert f"outbound|80||{SHOP}" not in names


@pytest.mark.parametrize(("era", "subsets"), [("istio-1.0", True), ("current", False)])
def test_a_rule_in_a_namespace_that_is_neither_clients_nor_services(era, subsets):
    """Istio 1.0 finds it by its host alone; today it does not count."""
    text = WITHOUT_SERVICE.replace(
        "metadata: {name: shop}\nspec:\n  host:", "metadata: {name: shop, namespace: far}\nspec:\n  host:"
    )
    config = translated(era, "egress", text)
    assert (f"outbound|443|v1|{SHOP}" in {each.name for each in config.clusters}) is subsets


@pytest.mark.parametrize(
    ("era", "domains"),
    [
        (
            "istio-1.0",
            [
                SHOP,
                f"{SHOP}:80",
                "shop.partners",
                "shop.partners:80",
                "shop.partners.svc.cluster",
                "shop.partners.svc.cluster:80",
                "shop.partners.svc",
                "shop.partners.svc:80",
                "10.233.36.124",
                "10.233.36.124:80",
            ],
        ),
        ("current", [SHOP, f"{SHOP}.", "shop.partners", "shop.partners.svc", "10.233.36.124"]),
    ],
)
def test_domains_of_a_sidecars_virtual_host(era, domains):
    """Ten names then, in that order; five now, the port being ignored."""
    text = WALKTHROUGH.replace(
        "kind: ServiceEntry\nmetadata: {name: shop}",
        "kind: ServiceEntry\nmetadata: {name: shop, namespace: far}",
    )
    config = translated(era, "client", text)
    assert hosts_of(config, "80")[f"{SHOP}:80"]["domains"] == domains
    assert {each.ignore_port_in_host_matching for each in config.routes} == {era == "current"}


@pytest.mark.parametrize(("era", "domains"), [("istio-1.0", [SHOP, f"{SHOP}:80"]), ("current", [SHOP])])
def test_domains_of_a_gateways_virtual_host(era, domains):
    """Only the host itself, with its port in Istio 1.0."""
    assert hosts_of(translated(era, "egress"), "http.80")[f"{SHOP}:80"]["domains"] == domains


@pytest.mark.parametrize(
    ("era", "outbound", "last"),
    [
        ("istio-1.0", "REGISTRY_ONLY", None),
        ("current", "REGISTRY_ONLY", {"direct_response": {"status": 502}}),
        ("current", "ALLOW_ANY", {"route": "PassthroughCluster"}),
    ],
)
def test_a_host_that_nothing_knows(era, outbound, last):
    """No virtual host (404) then; blocked with 502, or passed through, now."""
    proxies = walkthrough_inventory()["proxies"]
    proxies["client"]["interception"] = "redirect"
    found = hosts_of(translated(era, "client", outbound=outbound, proxies=proxies), "80")
    catch_all = [host for host in found.values() if host["domains"] == ["*"]]
    if last is None:
        assert catch_all == []
        return
    (route,) = catch_all[0]["routes"]
    assert route.get("direct_response") == last.get("direct_response")
    assert route.get("route", {}).get("cluster") == last.get("route")


@pytest.mark.parametrize("era", ERAS)
def test_retries_without_a_rule(era):
    """None then; two now, but not on 503."""
    (host,) = hosts_of(translated(era, "egress"), "http.80").values()
    policies = [route["route"].get("retry_policy") for route in host["routes"]]
    if era == "istio-1.0":
        assert policies == [None, None]
    else:
        assert {each["num_retries"] for each in policies} == {2}
        assert all("retriable_status_codes" not in each for each in policies)


@pytest.mark.parametrize(
    ("era", "timeout", "limits", "balancer"),
    [
        ("istio-1.0", timedelta(seconds=1), {}, None),
        (
            "current",
            timedelta(seconds=10),
            dict.fromkeys(
                ("max_connections", "max_pending_requests", "max_requests", "max_retries"), 4294967295
            ),
            "LEAST_REQUEST",
        ),
    ],
)
def test_defaults_of_a_cluster(era, timeout, limits, balancer):
    """Connect timeout, circuit breakers and load balancer."""
    config = translated(era, "egress")
    name = f"outbound|443|v1|{SHOP}"
    assert next(each for each in config.clusters if each.name == name).connect_timeout == timeout
    plain = cluster(config, name)
    assert plain["circuit_breakers"]["thresholds"] == [limits]
    assert plain.get("lb_policy") == balancer


@pytest.mark.parametrize("era", ERAS)
def test_server_name_and_verified_name_without_sni(era):
    """Neither then; both follow the request's host now, and TLS versions are written out."""
    plain = cluster(translated(era, "egress"), f"outbound|443|v1|{SHOP}")
    context = plain["transport_socket"]["typed_config"]
    options = plain.get("typed_extension_protocol_options", {})
    assert "sni" not in context
    if era == "istio-1.0":
        assert options == {}
        assert "tls_params" not in context["common_tls_context"]
    else:
        (http,) = options.values()
        assert http["upstream_http_protocol_options"] == {"auto_sni": True, "auto_san_validation": True}
        assert context["common_tls_context"]["tls_params"] == {
            "tls_minimum_protocol_version": "TLSv1_2",
            "tls_maximum_protocol_version": "TLSv1_3",
        }


@pytest.mark.parametrize("era", ERAS)
def test_a_gateway_without_any_virtual_service(era):
    """The same name; an answer of its own then, no route at all now: 404 in both."""
    documents = [part for part in WITHOUT_SERVICE.split("---") if "name: to-shop" not in part]
    (host,) = hosts_of(translated(era, "egress", "---".join(documents)), "http.80").values()
    assert (host["name"], host["domains"]) == ("blackhole:80", ["*"])
    expected = (
        [{"match": {"prefix": "/"}, "direct_response": {"status": 404}}] if era == "istio-1.0" else None
    )
    assert host.get("routes") == expected


@pytest.mark.parametrize(("era", "verified"), [("istio-1.0", False), ("current", True)])
def test_tls_without_a_trust_bundle(era, verified):
    """Not verified then, and a warning says so; verified against the system's bundle now."""
    text = WITHOUT_SERVICE.replace("        caCertificates: /etc/istio/ca-certs/ca.crt\n", "")
    config = translated(era, "egress", text)
    common = cluster(config, f"outbound|443|v1|{SHOP}")["transport_socket"]["typed_config"][
        "common_tls_context"
    ]
    assert ("combined_validation_context" in common) is verified
    assert ("tls-not-verified" in {each.code for each in config.warnings}) is not verified


@pytest.mark.parametrize(
    ("era", "name"), [("istio-1.0", "https.443.web"), ("current", "https.443.web.front.istio-system")]
)
def test_name_of_a_tls_servers_route_configuration(era, name):
    """The Gateway is part of it today."""
    text = f"""{WITHOUT_SERVICE}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front, namespace: istio-system}}
spec:
  selector: {{istio: egressgateway}}
  servers:
  - port: {{number: 443, name: web, protocol: HTTPS}}
    hosts: [web.example.org]
    tls: {{mode: SIMPLE, serverCertificate: /c/tls.crt, privateKey: /c/tls.key}}
"""
    assert name in {each.name for each in translated(era, "egress", text).routes}
