"""Rules of istiod that are easily missed, each with a neighbour; routing says the same where it is asked."""

from __future__ import annotations

import pytest

from bench.istio.inventory import Inventory
from bench.istio.load import load_text, survey_text
from bench.istio.registry import build_registry
from bench.routing.decision import LocalAnswer
from bench.routing.request import Request
from bench.routing.router import Router
from bench.translate import ProxyConfig, TlsMaterial, translate
from bench.translate.messages import to_plain

MATERIAL = TlsMaterial("/w/cert.pem", "/w/key.pem", "/w/ca.pem")
APP = {"app": {"role": "sidecar", "namespace": "shop", "labels": {"app": "app"}, "ip": "10.1.0.5"}}
GATE = {"gate": {"role": "gateway", "namespace": "shop", "labels": {"app": "gate"}, "ip": "10.1.0.9"}}


def istio(kind: str, name: str, spec: str, namespace: str = "shop") -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def entry(host: str, *ports: str, resolution: str = "STATIC", more: str = "") -> str:
    endpoints = (
        ", endpoints: [{address: 203.0.113.5, labels: {v: a}}, {address: 203.0.113.6, labels: {v: b}}]"
    )
    name = host.replace("*", "star").replace(".", "-").lower()
    return istio(
        "ServiceEntry",
        name,
        f"{{hosts: ['{host}'], resolution: {resolution}, ports: [{', '.join(ports)}]"
        f"{endpoints if resolution == 'STATIC' else ''}{more}}}",
    )


def config(text: str, proxy: str = "app", **inventory: object) -> ProxyConfig:
    proxies = {**APP, **GATE, **inventory.pop("proxies", {})}  # type: ignore[dict-item]
    registry = build_registry(
        load_text(text, "input.yaml"), Inventory.model_validate({"proxies": proxies, **inventory})
    )
    return translate(registry, proxy, config_source="static", tls_material=MATERIAL)


def clusters(built: ProxyConfig) -> dict[str, dict]:
    return {each.name: to_plain(each) for each in built.clusters}


def hosts(built: ProxyConfig, route_config: str) -> dict[str, dict]:
    found = next(to_plain(each) for each in built.routes if each.name == route_config)
    return {each["name"]: each for each in found.get("virtual_hosts", [])}


def chains(built: ProxyConfig, listener: str) -> list[tuple[tuple[str, ...], str]]:
    """Server names, and where the chain leads; the default chain last, named so."""
    found = next(to_plain(each) for each in built.listeners if each.name == listener)
    default = [found["default_filter_chain"]] if "default_filter_chain" in found else []
    return [
        (
            ("default",)
            if chain in default
            else tuple(chain.get("filter_chain_match", {}).get("server_names", ())),
            chain["filters"][-1]["typed_config"].get("cluster")
            or chain["filters"][-1]["typed_config"]["rds"]["route_config_name"],
        )
        for chain in [*found.get("filter_chains", []), *default]
    ]


def router(text: str, **inventory: object) -> Router:
    proxies = {**APP, **GATE, **inventory.pop("proxies", {})}  # type: ignore[dict-item]
    return Router(load_text(text, "input.yaml"), Inventory.model_validate({"proxies": proxies, **inventory}))


@pytest.mark.parametrize("protocol", ["REDIS", "redis", "Redis", "TCP", "MONGO"])
@pytest.mark.parametrize(
    ("balancer", "policy"),
    [
        ("", "LEAST_REQUEST"),
        ("simple: RANDOM", "RANDOM"),
        ("consistentHash: {useSourceIp: true}", "RING_HASH"),
        ("consistentHash: {useSourceIp: true, maglev: {tableSize: 101}}", "MAGLEV"),
    ],
)
def test_redis_balances_as_any_tcp_port(protocol, balancer, policy):
    text = entry(
        "kv.test", f"{{number: 6380, name: kv, protocol: {protocol}}}", more=", addresses: [240.3.0.1]"
    )
    if balancer:
        text += istio(
            "DestinationRule", "kv", f"{{host: kv.test, trafficPolicy: {{loadBalancer: {{{balancer}}}}}}}"
        )

    assert clusters(config(text))["outbound|6380||kv.test"]["lb_policy"] == policy


ENTRY = entry("ledger.test", "{number: 80, name: http, protocol: HTTP}")
SELECTED = (
    "{host: ledger.test, workloadSelector: {matchLabels: {app: app}}, "
    "trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}%s}"
)
FOR_ALL = (
    "{host: ledger.test, subsets: [{name: a, labels: {v: a}}], "
    "trafficPolicy: {loadBalancer: {simple: RANDOM}}%s}"
)
OTHER = {"other": {"role": "sidecar", "namespace": "shop", "labels": {"app": "other"}, "ip": "10.1.0.6"}}


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("export", "selected_has_subset", "others_have_rule"),
    [
        ("", False, True),
        (', exportTo: ["."]', True, False),
        (', exportTo: [".", edge]', True, True),
        (', exportTo: ["*"]', False, True),
        (", exportTo: [shop]", False, True),
    ],
)
def test_a_rule_that_selects_workloads_is_merged_by_exports_as_written(
    is_first, export, selected_has_subset, others_have_rule
):
    rules = [
        istio("DestinationRule", "selected", SELECTED % ""),
        istio("DestinationRule", "for-all", FOR_ALL % export),
    ]
    text = ENTRY + "".join(rules if is_first else reversed(rules))

    mine = clusters(config(text, proxies=OTHER))
    theirs = clusters(config(text, "other", proxies=OTHER))

    base, subset = "outbound|80||ledger.test", "outbound|80|a|ledger.test"
    assert mine[base]["circuit_breakers"]["thresholds"][0]["max_connections"] == 2
    assert mine[base]["lb_policy"] == "LEAST_REQUEST"
    assert (subset in mine) is selected_has_subset
    assert (theirs[base]["lb_policy"] == "RANDOM") is others_have_rule
    assert (subset in theirs) is others_have_rule

    route = istio(
        "VirtualService",
        "l",
        "{hosts: [ledger.test], http: [{route: [{destination: {host: ledger.test, subset: a}}]}]}",
    )
    second = router(text + route, proxies=OTHER)
    for proxy, has_it in (("app", selected_has_subset), ("other", others_have_rule)):
        outcome = second.decide(Request("ledger.test", 80, proxy=proxy)).outcome
        assert (getattr(outcome, "flag", "") == "NC") is not has_it


def test_the_dot_and_the_name_of_the_namespace_are_two_exports():
    text = ENTRY + istio("DestinationRule", "one", FOR_ALL % ', exportTo: ["."]')
    text += istio(
        "DestinationRule",
        "two",
        "{host: ledger.test, exportTo: [shop], subsets: [{name: b, labels: {v: b}}]}",
    )

    assert set(clusters(config(text))) >= {"outbound|80|b|ledger.test"}
    assert "outbound|80|a|ledger.test" not in clusters(config(text))


def test_capitals_in_the_host_of_a_rule_or_destination_are_compared():
    destination = istio(
        "VirtualService", "l", "{hosts: [Ledger.test], http: [{route: [{destination: {host: %s}}]}]}"
    )
    rule = istio(
        "DestinationRule", "l", "{host: Ledger.Test, trafficPolicy: {loadBalancer: {simple: RANDOM}}}"
    )

    assert clusters(config(ENTRY + rule))["outbound|80||ledger.test"]["lb_policy"] == "LEAST_REQUEST"
    for host, is_there in (("ledger.test", True), ("Ledger.test", False)):
        built = config(ENTRY + destination % host)
        route = hosts(built, "80")["ledger.test:80"]["routes"][0]["route"]
        assert (route["cluster"] in clusters(built)) is is_there
        outcome = router(ENTRY + destination % host).decide(Request("ledger.test", 80, proxy="app")).outcome
        assert isinstance(outcome, LocalAnswer) is not is_there
    capital = entry("Ledger.Test", "{number: 80, name: http, protocol: HTTP}")
    assert clusters(config(capital + rule))["outbound|80||ledger.test"]["lb_policy"] == "RANDOM"


REDIRECT = (
    "{selector: {app: gate}, servers: [{port: {number: 80, name: http, protocol: HTTP}, "
    "hosts: ['%s'], tls: {httpsRedirect: true}}]}"
)


@pytest.mark.parametrize(
    ("written", "domain", "status"),
    [
        ("rates.test", "rates.test", 301),
        ("*/rates.test", "rates.test", 301),
        ("./rates.test", "shop/rates.test", 404),
        ("shop/rates.test", "shop/rates.test", 404),
    ],
)
def test_a_redirect_host_keeps_its_namespace(written, domain, status):
    text = istio("Gateway", "g", REDIRECT % written)

    (host,) = hosts(config(text, "gate"), "http.80").values()
    assert (host["domains"], host["require_tls"]) == ([domain], "ALL")
    assert router(text).decide(Request("rates.test", 80, proxy="gate")).outcome.status == status

    bound = text + istio(
        "VirtualService", "v", "{hosts: [rates.test], gateways: [g], http: [{directResponse: {status: 204}}]}"
    )
    both = hosts(config(bound, "gate"), "http.80")
    assert {f"{name}:80" for name in {"rates.test", domain}} == set(both)
    assert all(each["require_tls"] == "ALL" for each in both.values())
    assert router(bound).decide(Request("rates.test", 80, proxy="gate")).outcome.status == 301


def test_a_redirect_of_a_redirecting_server_counts_as_from_tls():
    text = istio("Gateway", "g", REDIRECT % "rates.test")
    text += istio(
        "VirtualService",
        "v",
        "{hosts: [rates.test], gateways: [g], http: ["
        "{match: [{uri: {prefix: /a}}], redirect: {authority: n.test, port: 80}},"
        "{match: [{uri: {prefix: /b}}], redirect: {authority: n.test, port: 443}}]}",
    )

    first, second = hosts(config(text, "gate"), "http.80")["rates.test:80"]["routes"]
    assert first["redirect"]["port_redirect"] == 80
    assert "port_redirect" not in second["redirect"]


GATE_SERVICE = """---
apiVersion: v1
kind: Service
metadata: {name: gate, namespace: shop, labels: {%s}}
spec:
  clusterIP: 10.96.0.9
  selector: {app: gate}
  ports: [%s]
"""
TWO_SERVERS = """{selector: {app: gate}, servers: [
  {port: {number: 80, name: http, protocol: HTTP}, hosts: [north.test]},
  {port: {number: 8080, name: http-b, protocol: HTTP}, hosts: [south.test]}]}"""


def test_servers_of_one_gateway_share_the_routes_of_the_first_that_has_any():
    text = GATE_SERVICE % ("", "{name: http, port: 80, targetPort: 8080}") + istio(
        "Gateway", "g", TWO_SERVERS
    )
    text += istio(
        "VirtualService",
        "v",
        "{hosts: [north.test, south.test], gateways: [g], http: ["
        "{match: [{port: 8080}], directResponse: {status: 208}}, {directResponse: {status: 200}}]}",
    )
    late = istio(
        "VirtualService",
        "w",
        "{hosts: [north.test, south.test], gateways: [g], http: ["
        "{match: [{port: 8080, uri: {prefix: /late}}], directResponse: {status: 209}}]}",
    )

    built = config(late + text, "gate")
    assert set(hosts(built, "http.8080")) == {"north.test:80", "south.test:8080"}
    second = router(late + text)
    for host, path, status in (
        ("north.test", "/", 200),
        ("south.test", "/", 200),
        ("south.test", "/late", 209),
        ("north.test", "/late", 200),
    ):
        assert second.decide(Request(host, 8080, path, proxy="gate")).outcome.status == status
    # With the very same routes both hosts fold into one virtual host.
    assert list(hosts(config(text, "gate"), "http.8080")) == ["north.test:80"]


@pytest.mark.parametrize(
    ("label", "ports", "listeners"),
    [
        ("", "{name: http, port: 80, targetPort: 8080}", {"0.0.0.0_8080"}),
        (
            "",
            "{name: http, port: 80, targetPort: 8080}, {name: http-b, port: 8080, targetPort: 8080}",
            {"0.0.0.0_8080"},
        ),
        (
            "",
            "{name: http-b, port: 8080, targetPort: 9000}, {name: http, port: 80, targetPort: 9000}",
            {"0.0.0.0_9000", "0.0.0.0_80"},
        ),
        (
            "",
            "{name: http-b, port: 8080, targetPort: 9000}, {name: grpc, port: 80, targetPort: 9000}",
            {"0.0.0.0_9000"},
        ),
        (
            "experimental.istio.io/disable-gateway-port-translation: 'true'",
            "{name: http, port: 80, targetPort: 8081}",
            {"0.0.0.0_80", "0.0.0.0_8080"},
        ),
    ],
)
def test_a_service_port_leads_a_gateway_to_a_target_once(label, ports, listeners):
    text = GATE_SERVICE % (label, ports) + istio("Gateway", "g", TWO_SERVERS)

    assert {each.name for each in config(text, "gate").listeners} == listeners
    assert {f"0.0.0.0_{port}" for port in router(text).http_ports("gate")} == listeners


PASS = "{port: {number: 443, name: %s, protocol: TLS}, hosts: [%s], tls: {mode: PASSTHROUGH}}"
PLAIN = "{port: {number: 443, name: plain, protocol: %s}, hosts: [mill.test]}"


def mill(name: str, rest: str = "") -> str:
    """Route the TLS of a host; TLS rules count at every server that shares any host with them."""
    return istio(
        "VirtualService",
        name,
        f"{{hosts: [{name}.test], gateways: [g], tls: [{{match: [{{sniHosts: [{name}.test]}}], "
        f"route: [{{destination: {{host: mill.test, port: {{number: 443}}}}}}]}}]{rest}}}",
    )


TO_MILL = "[{route: [{destination: {host: mill.test, port: {number: 80}}}]}]"
MILLS = (
    entry("mill.test", "{number: 443, name: tls, protocol: TLS}", "{number: 80, name: http, protocol: HTTP}")
    + mill("mill", f", tcp: {TO_MILL}, http: {TO_MILL}")
    + mill("flour")
)


@pytest.mark.parametrize(("protocol", "plain"), [("HTTP", "http.443"), ("TCP", "outbound|80||mill.test")])
def test_a_plain_server_joins_tls_servers_and_closes_the_port_to_later_ones(protocol, plain):
    servers = [PASS % ("tls", "mill.test"), PLAIN % protocol, PASS % ("late", "flour.test")]
    text = MILLS + istio("Gateway", "g", f"{{selector: {{app: gate}}, servers: [{', '.join(servers)}]}}")

    assert chains(config(text, "gate"), "0.0.0.0_443") == [
        (("mill.test",), "outbound|443||mill.test"),
        ((), plain),
    ]
    second = router(text)
    assert second.listener("gate", 443, "mill.test").passed is not None
    # TLS of any other name meets the plain server: bytes to TCP, nonsense to HTTP.
    late = second.listener("gate", 443, "flour.test").passed
    assert late is None if protocol == "HTTP" else late is not None and "tcp[0]" in late.why
    assert (second.listener("gate", 443).table is not None) is (protocol == "HTTP")


def test_the_other_hosts_of_a_server_that_is_left_out_stay_free():
    servers = [PASS % ("a", "mill.test"), PASS % ("b", "mill.test, flour.test"), PASS % ("c", "flour.test")]
    text = MILLS + istio("Gateway", "g", f"{{selector: {{app: gate}}, servers: [{', '.join(servers)}]}}")

    assert {names for names, _ in chains(config(text, "gate"), "0.0.0.0_443")} == {
        ("mill.test",),
        ("flour.test",),
    }
    assert router(text).listener("gate", 443, "flour.test").passed is not None


@pytest.mark.parametrize("first", ["GRPC-WEB", "HTTP"])
def test_the_first_plain_server_decides_about_grpc_web(first):
    second = "HTTP" if first != "HTTP" else "GRPC-WEB"
    servers = ", ".join(
        f"{{port: {{number: 80, name: p{number}, protocol: {protocol}}}, hosts: [h{number}.test]}}"
        for number, protocol in enumerate((first, second))
    )
    built = config(istio("Gateway", "g", f"{{selector: {{app: gate}}, servers: [{servers}]}}"), "gate")

    manager = to_plain(built.listeners[0])["filter_chains"][0]["filters"][0]["typed_config"]
    names = [each["name"] for each in manager["http_filters"]]
    assert ("envoy.filters.http.grpc_web" in names) is (first == "GRPC-WEB")


HASH = "{loadBalancer: {consistentHash: {httpHeaderName: x-user}}%s}"


@pytest.mark.parametrize(("weights", "is_hashed"), [((100, 0), False), ((0, 100), True), ((50, 50), True)])
def test_a_destination_without_weight_lends_no_hash(weights, is_hashed):
    port = "{number: 80, name: http, protocol: HTTP}"
    routes = ", ".join(
        f"{{destination: {{host: {host}}}, weight: {weight}}}"
        for host, weight in zip(("tiles.test", "maps.test"), weights, strict=True)
    )
    text = entry("tiles.test", port) + entry("maps.test", port)
    text += istio("DestinationRule", "m", f"{{host: maps.test, trafficPolicy: {HASH % ''}}}")
    text += istio("VirtualService", "t", f"{{hosts: [tiles.test], http: [{{route: [{routes}]}}]}}")

    action = hosts(config(text), "80")["tiles.test:80"]["routes"][0]["route"]
    assert ("hash_policy" in action) is is_hashed


@pytest.mark.parametrize(
    ("more", "subset"),
    [
        (", portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]", ""),
        ("", "{name: a, labels: {v: a}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}"),
    ],
)
def test_a_simple_balancer_closer_by_does_not_cancel_the_hash_of_the_rule(more, subset):
    rule = f"{{host: maps.test, trafficPolicy: {HASH % more}, subsets: [{subset}]}}"
    text = entry("maps.test", "{number: 80, name: http, protocol: HTTP}") + istio(
        "DestinationRule", "m", rule
    )
    name = ", subset: a" if subset else ""
    target = f"{{host: maps.test, port: {{number: 80}}{name}}}"
    text += istio(
        "VirtualService", "m", f"{{hosts: [maps.test], http: [{{route: [{{destination: {target}}}]}}]}}"
    )

    action = hosts(config(text), "80")["maps.test:80"]["routes"][0]["route"]
    assert action["hash_policy"] == [{"header": {"header_name": "x-user"}}]


def test_only_an_entry_without_resolution_changes_the_dialled_port():
    ports = (
        "{number: 80, name: a, protocol: HTTP}",
        "{number: 81, name: b, protocol: HTTP, targetPort: 81}",
        "{number: 82, name: c, protocol: HTTP, targetPort: 8082}",
    )
    headless = """---
apiVersion: v1
kind: Service
metadata: {name: shards, namespace: shop}
spec: {clusterIP: None, selector: {app: shard}, ports: [{name: http, port: 90, targetPort: 9090}]}
"""
    found = clusters(config(entry("*.relay.test", *ports, resolution="NONE") + headless))

    overrides = {
        name: each.get("original_dst_lb_config", {}).get("upstream_port_override")
        for name, each in found.items()
        if name.startswith("outbound")
    }
    assert overrides == {
        "outbound|80||*.relay.test": None,
        "outbound|81||*.relay.test": 81,
        "outbound|82||*.relay.test": 8082,
        "outbound|90||shards.shop.svc.cluster.local": None,
    }


@pytest.mark.parametrize(
    ("service", "rule_host", "is_taken"),
    [
        ("*.cdn.test", "film.cdn.test", True),
        ("*.cdn.test", "*.film.cdn.test", True),
        ("film.cdn.test", "*.cdn.test", True),
        ("*.cdn.test", "cdn.test", False),
        ("film.cdn.test", "music.cdn.test", False),
    ],
)
@pytest.mark.parametrize("protocol", ["TLS", "HTTPS", "TCP"])
def test_a_tls_or_tcp_rule_takes_each_service_that_its_host_overlaps(service, rule_host, is_taken, protocol):
    text = entry(service, f"{{number: 8443, name: p, protocol: {protocol}}}", resolution="NONE")
    text += entry("cache.test", "{number: 443, name: tls, protocol: TLS}", more=", addresses: [240.7.0.1]")
    target = "route: [{destination: {host: cache.test, port: {number: 443}}}]"
    rules = (
        f"tcp: [{{match: [{{port: 8443}}], {target}}}]"
        if protocol == "TCP"
        else f"tls: [{{match: [{{port: 8443, sniHosts: ['{rule_host}']}}], {target}}}]"
    )
    text += istio("VirtualService", "film", f"{{hosts: ['{rule_host}'], {rules}}}")

    expected = "outbound|443||cache.test" if is_taken else f"outbound|8443||{service}"
    names = () if protocol == "TCP" else (rule_host if is_taken else service,)
    assert chains(config(text), "0.0.0.0_8443") == [(names, expected)]


def test_a_narrower_wildcard_below_a_wildcard_service_gets_nothing():
    text = entry("*.paper.test", "{number: 80, name: http, protocol: HTTP}", resolution="NONE")
    for name, host, status in (
        ("d", "*.daily.paper.test", 503),
        ("w", "weekly.paper.test", 404),
        ("o", "*.other.test", 405),
    ):
        text += istio(
            "VirtualService", name, f"{{hosts: ['{host}'], http: [{{directResponse: {{status: {status}}}}}]}}"
        )

    assert set(hosts(config(text), "80")) == {
        "*.paper.test:80",
        "weekly.paper.test:80",
        "*.other.test:80",
        "block_all",
    }
    second = router(text)
    assert second.decide(Request("weekly.paper.test", 80, proxy="app")).outcome.status == 404
    assert second.decide(Request("x.other.test", 80, proxy="app")).outcome.status == 405
    assert not isinstance(second.decide(Request("x.daily.paper.test", 80, proxy="app")).outcome, LocalAnswer)


def names_of(cluster: dict) -> list[str]:
    common = cluster["transport_socket"]["typed_config"]["common_tls_context"]
    default = common["combined_validation_context"]["default_validation_context"]
    return [each["matcher"]["exact"] for each in default["match_typed_subject_alt_names"]]


POD = """---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: shop, labels: {app: scale}}
spec: {containers: [{name: c}]%s}
status: {podIP: %s}
"""
SCALE = """---
apiVersion: v1
kind: Service
metadata: {name: scale, namespace: shop, annotations: {%s}}
spec: {clusterIP: 10.96.9.9, selector: {app: scale}, ports: [{name: http, port: 80}]}
"""
MUTUAL = istio("DestinationRule", "scale", "{host: scale, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}")


def test_who_names_no_account_runs_as_default():
    text = (
        SCALE % ""
        + POD % ("one", "", "10.1.9.1")
        + POD % ("two", ", serviceAccountName: weigher", "10.1.9.2")
    )
    proxy = {"scale": {"role": "sidecar", "namespace": "shop", "labels": {"app": "scale"}, "ip": "10.1.9.3"}}

    found = clusters(config(text + MUTUAL))["outbound|80||scale.shop.svc.cluster.local"]
    assert names_of(found) == [f"spiffe://cluster.local/ns/shop/sa/{name}" for name in ("default", "weigher")]
    alone = clusters(config(SCALE % "" + MUTUAL, proxies=proxy))["outbound|80||scale.shop.svc.cluster.local"]
    assert names_of(alone) == ["spiffe://cluster.local/ns/shop/sa/default"]


def test_annotations_of_a_service_add_identities():
    annotations = (
        "alpha.istio.io/kubernetes-serviceaccounts: 'weigher,porter', "
        "alpha.istio.io/canonical-serviceaccounts: 'spiffe://partner.test/ns/ship/sa/crane'"
    )
    found = clusters(config(SCALE % annotations + MUTUAL))["outbound|80||scale.shop.svc.cluster.local"]

    assert names_of(found) == [
        "spiffe://cluster.local/ns/shop/sa/porter",
        "spiffe://cluster.local/ns/shop/sa/weigher",
        "spiffe://partner.test/ns/ship/sa/crane",
    ]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("{hosts: ['*.a.test'], resolution: DYNAMIC_DNS, ports: [%s]}", []),
        ("{hosts: ['*.a.test', a.test], resolution: DYNAMIC_DNS, ports: [%s]}", [("hosts", 1)]),
        (
            "{hosts: ['*.a.test'], addresses: [10.0.0.1], resolution: DYNAMIC_DNS, ports: [%s]}",
            [("addresses",)],
        ),
    ],
)
def test_dynamic_dns_wants_wildcards_and_no_addresses(spec, fields):
    text = istio("ServiceEntry", "a", spec % "{number: 80, name: http, protocol: HTTP}")

    problems = survey_text(text, "input.yaml").problems
    assert [each.path[1:] for each in problems] == fields
    assert all(each.stage == "webhook" for each in problems)


@pytest.mark.parametrize(
    ("resolution", "warns"), [("NONE", True), ("DNS", False), ("STATIC", False), ("DYNAMIC_DNS", False)]
)
def test_a_selector_is_idle_without_a_resolution_only(resolution, warns):
    host = "*.a.test" if resolution == "DYNAMIC_DNS" else "a.test"
    text = istio(
        "ServiceEntry",
        "a",
        f"{{hosts: ['{host}'], resolution: {resolution}, workloadSelector: {{labels: {{app: a}}}}, "
        "ports: [{number: 80, name: http, protocol: HTTP}]}",
    )

    warnings = survey_text(text, "input.yaml").resources.warnings
    assert bool([each for each in warnings if "workloadSelector" in each.what]) is warns


PEAKS = entry(
    "*.peak.test",
    "{number: 8090, name: http, protocol: HTTP}",
    "{number: 8443, name: tls, protocol: TLS}",
    resolution="DYNAMIC_DNS",
)
CACHE = {"name": "*.peak.test_dfp_dns_cache", "dns_lookup_family": "V4_ONLY"}


def test_dynamic_dns_looks_names_up_in_a_sidecars_listeners():
    rule = istio(
        "DestinationRule", "peaks", "{host: '*.peak.test', subsets: [{name: north, labels: {v: north}}]}"
    )
    built = config(PEAKS + rule)

    by_name = {each.name: to_plain(each) for each in built.listeners}
    filters = by_name["0.0.0.0_8090"]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    assert [each["name"].rpartition(".")[2] for each in filters] == [
        "fault",
        "cors",
        "dynamic_forward_proxy",
        "router",
    ]
    assert filters[2]["typed_config"]["dns_cache_config"] == CACHE
    (chain,) = by_name["0.0.0.0_8443"]["filter_chains"]
    lookup, proxy = (each["typed_config"] for each in chain["filters"])
    assert (lookup["dns_cache_config"], lookup["port_value"]) == (CACHE, 8443)
    assert proxy["cluster"] == "outbound|8443||*.peak.test"
    assert {name for name in clusters(built) if "peak" in name} == {
        "outbound|8090||*.peak.test",
        "outbound|8443||*.peak.test",
    }


def test_the_first_http_service_of_a_port_decides_about_looking_up():
    other = entry("mine.test", "{number: 8090, name: http, protocol: HTTP}")
    for text, looks_up in ((PEAKS + other, True), (other + PEAKS, False)):
        listener = next(to_plain(each) for each in config(text).listeners if each.name == "0.0.0.0_8090")
        names = [
            each["name"]
            for each in listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
        ]
        assert ("envoy.filters.http.dynamic_forward_proxy" in names) is looks_up


@pytest.mark.parametrize(
    ("tls", "options", "is_insecure"),
    [
        ("mode: SIMPLE", {"auto_sni": True, "auto_san_validation": True}, False),
        ("mode: SIMPLE, sni: x.test", {"auto_san_validation": True}, True),
        ("mode: SIMPLE, insecureSkipVerify: true", {"auto_sni": True}, True),
    ],
)
def test_dynamic_dns_keeps_the_name_check_where_a_rule_allows(tls, options, is_insecure):
    rule = istio("DestinationRule", "peaks", f"{{host: '*.peak.test', trafficPolicy: {{tls: {{{tls}}}}}}}")
    found = clusters(config(PEAKS + rule))["outbound|8090||*.peak.test"]

    (http,) = found["typed_extension_protocol_options"].values()
    assert http["upstream_http_protocol_options"] == options
    custom = found["cluster_type"]["typed_config"]
    assert custom.get("allow_insecure_cluster_options", False) is is_insecure


@pytest.mark.parametrize("protocol", ["HTTP", "TLS"])
def test_what_no_chain_takes_passes_on_with_allow_any(protocol):
    text = entry("api.test", f"{{number: 443, name: p, protocol: {protocol}}}")

    inside = chains(config(text, outbound="ALLOW_ANY"), "0.0.0.0_443")
    assert inside[-1] == (("default",), "PassthroughCluster")
    assert all(names != ("default",) for names, _ in chains(config(text), "0.0.0.0_443"))


def test_a_port_that_takes_everything_has_no_default_chain():
    text = entry("kv.test", "{number: 6379, name: kv, protocol: TCP}")

    assert chains(config(text, outbound="ALLOW_ANY"), "0.0.0.0_6379") == [((), "outbound|6379||kv.test")]
