"""A scenario from somebody's own YAML: it says what the YAML means, and what it assumes."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.commands.init import init_scenario
from bench.draft import NothingReachableError
from bench.errors import InputError
from bench.istio.files import STDIN
from bench.preparation import prepare
from bench.routing import Connection, Request, Router
from bench.scenario.load import LoadedScenario, load_scenario
from bench.translate import RefusedError
from tests.support.effort import growth

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.partner.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: istio-system}
spec:
  hosts: [api.partner.example]
  gateways: [mesh, out]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out], port: 80, headers: {want: {exact: v2}}}]
    route: [{destination: {host: api.partner.example, port: {number: 443}, subset: v2}}]
  - match: [{gateways: [out], port: 80}]
    route:
    - {destination: {host: api.partner.example, port: {number: 443}, subset: v1}, weight: 90}
    - {destination: {host: api.partner.example, port: {number: 443}, subset: v2}, weight: 10}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: istio-system}
spec:
  host: api.partner.example
  trafficPolicy:
    portLevelSettings:
    - port: {number: 443}
      tls: {mode: MUTUAL, clientCertificate: /etc/c.crt, privateKey: /etc/c.key, caCertificates: /etc/ca.crt,
            subjectAltNames: [partner.example, "spiffe://partner/api"]}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""


def entry(name: str, ports: str, *more: str, host: str = "") -> str:
    lines = "".join(f"  {each}\n" for each in more)
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
        f"metadata: {{name: {name}, namespace: shop}}\nspec:\n"
        f"  hosts: [{host or f'{name}.partner.example'}]\n"
        f"  location: MESH_EXTERNAL\n  ports: [{ports}]\n{lines}"
    )


HTTP = "{number: 80, name: http, protocol: HTTP}"
HTTPS = "{number: 443, name: https, protocol: HTTPS}"
STATIC = ("resolution: STATIC", "endpoints: [{address: 192.0.2.7}]")
API = entry(
    "api",
    f"{HTTP}, {HTTPS}",
    "resolution: STATIC",
    "endpoints: [{address: 192.0.2.7, labels: {version: v1}}, {address: 192.0.2.8, labels: {version: v2}}]",
)


def drafted(tmp_path: Path, text: str, **files: str) -> LoadedScenario:
    """Write *text*, draft a scenario, and read it again as `run` does."""
    source = tmp_path / "yaml"
    source.mkdir(exist_ok=True)
    (source / "egress.yaml").write_text(text)
    for name, content in files.items():
        (source / f"{name}.yaml").write_text(content)
    init_scenario(tmp_path / "scenario", [source])
    return load_scenario(tmp_path / "scenario")


def text_of(tmp_path: Path) -> str:
    return (tmp_path / "scenario" / "scenario.yaml").read_text()


def test_every_destination_gets_a_request_with_the_answer_that_the_yaml_means(tmp_path):
    scenario = drafted(tmp_path, GATEWAY + API).scenario

    requests = scenario.traffic.requests
    plain = {
        name: (each.url, dict(each.headers), dict(each.expect.shares)) for name, each in requests.items()
    }
    assert plain["api-split"] == ("http://api.partner.example/", {}, {"api-v1": 90, "api-v2": 10})
    assert plain["api-v2"] == ("http://api.partner.example/", {"want": "v2"}, {})
    assert requests["api-v2"].expect.nodes == ("api-v2",)
    assert (scenario.traffic.client, scenario.traffic.gateway) == ("client", "egressgateway")
    assert scenario.nodes["api-v2"].plays == (("192.0.2.8", 443),)


def test_what_it_assumes_is_at_its_place(tmp_path):
    drafted(tmp_path, GATEWAY + API)
    lines = text_of(tmp_path).splitlines()

    client = lines.index("    client:")
    assert "the namespace shop" in " ".join(lines[client - 3 : client])
    service = lines.index("  - name: istio-egressgateway")
    assert "is called and not in the YAML" in " ".join(lines[service - 3 : service])
    assert "ALLOW_ANY" in " ".join(lines[: lines.index("  outbound: REGISTRY_ONLY")])


def test_certificates_bear_the_names_that_the_rules_demand(tmp_path):
    loaded = drafted(tmp_path, GATEWAY + API)

    tls = loaded.scenario.tls
    assert tls.files == {"/etc/c.crt": "client.crt", "/etc/c.key": "client.key", "/etc/ca.crt": "ca.crt"}
    for node in loaded.scenario.nodes.values():
        if node.tls != "none":
            assert "DNS:api.partner.example" in node.server_names
        if node.tls == "mutual":
            assert {"DNS:partner.example", "URI:spiffe://partner/api"} <= set(node.server_names)
    assert {node.tls for node in loaded.scenario.nodes.values()} >= {"mutual"}


def test_tls_of_the_client_and_bytes_are_requests_of_their_own(tmp_path):
    text = entry("web", HTTPS, *STATIC) + entry(
        "db", "{number: 5432, name: tcp-db, protocol: TCP}", "resolution: DNS"
    )
    scenario = drafted(tmp_path, text).scenario

    assert {name: each.url for name, each in scenario.traffic.requests.items()} == {
        "web": "https://web.partner.example/",
        "db": "tcp://db.partner.example:5432",
    }
    assert scenario.traffic.gateway is None
    assert (scenario.nodes["web"].tls, scenario.nodes["web"].protocol) == ("simple", "http/1.1")
    assert (scenario.nodes["db"].tls, scenario.nodes["db"].protocol) == ("none", "bytes")
    assert scenario.nodes["db"].plays == (("db.partner.example", 5432),)


def test_a_host_that_nothing_reaches_is_a_comment_with_its_reason(tmp_path):
    two = "{number: 9092, name: tcp, protocol: TCP}"
    text = entry("a", two, "resolution: DNS") + entry("b", two, "resolution: DNS")
    scenario = drafted(tmp_path, text).scenario

    assert list(scenario.traffic.requests) == ["a"]
    assert (
        "no request to b.partner.example:9092: connections to this port reach a.partner.example"
        in " ".join(line.strip(" #") for line in text_of(tmp_path).splitlines())
    )


def test_expectations_agree_with_the_second_opinion(tmp_path):
    """Asked again of the scenario as written."""
    loaded = drafted(tmp_path, GATEWAY + API)
    router = Router(loaded.resources, loaded.scenario.inventory)
    nodes = {each: name for name, node in loaded.scenario.nodes.items() for each in node.plays}
    for request in loaded.scenario.traffic.mix:
        if not request.is_plain_http:
            continue
        asked = Request(request.authority, request.port, headers=tuple(request.headers.items()))
        found = {
            nodes[endpoint.address, endpoint.port]
            for destination in router.decide(asked).destinations()
            if destination is not None
            for endpoint in destination.endpoints
        }
        assert found == set(request.expect.nodes)


def test_an_inventory_that_is_written_is_taken(tmp_path):
    inventory = (
        "semantics: current\nproxies:\n"
        "  web: {role: sidecar, namespace: shop, labels: {app: web}, ip: 10.1.0.5}\n"
    )
    loaded = drafted(tmp_path, entry("web", HTTP, *STATIC), inventory=inventory)

    assert loaded.scenario.traffic.client == "web"
    assert "assumed: " not in text_of(tmp_path).split("nodes:")[0]


def test_many_hosts_share_a_few_nodes(tmp_path):
    text = "".join(entry(f"h{number}", HTTP, "resolution: DNS") for number in range(40))
    scenario = drafted(tmp_path, text).scenario

    assert len(scenario.traffic.requests) == 40
    assert len(scenario.nodes) == 8
    assert sum(len(node.plays) for node in scenario.nodes.values()) == 40


def test_standard_input_is_kept_as_a_file(tmp_path, monkeypatch):
    text = entry("web", HTTP, *STATIC)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    made = init_scenario(tmp_path / "scenario", [STDIN])

    assert (tmp_path / "scenario" / "istio" / "stdin.yaml").read_text() == text
    assert len(made.draft.targets) == 1


def test_yaml_that_lies_in_the_folder_is_used_where_it_lies(tmp_path):
    (tmp_path / "istio").mkdir()
    (tmp_path / "istio" / "egress.yaml").write_text(entry("web", HTTP, *STATIC))

    made = init_scenario(tmp_path, [])

    assert [each.name for each in made.files] == ["scenario.yaml"]
    assert load_scenario(tmp_path).scenario.traffic.first.url == "http://web.partner.example/"


def test_what_needs_interception_says_so(tmp_path):
    wild = entry("wild", HTTP, "resolution: DYNAMIC_DNS", host="'*.partner.example'")
    drafted(tmp_path, entry("web", HTTP, *STATIC, host="web.example") + wild)

    assert "--stack docker" in " ".join(line.strip("# ") for line in text_of(tmp_path).splitlines())


TLS = "{number: 443, name: tls, protocol: TLS}"
TCP = "{number: 3306, name: tcp, protocol: TCP}"
BLOCK = "addresses: [203.0.113.0/24]"


def test_resolution_none_is_dialled_at_an_address_that_a_node_plays(tmp_path):
    elsewhere = "{number: 80, name: http, protocol: HTTP, targetPort: 8080}"
    text = entry("web", elsewhere, "resolution: NONE") + entry(
        "wild", HTTPS, "resolution: NONE", host="'*.wild.example'"
    )
    scenario = drafted(tmp_path, text).scenario

    called = scenario.traffic.addresses
    assert set(called) == {"web.partner.example", "any.wild.example"}
    assert scenario.nodes["web"].plays == ((called["web.partner.example"], 8080),)
    assert scenario.nodes["wild"].plays == ((called["any.wild.example"], 443),)
    assert len({*called.values(), *(proxy.ip for proxy in scenario.inventory.proxies.values())}) == 3


def test_dynamic_dns_needs_nodes_that_play_names(tmp_path):
    wild = entry("wild", f"{HTTP}, {TLS}", "resolution: DYNAMIC_DNS", host="'*.wild.example'")
    scenario = drafted(tmp_path, wild).scenario

    assert {each for node in scenario.nodes.values() for each in node.plays} == {
        ("any.wild.example", 80),
        ("any.wild.example", 443),
    }
    assert not scenario.traffic.addresses


def test_of_a_block_a_client_dials_an_address_that_no_narrower_one_takes(tmp_path):
    text = (
        entry("wide", TCP, "resolution: NONE", BLOCK)
        + entry("narrow", TCP, *STATIC, "addresses: [203.0.113.0/28]")
        + entry("single", TCP, *STATIC, "addresses: [203.0.113.16]")
    )
    scenario = drafted(tmp_path, text).scenario

    called = scenario.traffic.addresses
    assert called == {"wide.partner.example": "203.0.113.17", "narrow.partner.example": "203.0.113.1"}
    assert scenario.nodes["wide"].plays == (("203.0.113.17", 3306),)
    assert "within the block" in text_of(tmp_path).replace("\n  # ", " ")


def test_a_draft_for_processes_names_what_only_containers_reach(tmp_path):
    web, block = entry("web", HTTP, *STATIC), entry("db", TCP, *STATIC, BLOCK)
    (tmp_path / "given.yaml").write_text(web + block)

    here = init_scenario(tmp_path / "here", [tmp_path / "given.yaml"], "local").draft
    there = init_scenario(tmp_path / "there", [tmp_path / "given.yaml"]).draft

    assert (len(here.targets), here.needs_containers) == (1, False)
    assert "init --stack docker" in dict(here.unreached)["db.partner.example:3306"]
    assert "no request to db.partner.example:3306" in here.text
    assert (len(there.targets), there.needs_containers) == (2, True)


def test_processes_that_cannot_do_it_are_refused_with_the_line(tmp_path):
    (tmp_path / "given.yaml").write_text(entry("web", HTTP, "resolution: NONE"))

    with pytest.raises(RefusedError, match=r"given\.yaml:\d+: resolution NONE of web\.partner\.example"):
        init_scenario(tmp_path / "here", [tmp_path / "given.yaml"], "local")


def test_a_block_of_addresses_that_containers_lack_is_a_comment(tmp_path):
    text = entry("web", HTTP, *STATIC) + entry("db", TCP, *STATIC, "addresses: ['2001:db8::/64']")
    scenario = drafted(tmp_path, text).scenario

    assert list(scenario.traffic.requests) == ["web"]
    assert scenario.inventory.proxies["client"].interception == "none"
    assert "no request to db.partner.example:3306: its addresses are a block of IPv6" in unreached(tmp_path)


def headless(*addresses: str, kind: str = "IPv4", selector: str = "") -> str:
    """A headless Service of HTTP, TLS and bytes, with an EndpointSlice if there are *addresses*."""
    ports = "[{name: http, port: 80}, {name: https, port: 443}, {name: tcp-db, port: 5432}]"
    text = (
        "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
        f"spec: {{clusterIP: None, ports: {ports}{selector}}}\n"
    )
    if not addresses:
        return text
    listed = ", ".join(f"{{addresses: ['{each}']}}" for each in addresses)
    return (
        f"{text}---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        "metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}\n"
        f"addressType: {kind}\nports: {ports}\nendpoints: [{listed}]\n"
    )


DB = "db.shop.svc.cluster.local"


def test_a_headless_service_is_dialled_at_one_of_its_endpoints(tmp_path):
    scenario = drafted(
        tmp_path, headless("10.0.7.1", "10.0.7.2") + entry("web", f"{HTTP}, {HTTPS}", "resolution: DNS")
    ).scenario

    assert {each.url for each in scenario.traffic.requests.values()} == {
        f"http://{DB}/",
        f"https://{DB}/",
        f"tcp://{DB}:5432",
        "http://web.partner.example/",
        "https://web.partner.example/",
    }
    assert scenario.traffic.addresses == {DB: "10.0.7.1"}
    assert {each for node in scenario.nodes.values() for each in node.plays} >= {
        ("10.0.7.1", 80),
        ("10.0.7.1", 443),
        ("10.0.7.1", 5432),
    }


def test_of_a_headless_service_without_known_endpoints_http_alone_is_asked_for(tmp_path):
    """HTTP is taken at any address, and everything else at those of the endpoints."""
    scenario = drafted(tmp_path, headless() + entry("web", f"{HTTP}, {HTTPS}", "resolution: DNS")).scenario

    assert len(scenario.traffic.requests) == 3
    assert scenario.traffic.first.url == f"http://{DB}/"
    for port in (443, 5432):
        assert f"no request to {DB}:{port}: it is headless" in unreached(tmp_path)


def test_a_headless_service_takes_no_connection_of_others_on_its_port(tmp_path):
    inventory = "proxies:\n  web: {role: sidecar, namespace: shop, ip: 10.1.0.5}\n"
    files = {"inventory": inventory}
    text = headless("10.0.7.1", "10.1.0.5") + entry("web", HTTPS, "resolution: DNS")
    loaded = drafted(tmp_path, text, **files)
    router = Router(loaded.resources, loaded.scenario.inventory)

    def ends(address: str, sni: str) -> list[str]:
        decision = router.connect(Connection(443, address, sni))
        return [each.host for each in decision.destinations() if each is not None]

    assert ends("10.0.7.1", "web.partner.example") == [DB]
    assert ends("203.0.113.1", "web.partner.example") == ["web.partner.example"]
    # A proxy does not listen on its own address.
    assert ends("10.1.0.5", "web.partner.example") == ["web.partner.example"]


IPV6 = ("resolution: STATIC", "endpoints: [{address: '2001:db8::7'}]")


def test_addresses_of_ipv6_are_played_where_nothing_is_intercepted(tmp_path):
    text = entry("web", f"{HTTP}, {HTTPS}", *IPV6) + entry("db", TCP, *STATIC, "addresses: ['2001:db8:1::1']")
    scenario = drafted(tmp_path, text).scenario

    assert {each.url for each in scenario.traffic.requests.values()} == {
        "http://web.partner.example/",
        "https://web.partner.example/",
        "tcp://db.partner.example:3306",
    }
    assert ("2001:db8::7", 443) in {each for node in scenario.nodes.values() for each in node.plays}
    assert scenario.inventory.proxies["client"].interception == "none"


def test_of_addresses_of_both_kinds_an_intercepted_client_dials_ipv4(tmp_path):
    text = entry("wild", HTTP, "resolution: NONE") + entry(
        "web", f"{HTTP}, {HTTPS}", *IPV6, "addresses: ['2001:db8:5::5', 203.0.113.9]"
    )
    prepared = prepare(drafted(tmp_path, text))

    assert prepared.called["web.partner.example"] == ("203.0.113.9",)
    assert not any(":" in each for addresses in prepared.called.values() for each in addresses)


def test_what_an_intercepted_client_cannot_dial_is_a_comment_and_http_is_asked_for(tmp_path):
    six = "addresses: ['2001:db8:5::5']"
    text = (
        entry("sent", f"{HTTP}, {TCP}", "resolution: NONE", six)
        + entry("web", f"{HTTP}, {HTTPS}", *STATIC, six)
        + headless("2001:db8:7::1", kind="IPv6")
    )
    loaded = drafted(tmp_path, text)
    prepare(loaded)

    assert [each.url for each in loaded.scenario.traffic.requests.values()] == [
        f"http://{DB}/",
        "http://sent.partner.example/",
        "http://web.partner.example/",
    ]
    for place in ("sent.partner.example:3306", "web.partner.example:443"):
        assert f"no request to {place}: its address is one of IPv6" in unreached(tmp_path)
    assert f"no request to {DB}:5432: it is headless, its endpoints have addresses of IPv6" in unreached(
        tmp_path
    )


def test_tls_starts_towards_names_that_are_looked_up(tmp_path):
    """By its own port with the port of TLS, by a target port, and with a name of the rule's own."""
    to_443 = "{number: 80, name: http, protocol: HTTP, targetPort: 443}"
    text = ""
    for name, port, tls in (
        ("plain", HTTP, "{mode: SIMPLE}"),
        ("target", to_443, "{mode: SIMPLE}"),
        ("named", HTTP, "{mode: SIMPLE, sni: fixed.example, subjectAltNames: [fixed.example]}"),
    ):
        text += entry(name, port, "resolution: DYNAMIC_DNS", host=f"'*.{name}.example'")
        text += rule(f"'*.{name}.example'", tls, name=name, port=80)
    scenario = drafted(tmp_path, text).scenario

    assert {name: (node.plays, node.tls) for name, node in scenario.nodes.items()} == {
        name: (((f"any.{name}.example", 443),), "simple") for name in ("plain", "target", "named")
    }
    assert "DNS:fixed.example" in scenario.nodes["named"].server_names


def test_intercepted_load_comes_from_the_client_that_reaches_most(tmp_path):
    inventory = (
        "semantics: current\nproxies:\n"
        "  web: {role: sidecar, namespace: shop, ip: 10.1.0.5}\n"
        "  job: {role: sidecar, namespace: batch, ip: 10.1.0.6}\n"
    )
    private = entry("private", HTTP, *STATIC, 'exportTo: ["."]').replace(
        "namespace: shop", "namespace: batch"
    )
    text = entry("a", HTTP, "resolution: NONE") + entry("b", HTTP, *STATIC) + private
    scenario = drafted(tmp_path, text, inventory=inventory).scenario

    assert scenario.traffic.senders == ("web",)
    assert set(scenario.traffic.requests) == {"a", "b"}
    assert "only job reaches it" in unreached(tmp_path)


def test_tls_that_a_rule_sends_to_a_name_to_be_looked_up_is_a_comment_with_what_to_do(tmp_path):
    rules = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wild, namespace: shop}
spec:
  hosts: ["*.wild.example"]
  tls:
  - match: [{port: 443, sniHosts: ["*.wild.example"]}]
    route: [{destination: {host: "*.wild.example", port: {number: 443}}}]
"""
    wild = entry("wild", TLS, "resolution: DYNAMIC_DNS", host="'*.wild.example'")
    drafted(tmp_path, entry("web", HTTP, *STATIC) + wild + rules)

    assert "no request to *.wild.example:443" in unreached(tmp_path)
    assert "a ServiceEntry with resolution DNS" in unreached(tmp_path)


def test_nodes_answer_the_paths_that_are_asked_for(tmp_path):
    rule = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.partner.example]
  http:
  - match: [{uri: {prefix: /pay}}]
    route: [{destination: {host: web.partner.example, port: {number: 80}}}]
"""
    scenario = drafted(tmp_path, entry("web", HTTP, *STATIC) + rule).scenario

    assert scenario.traffic.first.path == "/pay"
    assert scenario.nodes["web"].size == 1024


def test_connections_stay_within_the_pool_of_the_rules(tmp_path):
    rule = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web.partner.example, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}
"""
    loaded = drafted(tmp_path, entry("web", HTTP, *STATIC) + rule)

    assert loaded.scenario.traffic.connections.count == 2


def test_a_node_never_has_the_name_of_a_proxy(tmp_path):
    inventory = "proxies:\n  web: {role: sidecar, namespace: shop, ip: 10.1.0.5}\n"
    scenario = drafted(tmp_path, entry("web", HTTP, *STATIC), inventory=inventory).scenario

    assert list(scenario.nodes) == ["web-2"]


def test_nothing_to_reach_and_nothing_to_overwrite_are_said(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        init_scenario(tmp_path / "nowhere", [])
    source = tmp_path / "x.yaml"
    source.write_text(entry("web", HTTP, "resolution: STATIC", "endpoints: []"))
    with pytest.raises(NothingReachableError, match="no client reaches any destination"):
        init_scenario(tmp_path / "scenario", [source])
    (tmp_path / "scenario.yaml").write_text("")
    with pytest.raises(InputError, match="there is a scenario already"):
        init_scenario(tmp_path, [source])


def test_the_work_grows_with_the_hosts_and_not_with_their_square(tmp_path):
    def drafting(hosts: int):
        text = "".join(entry(f"h{n}", f"{HTTP}, {HTTPS}", "resolution: DNS") for n in range(hosts))
        source = tmp_path / f"{hosts}.yaml"
        source.write_text(text)
        return lambda: init_scenario(tmp_path / f"scenario-{hosts}", [source])

    assert growth(drafting, size=40) < 2.5


def rule(host: str, tls: str, *, name: str = "tls", port: int = 443) -> str:
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: {name}, namespace: shop}}\nspec:\n  host: {host}\n"
        f"  trafficPolicy: {{portLevelSettings: [{{port: {{number: {port}}}, tls: {tls}}}]}}\n"
    )


def unreached(tmp_path: Path) -> str:
    lines = (line.strip(" #") for line in text_of(tmp_path).splitlines() if line.strip().startswith("#"))
    return " ".join(lines)


def routed(http: str) -> str:
    """A rule for web with these routes, over its subsets v1 and v2."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: shop}}
spec:
  host: web.partner.example
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec: {{hosts: [web.partner.example], http: [{http}]}}
"""


V1, V2 = (f"{{destination: {{host: web.partner.example, subset: {name}}}}}" for name in ("v1", "v2"))
V1_END, V2_END = (f"{{address: 203.0.113.{n}, labels: {{version: v{n}}}}}" for n in (1, 2))


def test_a_destination_whose_requests_partly_end_otherwise_is_not_drafted_in_silence(tmp_path):
    """A fault takes one in twenty of those for v2: no expectation says both."""
    text = entry("web", HTTP, "resolution: STATIC", f"endpoints: [{V1_END}, {V2_END}]")
    fault = "fault: {abort: {httpStatus: 418, percentage: {value: 5}}}"
    asked = f"{{match: [{{headers: {{want: {{exact: v2}}}}}}], {fault}, route: [{V2}]}}, {{route: [{V1}]}}"
    scenario = drafted(tmp_path, text + routed(asked)).scenario

    assert [each.expect.nodes for each in scenario.traffic.requests.values()] == [("web-v1",)]
    said = unreached(tmp_path)
    assert "no request to web.partner.example:80 subset v2: 5 % of its requests end otherwise: " in said
    assert "answers 418" in said


def test_a_split_of_which_one_side_has_no_endpoint_is_not_drafted_in_silence(tmp_path):
    text = entry("web", HTTP, "resolution: STATIC", f"endpoints: [{V1_END}]") + entry("other", HTTP, *STATIC)
    split = f"{{route: [{V1[:-1]}, weight: 75}}, {V2[:-1]}, weight: 25}}]}}"
    scenario = drafted(tmp_path, text + routed(split)).scenario

    assert set(scenario.traffic.requests) == {"other"}
    said = unreached(tmp_path)
    assert "no request to web.partner.example:80 subset v1: 25 % of its requests end otherwise: " in said


def test_no_client_is_sent_where_a_proxy_would_put_tls_around_its_own(tmp_path):
    text = entry("web", f"{HTTP}, {HTTPS}", "resolution: DNS")
    scenario = drafted(tmp_path, text + rule("web.partner.example", "{mode: SIMPLE}")).scenario

    assert [each.url for each in scenario.traffic.requests.values()] == ["http://web.partner.example/"]
    assert "no request to web.partner.example:443" in unreached(tmp_path)
    assert "gets TLS around the client's own" in unreached(tmp_path)


def test_bytes_go_into_a_port_of_https_where_the_proxy_starts_tls(tmp_path):
    text = entry("web", HTTPS, *STATIC, "addresses: [203.0.113.7]")
    scenario = drafted(tmp_path, text + rule("web.partner.example", "{mode: SIMPLE}")).scenario

    assert scenario.traffic.first.url == "tcp://web.partner.example:443"
    assert (scenario.nodes["web"].tls, scenario.nodes["web"].protocol) == ("simple", "bytes")


MESH_TLS_GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: shop}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: [web.partner.example], tls: {mode: ISTIO_MUTUAL}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.partner.example]
  gateways: [mesh, out]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: [web.partner.example]}]
    route: [{destination: {host: egressgateway.shop.svc.cluster.local, port: {number: 443}}}]
  tcp:
  - match: [{gateways: [out], port: 443}]
    route: [{destination: {host: web.partner.example, port: {number: 443}}}]
"""


def test_tls_of_the_client_goes_within_that_of_the_mesh_to_a_gateway_that_ends_it(tmp_path):
    mesh = rule("egressgateway.shop.svc.cluster.local", "{mode: ISTIO_MUTUAL, sni: web.partner.example}")
    text = MESH_TLS_GATEWAY + entry("web", HTTPS, "resolution: DNS") + mesh
    scenario = drafted(tmp_path, text).scenario

    assert scenario.traffic.first.url == "https://web.partner.example/"
    assert scenario.traffic.gateway == "egressgateway"
    assert scenario.nodes["web"].tls == "simple"


def test_a_wildcard_that_no_rule_speaks_of_is_asked_by_a_name_below_it(tmp_path):
    scenario = drafted(tmp_path, entry("wild", HTTP, *STATIC, host="'*.partner.example'")).scenario

    assert scenario.traffic.first.url == "http://any.partner.example/"


def test_http_on_a_port_that_others_use_for_bytes_is_reached(tmp_path):
    other = entry("db", "{number: 80, name: tcp, protocol: TCP}", "resolution: DNS")
    scenario = drafted(tmp_path, entry("web", HTTP, *STATIC) + other).scenario

    assert "http://web.partner.example/" in {each.url for each in scenario.traffic.requests.values()}


def test_tls_is_led_by_its_server_name_on_a_port_that_others_use_for_http(tmp_path):
    other = "{number: 443, name: https, protocol: HTTP}"
    text = entry("api", other, "resolution: DNS") + entry("web", HTTPS, "resolution: DNS")
    scenario = drafted(tmp_path, text).scenario

    assert {each.url for each in scenario.traffic.requests.values()} == {
        "http://api.partner.example:443/",
        "https://web.partner.example/",
    }


def test_only_hosts_that_the_yaml_names_are_among_those_without_a_request(tmp_path):
    made = init_scenario(tmp_path / "scenario", [_written(tmp_path, GATEWAY + API)])

    assert {host.rpartition(":")[0] for host, _ in made.draft.unreached} <= {
        "api.partner.example",
        "egressgateway.istio-system.svc.cluster.local",
        "istio-egressgateway.istio-system.svc.cluster.local",
    }


def _written(folder: Path, text: str) -> Path:
    file = folder / "given.yaml"
    file.write_text(text)
    return file


def test_shares_are_expected_of_weights_and_not_of_load_balancers(tmp_path):
    two = (
        "resolution: STATIC",
        "endpoints: [{address: 192.0.2.7, locality: a}, {address: 192.0.2.8, locality: b}]",
    )
    scenario = drafted(tmp_path, entry("web", HTTP, *two)).scenario

    expect = scenario.traffic.first.expect
    assert set(expect.nodes) == set(scenario.nodes)
    assert len(expect.nodes) == 2
    assert not expect.shares


def test_bytes_go_to_the_address_that_a_rule_asks_for_and_not_to_the_gateways_service(tmp_path):
    """Istio's egress of TCP: a block of one address, and a rule by ``destinationSubnets``."""
    text = entry(
        "db",
        "{number: 3306, name: tcp, protocol: TCP}",
        "addresses: [203.0.113.7/32]",
        "resolution: STATIC",
        "endpoints: [{address: 203.0.113.7}]",
    )
    text += """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 7777, name: tcp, protocol: TCP}, hosts: [db.partner.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db}
spec:
  hosts: [db.partner.example]
  gateways: [mesh, out]
  tcp:
  - match: [{gateways: [mesh], destinationSubnets: [203.0.113.7/32], port: 3306}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 7777}}}]
  - match: [{gateways: [out], port: 7777}]
    route: [{destination: {host: db.partner.example, port: {number: 3306}}}]
"""

    scenario = drafted(tmp_path, text).scenario

    assert {each.url for each in scenario.traffic.requests.values()} == {"tcp://db.partner.example:3306"}
    assert scenario.traffic.gateway is not None


def test_of_two_that_speak_otherwise_to_one_endpoint_tls_is_believed(tmp_path):
    """Plain HTTP with ``targetPort: 443`` and no rule that starts TLS, beside HTTPS to the same port."""
    plain = "{number: 80, name: http, protocol: HTTP, targetPort: 443}"
    scenario = drafted(tmp_path, entry("web", f"{plain}, {HTTPS}", "resolution: DNS")).scenario

    assert [each.url for each in scenario.traffic.requests.values()] == ["https://web.partner.example/"]
    assert "no request to web.partner.example:80" in unreached(tmp_path)
    assert "no server speaks both" in unreached(tmp_path)


def test_an_endpoint_that_some_show_a_certificate_to_demands_none(tmp_path):
    plain = "{number: 80, name: http, protocol: HTTP, targetPort: 443}"
    text = entry("web", f"{plain}, {HTTPS}", "resolution: DNS")
    mutual = "{mode: MUTUAL, clientCertificate: /c.crt, privateKey: /c.key, caCertificates: /ca.crt}"
    scenario = drafted(tmp_path, text + rule("web.partner.example", mutual, port=80)).scenario

    assert len(scenario.traffic.requests) == 2
    assert {node.tls for node in scenario.nodes.values()} == {"simple"}


def test_a_port_of_grpc_is_called_by_http2(tmp_path):
    grpc = entry("rpc", "{number: 50051, name: grpc, protocol: GRPC}", *STATIC)
    other = entry("web", "{number: 8080, name: http2, protocol: HTTP2}", *STATIC)

    requests = drafted(tmp_path, grpc + other).scenario.traffic.requests

    assert {name: each.protocol for name, each in requests.items()} == {"rpc": "http/2", "web": None}


def test_a_gateway_of_several_pods_is_drafted_whole(tmp_path):
    """As ``kubectl get -o yaml`` writes it: the sidecar balances over the addresses of both."""
    runs = """
---
apiVersion: v1
kind: Service
metadata: {name: istio-egressgateway, namespace: istio-system}
spec: {selector: {istio: egressgateway}, ports: [{name: http2, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: x, namespace: istio-system, labels: {kubernetes.io/service-name: istio-egressgateway}}
addressType: IPv4
ports: [{name: http2, port: 80}]
endpoints: [{addresses: [10.1.0.9]}, {addresses: [10.1.4.2]}]
"""
    inventory = drafted(tmp_path, GATEWAY + API + runs).scenario.inventory

    first, second = inventory.replicas_of("istio-egressgateway")
    assert (inventory.proxies[first].ip, inventory.proxies[second].ip) == ("10.1.0.9", "10.1.4.2")
