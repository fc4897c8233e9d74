"""What services say of themselves: who they are, who is near, what they represent."""

from __future__ import annotations

from typing import Any

import pytest

from bench.translate import ProxyConfig, TlsMaterial, translate
from bench.translate.messages import to_plain
from tests.translate.conftest import registry_of

MATERIAL = TlsMaterial("/w/cert.pem", "/w/key.pem", "/w/root.pem")
RULE = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule}
spec: {host: "*.example.org", trafficPolicy: %s}
"""
ENTRY = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: pay%s}
spec:
  hosts: [pay.example.org]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  subjectAltNames: [%s]
  workloadSelector: {labels: {app: pay}}
"""
WORKLOADS = """---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: near}
spec: {address: 10.3.0.1, labels: {app: pay}, locality: eu/a, serviceAccount: payer}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: close}
spec: {address: 10.3.0.2, labels: {app: pay}, locality: eu/b, serviceAccount: payer}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: far}
spec: {address: 10.3.0.3, labels: {app: pay}, locality: us/a}
"""
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]%s}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-0, labels: {app: shop}}
spec: {serviceAccountName: shopper, containers: []}
status: {podIP: 10.4.0.1}
"""
PREFERRED = ", annotations: {networking.istio.io/traffic-distribution: prefersamezone}"
PAY, SHOP = "outbound|80||pay.example.org", "outbound|80||shop.default.svc.cluster.local"


def seen_by_client(text: str, semantics: str = "current") -> ProxyConfig:
    proxies = {"client": {"role": "sidecar", "ip": "10.1.0.5", "locality": "eu/a"}}
    registry = registry_of(text, {"semantics": semantics, "proxies": proxies})
    return translate(registry, "client", config_source="eds", tls_material=MATERIAL)


def cluster(config: ProxyConfig, name: str) -> dict[str, Any]:
    return next(to_plain(each) for each in config.clusters if each.name == name)


def demanded_names(config: ProxyConfig, name: str) -> list[str]:
    common = cluster(config, name)["transport_socket"]["typed_config"]["common_tls_context"]
    context = common["combined_validation_context"].get("default_validation_context", {})
    return [each["matcher"]["exact"] for each in context.get("match_typed_subject_alt_names", [])]


@pytest.mark.parametrize("mode", ["ISTIO_MUTUAL", "SIMPLE"])
def test_a_service_entrys_accounts_and_names_are_demanded_together(mode):
    """Sorted, each once; with TLS of one's own as well, since the service is not a Kubernetes Service."""
    text = ENTRY % ("", "zeta.example.org") + WORKLOADS + RULE % f"{{tls: {{mode: {mode}}}}}"
    assert demanded_names(seen_by_client(text), PAY) == [
        "spiffe://cluster.local/ns/default/sa/payer",
        "zeta.example.org",
    ]


def test_names_in_the_rule_represent_all_others():
    """Only they are demanded then."""
    text = ENTRY % ("", "zeta.example.org") + WORKLOADS
    text += RULE % "{tls: {mode: ISTIO_MUTUAL, subjectAltNames: [own.example.org]}}"
    assert demanded_names(seen_by_client(text), PAY) == ["own.example.org"]


@pytest.mark.parametrize(
    ("mode", "names"),
    [("ISTIO_MUTUAL", ["spiffe://cluster.local/ns/default/sa/shopper"]), ("SIMPLE", [])],
)
def test_a_kubernetes_services_accounts_count_for_the_meshs_own_tls_only(mode, names):
    """A certificate that the mesh did not issue does not name accounts."""
    rule = (RULE % f"{{tls: {{mode: {mode}}}}}").replace('"*.example.org"', "shop")
    assert demanded_names(seen_by_client(SERVICE % "" + rule), SHOP) == names


def test_tcp_over_the_meshs_tls_is_distinguished_by_alpn_and_http_is_not():
    """As a gateway of istiod's offers it."""
    text = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {app: gw}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {mode: ISTIO_MUTUAL}
  - port: {number: 444, name: tls, protocol: TLS}
    hosts: ["*"]
    tls: {mode: ISTIO_MUTUAL}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tcp}
spec:
  hosts: ["*"]
  gateways: [gw]
  tcp: [{match: [{port: 444}], route: [{destination: {host: pay.example.org, port: {number: 80}}}]}]
"""
    proxies = {"egress": {"role": "gateway", "ip": "10.1.0.9", "labels": {"app": "gw"}}}
    registry = registry_of(ENTRY % ("", "") + text, {"proxies": proxies})
    config = translate(registry, "egress", config_source="eds", tls_material=MATERIAL)
    offered = {}
    for listener in config.listeners:
        tls = to_plain(listener.filter_chains[0])["transport_socket"]["typed_config"]
        assert tls["require_client_certificate"] is True
        offered[listener.name] = tls["common_tls_context"]["alpn_protocols"]
    assert offered == {
        "0.0.0.0_443": ["h2", "http/1.1"],
        "0.0.0.0_444": ["istio-peer-exchange", "h2", "http/1.1"],
    }


def priorities(config: ProxyConfig) -> dict[str, int]:
    (assignment,) = [to_plain(each) for each in config.endpoints if each.cluster_name == PAY]
    return {
        endpoint["endpoint"]["address"]["socket_address"]["address"]: group.get("priority", 0)
        for group in assignment["endpoints"]
        for endpoint in group["lb_endpoints"]
    }


def test_traffic_distribution_prefers_what_is_near():
    """Zone, then region, then the rest, without any outlier detection; localities are weighted."""
    config = seen_by_client(ENTRY % (PREFERRED, "") + WORKLOADS)
    assert priorities(config) == {"10.3.0.1": 0, "10.3.0.2": 1, "10.3.0.3": 2}
    assert "locality_weighted_lb_config" in cluster(config, PAY)["common_lb_config"]


def test_a_rules_localities_stand_above_traffic_distribution():
    """Without outlier detection the rule's failover then has no effect, as ever."""
    rule = RULE % "{loadBalancer: {localityLbSetting: {enabled: true}}}"
    config = seen_by_client(ENTRY % (PREFERRED, "") + WORKLOADS + rule)
    assert set(priorities(config).values()) == {0}
    assert "locality_weighted_lb_config" not in cluster(config, PAY)["common_lb_config"]


def test_istio_1_0_knows_no_traffic_distribution():
    """The field is younger."""
    assert set(priorities(seen_by_client(ENTRY % (PREFERRED, "") + WORKLOADS, "istio-1.0")).values()) == {0}


def test_a_service_reports_its_traffic_distribution_by_field_or_annotation():
    """Its cluster weighs localities either way; another word means nothing."""
    for written, weighs in (("PreferClose", True), ("PreferSameNode", True), ("Elsewhere", False)):
        config = seen_by_client(SERVICE % f", trafficDistribution: {written}")
        assert ("locality_weighted_lb_config" in cluster(config, SHOP)["common_lb_config"]) is weighs


def test_an_endpoint_slice_of_names_has_no_endpoints():
    """Envoy would refuse them."""
    slices = """---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, labels: {kubernetes.io/service-name: shop}}
addressType: FQDN
endpoints: [{addresses: [a.example.org]}]
ports: [{name: http, port: 80}]
"""
    (assignment,) = [
        to_plain(each)
        for each in seen_by_client(SERVICE % "" + slices).endpoints
        if each.cluster_name == SHOP
    ]
    assert "a.example.org" not in str(assignment)


LOST = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [pay.example.org]
  http:
  - match: [{uri: {prefix: /gone}}]
    delegate: {name: gone}
  - match: [{uri: {prefix: /there}}]
    delegate: {name: there}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: there}
spec:
  http:
  - match: [{uri: {prefix: /elsewhere}}]
    route: [{destination: {host: pay.example.org}}]
  - match: [{uri: {prefix: /there/and/back}}]
    route: [{destination: {host: pay.example.org}}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {type: ExternalName, externalName: nobody.example.org, ports: [{name: http, port: 80}]}
"""


def test_what_is_lost_on_the_way_is_reported_with_its_line():
    """A delegate that is not there, a delegated route that contradicts its root, an alias of nothing."""
    reported = {str(each.where): each.what for each in seen_by_client(LOST).warnings}
    assert "delegates to VirtualService default/gone" in reported["input.yaml:8"]
    assert "contradicts" in reported["input.yaml:18"]
    assert "ExternalName represents nobody.example.org" in reported["input.yaml:23"]
    assert len(reported) == 3
