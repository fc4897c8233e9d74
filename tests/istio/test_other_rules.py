"""Gateway, ServiceEntry, DestinationRule, WorkloadEntry: accepted and refused as Istio does."""

from __future__ import annotations

import pytest

from tests.istio.verdicts import refused_fields, warned_fields


def server(port: str = "number: 443, name: s, protocol: HTTPS", hosts: str = "a.test", rest: str = "") -> str:
    return f"servers:\n- port: {{{port}}}\n  hosts: [{hosts}]\n  {rest}"


HTTP = "number: 80, name: h, protocol: http"
FILES = "serverCertificate: /c, privateKey: /k"


@pytest.mark.parametrize(
    "spec",
    [
        server(HTTP),
        server(HTTP, "'*', '*.a.test', ns/b.test, ./c.test, '*/d.test', 10.0.0.1, 'ns/*'"),
        server(HTTP, rest="tls: {httpsRedirect: true}"),
        server("number: 0, name: h, protocol: HTTP", rest="bind: unix:///run/s"),
        server(HTTP, rest="bind: '::'"),
        server(rest="tls: {}"),
        server(rest=f"tls: {{mode: SIMPLE, {FILES}}}"),
        server(rest="tls: {mode: OPTIONAL_MUTUAL, credentialName: x}"),
        server(rest="tls: {mode: SIMPLE, credentialNames: [a, b]}"),
        server(rest=f"tls: {{mode: MUTUAL, {FILES}, caCertificates: /ca, caCrl: /crl}}"),
        server(rest=f"tls: {{mode: SIMPLE, tlsCertificates: [{{{FILES}}}, {{{FILES}}}]}}"),
        server(rest="tls: {mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_3, cipherSuites: [AES128-SHA]}"),
        server("number: 5432, name: 'p q', protocol: Mongo, targetPort: 0"),
        server("number: 53, name: u, protocol: UDP"),
    ],
)
def test_gateways_that_istio_accepts(spec: str) -> None:
    assert refused_fields("Gateway", spec) == []


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("selector: {a: b}", ["servers"]),
        ("servers: [{port: {number: 80, name: h, protocol: HTTP}}]", ["servers[0].hosts"]),
        (server(HTTP, ""), ["servers[0].hosts"]),
        (server(HTTP, "short"), ["servers[0].hosts[0]"]),
        (server(HTTP, "'*a.test'"), ["servers[0].hosts[0]"]),
        (server(HTTP, "a_b/x.test"), ["servers[0].hosts[0]"]),
        (server(HTTP, "'~/x.test'"), ["servers[0].hosts[0]"]),
        (server("number: 80, name: h, protocol: QUIC"), ["servers[0].port.protocol"]),
        (server("number: 0, name: h, protocol: HTTP"), ["servers[0].port.number"]),
        (server("number: 80, name: '', protocol: HTTP"), ["servers[0].port.name"]),
        (server("number: 80, name: h, protocol: HTTP, targetPort: 1"), ["servers[0].port.targetPort"]),
        (server(HTTP, rest="bind: unix:///run/s"), ["servers[0].port.number"]),
        (server("number: 0, name: h, protocol: HTTP", rest="bind: unix://s"), ["servers[0].bind"]),
        (server(HTTP, rest="bind: localhost"), ["servers[0].bind"]),
        (server(), ["servers[0]"]),
        (server("number: 1, name: t, protocol: TCP", rest="tls: {}"), ["servers[0].tls"]),
        (server(HTTP, rest="tls: {caCertificates: /ca}"), ["servers[0].tls"]),
        (server(rest="tls: {mode: SIMPLE, serverCertificate: /c}"), ["servers[0].tls.privateKey"]),
        (server(rest=f"tls: {{mode: MUTUAL, {FILES}}}"), ["servers[0].tls.caCertificates"]),
        (server(rest=f"tls: {{mode: SIMPLE, credentialName: x, {FILES}}}"), ["servers[0].tls"]),
        (server(rest="tls: {mode: SIMPLE, credentialName: x, credentialNames: [a]}"), ["servers[0].tls"]),
        (server(rest="tls: {mode: SIMPLE, credentialNames: []}"), ["servers[0].tls.credentialNames"]),
        (server(rest="tls: {mode: SIMPLE, credentialNames: [a, b, c]}"), ["servers[0].tls.credentialNames"]),
        (
            server(rest="tls: {mode: SIMPLE, tlsCertificates: [{privateKey: /k}]}"),
            ["servers[0].tls.tlsCertificates[0].serverCertificate"],
        ),
        (server(rest=f"tls: {{mode: SIMPLE, {FILES}, caCrl: /c}}"), ["servers[0].tls.caCrl"]),
        (server(rest="tls: {mode: ISTIO_MUTUAL, caCertificates: /c}"), ["servers[0].tls.caCertificates"]),
    ],
)
def test_gateways_that_istio_refuses(spec: str, fields: list[str]) -> None:
    found = refused_fields("Gateway", spec)

    assert list(dict.fromkeys(found)) == fields


def test_port_names_of_servers_are_unique_and_the_name_of_a_gateway_is_a_label() -> None:
    twice = server(HTTP) + "\n- port: {number: 81, name: h, protocol: HTTP}\n  hosts: [b.test]"

    assert refused_fields("Gateway", twice) == ["servers[1].port.name"]
    assert refused_fields("Gateway", server(HTTP), name="a.b") == ["metadata.name"]


PORT = "ports: [{number: 443, name: tls, protocol: TLS}]\n"


@pytest.mark.parametrize(
    "spec",
    [
        "hosts: [a.test]",
        "hosts: [a.test.]\nresolution: DNS\n" + PORT,
        "hosts: ['*.a.test', '*b.test']\nresolution: STATIC\n" + PORT,
        "hosts: ['*.a.test']\nresolution: DNS\nendpoints: [{address: b.test}]\n" + PORT,
        "hosts: ['*.a.test']\nresolution: DYNAMIC_DNS\n" + PORT,
        "hosts: [a.test]\naddresses: [10.0.0.0/8, '::1']\n" + PORT,
        "hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: 10.0.0.1, ports: {tls: 1}}]\n" + PORT,
        "hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: 'unix:///s'}]\n" + PORT,
        "hosts: [a.test]\nresolution: STATIC\nworkloadSelector: {labels: {a: ''}}\n" + PORT,
        "hosts: [a.test, b.test]\nresolution: DNS\n" + PORT,
        "hosts: [a.test, b.test]\nports: [{number: 1, name: t, protocol: TCP}]",
        "hosts: [a.test]\nexportTo: ['~']\nports: [{number: 1, name: T, targetPort: 65535}]",
        "hosts: [a.test]\nresolution: DNS_ROUND_ROBIN\nendpoints: [{address: b.test}]\n" + PORT,
    ],
)
def test_service_entries_that_istio_accepts(spec: str) -> None:
    assert refused_fields("ServiceEntry", spec) == []


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("hosts: []", ["hosts"]),
        ("hosts: ['*']", ["hosts[0]"]),
        ("hosts: [a_b]", ["hosts[0]"]),
        ("hosts: [a.test]\naddresses: [a.test]", ["addresses[0]"]),
        ("hosts: [a.test]\naddresses: [10.0.0.0/8]\nresolution: DNS", ["addresses"]),
        ("hosts: [a.test]\nendpoints: []", ["endpoints"]),
        ("hosts: [a.test]\nresolution: STATIC\nendpoints: []\nworkloadSelector: {}", ["endpoints"]),
        ("hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: b.test}]", ["endpoints[0].address"]),
        ("hosts: [a.test]\nresolution: STATIC\nendpoints: [{labels: {a: b}}]", ["endpoints[0].address"]),
        ("hosts: [a.test]\nresolution: DNS\nendpoints: [{network: far}]", ["endpoints[0].address"]),
        (
            "hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: 1.1.1.1, ports: {x: 1}}]\n" + PORT,
            ["endpoints[0].ports.x"],
        ),
        (
            "hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: 1.1.1.1, ports: {tls: 0}}]\n" + PORT,
            ["endpoints[0].ports.tls"],
        ),
        (
            "hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: 'unix://s/'}]\n" + PORT,
            ["endpoints[0].address"],
        ),
        (
            "hosts: [a.test]\nresolution: STATIC\nendpoints: [{address: 'unix:///s'}]",
            ["endpoints[0].address"],
        ),
        ("hosts: ['*.a.test']\nresolution: DNS", ["hosts[0]"]),
        (
            "hosts: [a.test]\nresolution: DNS_ROUND_ROBIN\nendpoints: [{address: b.t}, {address: c.t}]",
            ["endpoints"],
        ),
        ("hosts: ['*.a.test']\nresolution: DYNAMIC_DNS\nendpoints: [{address: b.test}]", ["endpoints"]),
        (
            "hosts: ['*.a.test']\nresolution: DYNAMIC_DNS\nports: [{number: 1, name: t, protocol: TCP}]",
            ["ports[0].protocol"],
        ),
        (
            "hosts: [a.test, b.test]\nresolution: DNS\nports: [{number: 1, name: t, protocol: TCP}]",
            ["ports[0]"],
        ),
        ("hosts: [a.test]\nports: [{number: 1, name: a_b}]", ["ports[0].name"]),
        (
            "hosts: [a.test]\nports: [{number: 0, name: a, targetPort: 0}]",
            ["ports[0].number", "ports[0].targetPort"],
        ),
        (
            "hosts: [a.test]\nports: [{number: 1, name: a}, {number: 1, name: a}]",
            ["ports[1].name", "ports[1].number"],
        ),
        ("hosts: [a.test]\nports: [{number: 1, name: a, protocol: SCTP}]", ["ports[0].protocol"]),
        (
            "hosts: [a.test]\nresolution: STATIC\nworkloadSelector: {labels: {a: b*}}",
            ["workloadSelector.labels.a"],
        ),
        ("hosts: [a.test]\nexportTo: ['~', x]", ["exportTo"]),
    ],
)
def test_service_entries_that_istio_refuses(spec: str, fields: list[str]) -> None:
    found = refused_fields("ServiceEntry", spec)

    assert list(dict.fromkeys(found)) == fields


def test_a_waypoint_excludes_dynamic_lookup_inside_of_the_mesh() -> None:
    spec = "hosts: ['*.a.test']\nresolution: DYNAMIC_DNS\nlocation: MESH_INTERNAL"

    assert refused_fields("ServiceEntry", spec, metadata="labels: {istio.io/use-waypoint: w}") == ["location"]
    assert refused_fields("ServiceEntry", spec, metadata="labels: {istio.io/use-waypoint: none}") == []


def policy(text: str) -> str:
    return f"host: a.test\ntrafficPolicy: {{{text}}}"


def hashed(text: str) -> str:
    return policy(f"loadBalancer: {{consistentHash: {{{text}}}}}")


def localities(text: str) -> str:
    return policy(f"loadBalancer: {{localityLbSetting: {{{text}}}}}")


@pytest.mark.parametrize(
    "spec",
    [
        "host: '*'",
        policy("loadBalancer: {}"),
        policy("retryBudget: {}"),
        policy("connectionPool: {tcp: {idleTimeout: 0s, connectTimeout: 2000us, maxConnections: 0}}"),
        policy("connectionPool: {tcp: {idleTimeout: 100us}}"),
        policy("connectionPool: {http: {http2KeepAlive: {interval: 1s, timeout: 1s}}}"),
        policy("connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: false}}"),
        policy("outlierDetection: {consecutiveErrors: -1, maxEjectionPercent: 100, interval: 1ms}"),
        policy("outlierDetection: {consecutiveLocalOriginFailures: 1, splitExternalLocalOriginErrors: true}"),
        policy("tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}"),
        policy("tls: {mode: MUTUAL, credentialName: x, insecureSkipVerify: true}"),
        policy("tls: {mode: DISABLE, caCertificates: /ca, credentialName: x}"),
        policy("tls: {mode: SIMPLE, credentialName: 'configmap://default/x'}"),
        policy("tls: {mode: SIMPLE, insecureSkipVerify: false, subjectAltNames: [a]}"),
        policy("tunnel: {protocol: POST, targetHost: '::1', targetPort: 1}"),
        policy("portLevelSettings: [{port: {number: 0}, tls: {}}]"),
        policy("loadBalancer: {warmup: {duration: 1s, aggression: 0.1, minimumPercent: 0}}"),
        policy("loadBalancer: {warmupDurationSecs: 1500us}"),
        policy("loadBalancer: {zoneAwareLbSetting: {enabled: true, minClusterSize: 3}}"),
        hashed("httpHeaderName: ''"),
        hashed("maglev: {tableSize: 4999999}"),
        hashed("minimumRingSize: 5"),
        hashed("httpCookie: {name: c, ttl: 0s, attributes: [{name: a}, {name: A}]}"),
        localities("distribute: [{from: a, to: {a/*: 40, b: 60}}, {from: b/c/*, to: {x: 100}}]"),
        localities("failover: [{from: a, to: b}], failoverPriority: [x]"),
        "host: a.test\nsubsets: [{name: V1}, {name: v1, labels: {}, trafficPolicy: {tls: {}}}]",
        "host: a.test\nworkloadSelector: {matchLabels: {a: b}}\nexportTo: [.]",
    ],
)
def test_destination_rules_that_istio_accepts(spec: str) -> None:
    assert refused_fields("DestinationRule", spec) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("subsets: []", "host"),
        ("host: ''", "host"),
        ("host: a/b", "host"),
        (policy(""), "trafficPolicy"),
        (policy("portLevelSettings: []"), "trafficPolicy"),
        (policy("connectionPool: {}"), "trafficPolicy.connectionPool"),
        (
            policy("connectionPool: {tcp: {connectTimeout: 0s}}"),
            "trafficPolicy.connectionPool.tcp.connectTimeout",
        ),
        (
            policy("connectionPool: {tcp: {idleTimeout: 1.5ms}}"),
            "trafficPolicy.connectionPool.tcp.idleTimeout",
        ),
        (policy("connectionPool: {tcp: {idleTimeout: -1s}}"), "trafficPolicy.connectionPool.tcp.idleTimeout"),
        (
            policy("connectionPool: {tcp: {maxConnections: -1}}"),
            "trafficPolicy.connectionPool.tcp.maxConnections",
        ),
        (
            policy("connectionPool: {tcp: {tcpKeepalive: {time: 1us}}}"),
            "trafficPolicy.connectionPool.tcp.tcpKeepalive.time",
        ),
        (policy("connectionPool: {http: {maxRetries: -1}}"), "trafficPolicy.connectionPool.http.maxRetries"),
        (
            policy("connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}"),
            "trafficPolicy.connectionPool.http.useClientProtocol",
        ),
        (
            policy("connectionPool: {http: {http2KeepAlive: {timeout: 1s}}}"),
            "trafficPolicy.connectionPool.http.http2KeepAlive.interval",
        ),
        (
            policy("outlierDetection: {minHealthPercent: 101}"),
            "trafficPolicy.outlierDetection.minHealthPercent",
        ),
        (
            policy("outlierDetection: {consecutive5xxErrors: -1}"),
            "trafficPolicy.outlierDetection.consecutive5xxErrors",
        ),
        (
            policy("outlierDetection: {consecutiveLocalOriginFailures: 1}"),
            "trafficPolicy.outlierDetection.consecutiveLocalOriginFailures",
        ),
        (policy("tls: {mode: MUTUAL, clientCertificate: /c}"), "trafficPolicy.tls.privateKey"),
        (policy("tls: {mode: MUTUAL, privateKey: /k}"), "trafficPolicy.tls.clientCertificate"),
        (policy("tls: {mode: SIMPLE, credentialName: x, caCrl: /c}"), "trafficPolicy.tls.credentialName"),
        (policy("tls: {mode: SIMPLE, credentialName: 'configmap://x'}"), "trafficPolicy.tls.credentialName"),
        (
            policy("tls: {mode: SIMPLE, credentialName: 'configmap://b/x'}"),
            "trafficPolicy.tls.credentialName",
        ),
        (
            policy("tls: {mode: SIMPLE, insecureSkipVerify: true, credentialName: x}"),
            "trafficPolicy.tls.insecureSkipVerify",
        ),
        (policy("tls: {mode: simple}"), "trafficPolicy.tls.mode"),
        (policy("tunnel: {targetHost: a_b, targetPort: 1}"), "trafficPolicy.tunnel.targetHost"),
        (policy("tunnel: {targetHost: a, targetPort: 0}"), "trafficPolicy.tunnel.targetPort"),
        (policy("tunnel: {protocol: GET, targetHost: a, targetPort: 1}"), "trafficPolicy.tunnel.protocol"),
        (policy("tunnel: {targetHost: a, targetPort: 1}, proxyProtocol: {}"), "trafficPolicy.tunnel"),
        (policy("portLevelSettings: [{tls: {}}]"), "trafficPolicy.portLevelSettings[0]"),
        (policy("portLevelSettings: [{port: {number: 1}}]"), "trafficPolicy.portLevelSettings[0]"),
        (policy("loadBalancer: {warmup: {}}"), "trafficPolicy.loadBalancer.warmup.duration"),
        (
            policy("loadBalancer: {warmup: {duration: 1s, aggression: 0}}"),
            "trafficPolicy.loadBalancer.warmup.aggression",
        ),
        (policy("loadBalancer: {warmupDurationSecs: 0s}"), "trafficPolicy.loadBalancer.warmupDurationSecs"),
        (policy("loadBalancer: {simple: RANDOM, consistentHash: {}}"), "trafficPolicy.loadBalancer"),
        (
            policy("loadBalancer: {localityLbSetting: {}, zoneAwareLbSetting: {}}"),
            "trafficPolicy.loadBalancer",
        ),
        (hashed("useSourceIp: true, httpHeaderName: x"), "trafficPolicy.loadBalancer.consistentHash"),
        (hashed("maglev: {tableSize: 9}"), "trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"),
        (
            hashed("maglev: {tableSize: 5000011}"),
            "trafficPolicy.loadBalancer.consistentHash.maglev.tableSize",
        ),
        (
            hashed("minimumRingSize: 1, ringHash: {}"),
            "trafficPolicy.loadBalancer.consistentHash.minimumRingSize",
        ),
        (hashed("httpCookie: {name: ''}"), "trafficPolicy.loadBalancer.consistentHash.httpCookie.name"),
        (
            localities("distribute: [{from: a, to: {a: 50, b: 49}}]"),
            "trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to",
        ),
        (
            localities("distribute: [{from: a, to: {a/x: 50, a/*: 25, a/x/1: 25}}]"),
            "trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to",
        ),
        (
            localities("distribute: [{from: a//b, to: {a: 100}}]"),
            "trafficPolicy.loadBalancer.localityLbSetting.distribute",
        ),
        (
            localities("failover: [{from: a, to: a}]"),
            "trafficPolicy.loadBalancer.localityLbSetting.failover[0]",
        ),
        (
            localities("failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/zone]"),
            "trafficPolicy.loadBalancer.localityLbSetting.failoverPriority[0]",
        ),
        (
            localities("failover: [{from: a, to: b}], distribute: [{from: a, to: {a: 100}}]"),
            "trafficPolicy.loadBalancer.localityLbSetting.failover",
        ),
        ("host: a.test\nsubsets: [{name: a}, {name: a}]", "subsets[1].name"),
        ("host: a.test\nsubsets: [{name: a.b}]", "subsets[0].name"),
        ("host: a.test\nsubsets: [{name: a, labels: {'': x}}]", 'subsets[0].labels[""]'),
        ("host: a.test\nsubsets: [{name: a, trafficPolicy: {}}]", "subsets[0].trafficPolicy"),
        ("host: a.test\nworkloadSelector: {}\nexportTo: ['*']", "exportTo"),
        ("host: a.test\nworkloadSelector: {matchLabels: {a: '*'}}", "workloadSelector.matchLabels.a"),
    ],
)
def test_destination_rules_that_istio_refuses(spec: str, field: str) -> None:
    assert set(refused_fields("DestinationRule", spec)) == {field}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("address: 10.0.0.1", []),
        ("address: ''\nnetwork: far", []),
        ("address: 'fe80::1%eth0'\nports: {WEB: 65535}\nweight: 0", []),
        ("address: a.test.\nlocality: a/b/c/d", []),
        ("address: 'unix://@s'", []),
        ("labels: {a: b}", ["address"]),
        ("address: ''", ["address"]),
        ("address: '[::1]'", ["address"]),
        ("address: 10.0.0.0/8", ["address"]),
        ("address: 'unix://s'", ["address"]),
        ("address: 'unix:///s'\nports: {}", ["ports"]),
        ("address: a.test\nports: {a_b: 1}", ["ports.a_b"]),
        ("address: a.test\nports: {" + "a" * 63 + ": 1}", ["ports." + "a" * 63]),
        ("address: a.test\nports: {a: 65536}", ["ports.a"]),
        ("address: a.test\nlabels: {a: b-}", ["labels.a"]),
        ("address: a.test\nweight: -1", ["weight"]),
        ("address: a.test\nserviceAccount: " + "s" * 254, ["serviceAccount"]),
        ("address: a.test\nhost: b", ["host"]),
    ],
)
def test_workload_entries_are_judged_as_istio_does(spec: str, fields: list[str]) -> None:
    assert refused_fields("WorkloadEntry", spec) == fields


@pytest.mark.parametrize(
    ("kind", "spec", "fields"),
    [
        ("Gateway", server(rest="tls: {minProtocolVersion: TLSV1_1}"), ["servers[0].tls.minProtocolVersion"]),
        (
            "Gateway",
            server(rest="tls: {cipherSuites: [AES128-SHA, FOO, AES128-SHA, '@STRENGTH']}"),
            ["servers[0].tls.cipherSuites[1]", "servers[0].tls.cipherSuites[2]"],
        ),
        ("Gateway", server(rest="tls: {credentialName: x}"), ["servers[0].tls"]),
        ("ServiceEntry", "hosts: [a.test]\nports: [{number: 1, name: t}]", ["ports[0]"]),
        ("ServiceEntry", "hosts: [a.test]\nresolution: DNS\nports: [{number: 1, name: t}]", []),
        ("ServiceEntry", "hosts: ['*a.test']", ["hosts[0]"]),
        ("ServiceEntry", "hosts: [a.test]\nworkloadSelector: {labels: {a: b}}", ["workloadSelector"]),
        ("WorkloadEntry", "network: far", ["network"]),
        (
            "DestinationRule",
            hashed("minimumRingSize: 1"),
            ["trafficPolicy.loadBalancer.consistentHash.minimumRingSize"],
        ),
        (
            "DestinationRule",
            localities("failoverPriority: [a]"),
            ["trafficPolicy.loadBalancer.localityLbSetting"],
        ),
        (
            "DestinationRule",
            policy("outlierDetection: {consecutiveErrors: 1}"),
            ["trafficPolicy.outlierDetection.consecutiveErrors"],
        ),
    ],
)
def test_what_istio_only_warns_about_is_a_warning(kind: str, spec: str, fields: list[str]) -> None:
    assert warned_fields(kind, spec) == fields
