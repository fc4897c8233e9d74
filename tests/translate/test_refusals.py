"""What files alone, or a proxy without interception, cannot do: an error that says what to write instead."""

from __future__ import annotations

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import ClusterDiscoveryType

from bench.errors import BenchError, InputError
from bench.translate import Refusal, RefusedError, TlsMaterial, translate
from bench.translate.messages import to_plain
from tests.translate.conftest import registry_of

CLIENT = {"proxies": {"client": {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"}}}
CAUGHT = {"proxies": {"client": {"role": "sidecar", "ip": "10.1.0.5"}}}
EGRESS = {"proxies": {"egress": {"role": "gateway", "ip": "10.1.0.9", "labels": {"istio": "egress"}}}}


def entry(resolution: str = "DNS", host: str = "pay.example.org", **more: str) -> str:
    lines = "".join(f"  {key}: {value}\n" for key, value in more.items())
    return f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: pay}}
spec:
  hosts: ["{host}"]
  resolution: {resolution}
  ports: [{{number: 80, name: http, protocol: HTTP}}]
{lines}"""


def rule(policy: str) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: pay}}
spec:
  host: pay.example.org
  trafficPolicy:
    {policy}
"""


def route(http: str) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: pay}}
spec:
  hosts: [pay.example.org]
  http:
  - {http}
"""


GATEWAY = """apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egress}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [pay.example.org]
    tls: %s
"""

TO_PAY = "route: [{destination: {host: pay.example.org}}]"


@pytest.mark.parametrize(
    ("text", "line", "code", "remedy"),
    [
        (entry("NONE"), 6, Refusal.RESOLUTION_NONE, "resolution STATIC or DNS"),
        (entry("DYNAMIC_DNS", host="*.example.org"), 6, Refusal.DYNAMIC_DNS, "resolution DNS or STATIC"),
        (
            entry() + rule("loadBalancer: {simple: PASSTHROUGH}"),
            15,
            Refusal.PASSTHROUGH_BALANCING,
            "Name the endpoints",
        ),
        (
            entry() + rule("tls: {mode: MUTUAL, credentialName: c}"),
            15,
            Refusal.CREDENTIAL_NAME,
            "clientCertificate",
        ),
        (
            entry() + rule("tls: {mode: ISTIO_MUTUAL}"),
            15,
            Refusal.WORKLOAD_CERTIFICATES,
            "tls.workload",
        ),
        (
            entry() + route("redirect: {authority: a.example, redirectCode: 305}"),
            15,
            Refusal.REDIRECT_CODE,
            "301",
        ),
        (
            entry() + route("directResponse: {status: 600}"),
            15,
            Refusal.DIRECT_RESPONSE_STATUS,
            "200 to 599",
        ),
        (
            entry() + rule("loadBalancer: {zoneAwareLbSetting: {enabled: true}}"),
            15,
            Refusal.ZONE_AWARE,
            "localityLbSetting",
        ),
    ],
)
def test_a_sidecar_without_interception_refuses(text, line, code, remedy):
    """The message names file and line, and what to write instead."""
    with pytest.raises(RefusedError) as refused:
        translate(registry_of(text, CLIENT), "client", config_source="static")

    assert refused.value.code is code
    assert str(refused.value).startswith(f"input.yaml:{line}: ")
    assert remedy in (refused.value.remedy or "")


@pytest.mark.parametrize(
    ("tls", "code"),
    [
        ("{mode: SIMPLE, credentialName: c}", Refusal.CREDENTIAL_NAME),
        ("{mode: ISTIO_MUTUAL}", Refusal.WORKLOAD_CERTIFICATES),
        ("{mode: AUTO_PASSTHROUGH}", Refusal.AUTO_PASSTHROUGH),
    ],
)
def test_a_gateway_refuses(tls, code):
    """So do servers whose certificates only an agent would have."""
    with pytest.raises(RefusedError) as refused:
        translate(registry_of(GATEWAY % tls, EGRESS), "egress", config_source="static")

    assert str(refused.value).startswith("input.yaml:")
    assert refused.value.code is code


def test_a_gateway_refuses_claims_of_a_token():
    """Nothing here verifies a token."""
    match = "match: [{headers: {'@request.auth.claims.sub': {exact: x}}}]"
    virtual_service = route(f"{match}\n    {TO_PAY}").replace("  http:", "  gateways: [out]\n  http:")
    plain = GATEWAY.replace("protocol: HTTPS", "protocol: HTTP") % "{httpsRedirect: false}"
    with pytest.raises(RefusedError) as refused:
        translate(registry_of(plain + virtual_service, EGRESS), "egress", config_source="static")

    assert refused.value.code is Refusal.JWT_CLAIMS


def test_allow_any_without_interception_reaches_nothing():
    """The original destination is the listener itself: sent there, a request would come back."""
    registry = registry_of(entry(), {**CLIENT, "outbound": "ALLOW_ANY"})
    config = translate(registry, "client", config_source="static")

    (passthrough,) = [each for each in config.clusters if each.name == "PassthroughCluster"]
    assert passthrough.type is ClusterDiscoveryType.STATIC
    assert passthrough.load_assignment is None


@pytest.mark.parametrize("text", [entry("NONE"), entry() + rule("loadBalancer: {simple: PASSTHROUGH}")])
def test_with_interception_connections_keep_their_destination(text):
    """The same resources are translated as istiod does where redirection shows the destination."""
    config = translate(registry_of(text, CAUGHT), "client", config_source="eds")
    found = next(to_plain(each) for each in config.clusters if each.name == "outbound|80||pay.example.org")
    assert (found["type"], found["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
    assert "virtualOutbound" in {each.name for each in config.listeners}


def test_istio_mutual_takes_the_workloads_certificates():
    """SNI and ALPN are those of the mesh."""
    material = TlsMaterial("/w/cert.pem", "/w/key.pem", "/w/root.pem")
    registry = registry_of(entry() + rule("tls: {mode: ISTIO_MUTUAL}"), CLIENT)
    config = translate(registry, "client", config_source="static", tls_material=material)
    found = next(to_plain(each) for each in config.clusters if each.name == "outbound|80||pay.example.org")
    context = found["transport_socket"]["typed_config"]
    assert context["sni"] == "outbound_.80_._.pay.example.org"
    assert context["common_tls_context"]["alpn_protocols"] == ["istio-peer-exchange", "istio"]
    assert config.files == ("/w/cert.pem", "/w/key.pem", "/w/root.pem")


def test_tls_that_a_closer_setting_takes_away_is_reported():
    """A subset's setting for its port replaces the whole policy, TLS included; a warning says so."""
    text = (
        entry()
        + rule("tls: {mode: SIMPLE}")
        + """  subsets:
  - name: v1
    trafficPolicy:
      portLevelSettings:
      - port: {number: 80}
        connectionPool: {tcp: {maxConnections: 1}}
"""
    )
    config = translate(registry_of(text, CLIENT), "client", config_source="static")
    found = {each.name: each for each in config.clusters}
    assert found["outbound|80||pay.example.org"].transport_socket is not None
    assert found["outbound|80|v1|pay.example.org"].transport_socket is None
    (warning,) = [each for each in config.warnings if each.code == "tls-dropped"]
    assert "outbound|80|v1|pay.example.org" in warning.what
    assert str(warning.where) == "input.yaml:20"


def test_a_proxy_that_is_not_there_is_named_with_those_that_are():
    """A wrong name is a mistake of the user's."""
    with pytest.raises(InputError, match=r"no proxy 'nobody'.*client"):
        translate(registry_of(entry(), CLIENT), "nobody", config_source="static")


def test_a_cluster_ip_for_a_service_that_does_not_exist_is_refused():
    """Facts of the inventory do not vanish."""
    with pytest.raises(BenchError, match="ghost"):
        registry_of(entry(), {**CLIENT, "services": [{"name": "ghost", "clusterIP": "10.0.0.1"}]})
