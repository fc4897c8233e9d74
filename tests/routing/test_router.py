"""Decisions by the rules of Istio, each with its reason."""

from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from bench.istio.inventory import Inventory
from bench.istio.load import load_folder, load_text
from bench.routing.decision import Delivered, LocalAnswer, NoConnection, Unjudged
from bench.routing.layer4 import Connection
from bench.routing.request import Request
from bench.routing.router import Router, route
from tests.support.effort import calls_of

HOST = "nginx.external.svc.cluster.local"
SCENARIO = Path(__file__).parents[2] / "scenarios" / "egress-mtls"


def walkthrough(semantics="istio-1.0"):
    inventory = Inventory.model_validate(
        yaml.safe_load((SCENARIO / "scenario.yaml").read_text())["inventory"]
    )
    return load_folder(SCENARIO / "istio"), inventory.model_copy(update={"semantics": semantics})


@pytest.mark.parametrize(("want", "node"), [("v1", "192.168.0.63"), ("v2", "192.168.0.64")])
def test_the_walkthrough_leads_each_want_to_its_node(want, node):
    decision = route(*walkthrough(), Request(HOST, 80, headers=(("Want", want),)))

    assert isinstance(decision.outcome, Delivered)
    assert (decision.outcome.destination.subset, decision.outcome.destination.port) == (want, 443)
    assert [endpoint.address for endpoint in decision.outcome.destination.endpoints] == [node]
    assert [hop.proxy for hop in decision.branches[0].hops] == ["sleep", "egress"]


@pytest.mark.parametrize(
    ("host", "want", "by"),
    [
        (HOST, "v3", "egress"),
        (HOST, "V1", "egress"),
        (HOST, "v1x", "egress"),
        ("nginx.external", "v1", "egress"),
        ("other.example", "v1", "sleep"),
        (f"{HOST}.", "v1", "sleep"),
    ],
)
def test_what_the_walkthrough_must_refuse_and_who_does(host, want, by):
    outcome = route(*walkthrough(), Request(host, 80, headers=(("want", want),))).outcome

    assert isinstance(outcome, LocalAnswer)
    assert (outcome.status, outcome.by, outcome.flag) == (404, by, "NR")


def test_reasons_name_the_resource_and_its_line():
    decision = route(*walkthrough(), Request(HOST, 80, headers=(("want", "v2"),)))

    why = decision.branches[0].hops[1].why
    assert why.startswith("VirtualService default/vs-nginx-ext-egress, http[1] (")
    assert "virtual-service-egress.yaml:" in why


def test_current_semantics_break_the_walkthrough_and_say_why():
    """A gateway outside of the ServiceEntry's namespace knows the Service of that host alone."""
    outcome = route(*walkthrough("current"), Request(HOST, 80, headers=(("want", "v1"),))).outcome

    assert isinstance(outcome, LocalAnswer)
    assert (outcome.status, outcome.flag, outcome.by) == (503, "NC", "egress")
    assert "has no port 443, only 80" in outcome.why


def test_an_unknown_host_is_404_by_the_old_rules_and_502_by_the_current():
    old = route(*walkthrough("istio-1.0"), Request("other.example", 80)).outcome
    new = route(*walkthrough("current"), Request("other.example", 80)).outcome

    assert (old.status, new.status) == (404, 502)


def test_a_port_that_nothing_has_takes_no_connection():
    assert isinstance(route(*walkthrough(), Request(HOST, 81)).outcome, NoConnection)


def test_the_proxy_must_be_named_when_there_are_several():
    resources, inventory = walkthrough()
    two = {**inventory.proxies, "second": inventory.proxies["sleep"]}

    with pytest.raises(LookupError, match="2 sidecars"):
        route(resources, inventory.model_copy(update={"proxies": two}), Request(HOST, 80))
    with pytest.raises(LookupError, match="no proxy 'nobody'"):
        route(resources, inventory, Request(HOST, 80, proxy="nobody"))


def small(http, *, entry="", rest="", inventory=None):
    text = f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: api}}
spec:
  hosts: [api.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 10.9.0.1, labels: {{version: a}}}}, {{address: 10.9.0.2}}]
{entry}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: api}}
spec:
  hosts: [api.example.org]
  http: {http}
{rest}
"""
    proxies = {"client": {"role": "sidecar", "ip": "10.1.0.5"}}
    return Router(
        load_text(text, "small.yaml"), Inventory.model_validate({"proxies": proxies, **(inventory or {})})
    )


def ask(router, path="/", **more):
    return router.decide(Request("api.example.org", 80, path, **more))


def test_weights_and_faults_multiply_exactly():
    router = small(
        """
  - fault: {abort: {httpStatus: 500, percentage: {value: 12.5}}}
    route:
    - {destination: {host: api.example.org}, weight: 1}
    - {destination: {host: missing.example.org}, weight: 2}
    - {destination: {host: api.example.org}, weight: 0}
"""
    )

    shares = {
        getattr(outcome, "status", "delivered"): share
        for outcome, share in ask(router).distribution().items()
    }

    assert shares == {500: Fraction(1, 8), "delivered": Fraction(7, 24), 503: Fraction(7, 12)}
    assert sum(shares.values()) == 1


def test_mirrors_and_delays_are_reported_and_change_no_destination():
    router = small(
        """
  - mirror: {host: other.example.org, subset: m}
    mirrorPercentage: {value: 25}
    fault: {delay: {fixedDelay: 250ms, percentage: {value: 50}}}
    route: [{destination: {host: api.example.org}}]
"""
    )

    branch = ask(router).branches[0]

    assert isinstance(branch.outcome, Delivered)
    assert (branch.hops[0].mirrors[0].subset, branch.hops[0].mirrors[0].probability) == ("m", Fraction(1, 4))
    assert (branch.hops[0].delay.probability, branch.hops[0].delay.seconds) == (Fraction(1, 2), 0.25)


@pytest.mark.parametrize(
    ("http", "reason"),
    [
        ("[{match: [{headers: {x-request-id: {exact: a}}}], directResponse: {status: 200}}]", "on their own"),
        ("[{redirect: {uri: /x, redirectCode: 304}}]", "304"),
        (
            "[{fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}, route: []}]".replace(
                "[]", "[{destination: {host: api.example.org}}]"
            ),
            "gRPC",
        ),
    ],
)
def test_what_the_rules_do_not_decide_is_said_and_never_guessed(http, reason):
    outcome = ask(small(http)).outcome

    assert isinstance(outcome, Unjudged)
    assert reason in outcome.reason


def test_a_doubtful_condition_does_no_harm_where_another_decides():
    router = small(
        """
  - match: [{uri: {prefix: /a}, headers: {via: {exact: x}}}]
    directResponse: {status: 201}
  - directResponse: {status: 202}
"""
    )

    assert ask(router, "/b").outcome.status == 202
    assert isinstance(ask(router, "/a").outcome, Unjudged)


@pytest.mark.parametrize(
    ("spec", "flag", "why"),
    [
        ("{host: api.example.org, subset: nowhere}", "NC", "defines no subset nowhere"),
        ("{host: api.example.org, subset: none}", "UH", "has no endpoint"),
        ("{host: api.example.org, port: {number: 81}}", "NC", "has no port 81, only 80"),
        ("{host: api}", "NC", "no service is called api.default.svc.cluster.local"),
    ],
)
def test_a_destination_that_is_none_is_503_with_its_reason(spec, flag, why):
    router = small(
        f"[{{route: [{{destination: {spec}}}]}}]",
        rest="""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.example.org
  subsets: [{name: a, labels: {version: a}}, {name: none, labels: {version: z}}]
""",
    )

    outcome = ask(router).outcome

    assert (outcome.status, outcome.flag) == (503, flag)
    assert why in outcome.why


def far(host: str, kind: str, port: str = "{number: 80, name: http, protocol: HTTP}") -> Router:
    """Everything for api.example.org goes to *host*, which no endpoint is known of."""
    return small(
        f"[{{route: [{{destination: {{host: '{host}', port: {{number: 80}}}}}}]}}]",
        rest=f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: far}}
spec:
  hosts: ["{host}"]
  resolution: {kind}
  ports: [{port}]
""",
    )


def ends(decision) -> list[tuple[str, int]]:
    return [(each.address, each.port) for each in decision.outcome.destination.endpoints]


@pytest.mark.parametrize("host", ["far.example.com", "*.far.test"])
def test_resolution_none_leads_to_the_address_that_the_client_dialled(host):
    assert isinstance(ask(far(host, "NONE")).outcome, Unjudged)

    decision = ask(far(host, "NONE"), address="198.18.0.1")
    assert ends(decision) == [("198.18.0.1", 80)]
    assert decision.outcome.destination.host == host

    elsewhere = far(host, "NONE", "{number: 80, name: http, protocol: HTTP, targetPort: 8443}")
    assert ends(ask(elsewhere, address="198.18.0.1")) == [("198.18.0.1", 8443)]


def test_dynamic_dns_leads_to_the_host_that_is_asked_for():
    router = far("*.far.test", "DYNAMIC_DNS")

    assert ends(ask(router)) == [("api.example.org", 80)]
    assert ends(router.decide(Request("API.example.org:8080", 80))) == [("api.example.org", 8080)]


def test_a_gateway_knows_nothing_of_what_a_client_dialled():
    """There resolution NONE means the written endpoints, and here none are."""
    router = Router(
        load_text(
            """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far}
spec: {hosts: [far.example.com], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: far}
spec:
  hosts: [far.example.com]
  gateways: [out]
  http: [{route: [{destination: {host: far.example.com}}]}]
""",
            "small.yaml",
        ),
        Inventory.model_validate(
            {"proxies": {"out": {"role": "gateway", "ip": "10.1.0.9", "labels": {"a": "b"}}}}
        ),
    )
    outcome = router.decide(Request("far.example.com", 80, proxy="out", address="198.18.0.1")).outcome

    assert (outcome.status, outcome.flag) == (503, "UH")


def blocks(*entries: tuple[str, str, str], rest: str = "") -> Router:
    """ServiceEntries on port 3306: name, its addresses, its protocol."""
    text = "".join(
        f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{name}.example.org]
  addresses: {addresses}
  resolution: STATIC
  ports: [{{number: 3306, name: port, protocol: {protocol}}}]
  endpoints: [{{address: 10.9.0.{number}}}]
"""
        for number, (name, addresses, protocol) in enumerate(entries, 1)
    )
    proxies = {"client": {"role": "sidecar", "ip": "10.1.0.5"}}
    return Router(load_text(text + rest, "blocks.yaml"), Inventory.model_validate({"proxies": proxies}))


def test_the_narrowest_block_around_the_dialled_address_takes_a_connection():
    router = blocks(
        ("wide", "[203.0.113.0/24]", "TCP"),
        ("narrow", "[203.0.113.64/28]", "TCP"),
        ("single", "[203.0.113.70]", "TCP"),
        ("both", "[203.0.113.200, 198.51.100.0/24]", "TCP"),
    )

    def reached(address: str) -> str | None:
        outcome = router.connect(Connection(3306, address)).outcome
        return outcome.destination.host if isinstance(outcome, Delivered) else None

    assert reached("203.0.113.1") == "wide.example.org"
    assert reached("203.0.113.65") == "narrow.example.org"
    assert reached("203.0.113.70") == "single.example.org"
    assert reached("192.0.2.1") is None
    assert reached("") is None
    # Where a service has an address of its own, its blocks open nothing.
    assert reached("203.0.113.200") == "both.example.org"
    assert reached("198.51.100.1") is None


def test_in_a_block_a_server_name_decides_only_among_those_of_that_block():
    """No proxy goes back from the address to what would take the name."""
    router = blocks(("wide", "[203.0.113.0/24]", "TLS"), ("narrow", "[203.0.113.64/28]", "TLS"))

    def reached(address: str, sni: str) -> str | None:
        outcome = router.connect(Connection(3306, address, sni)).outcome
        return outcome.destination.host if isinstance(outcome, Delivered) else None

    assert reached("203.0.113.1", "wide.example.org") == "wide.example.org"
    assert reached("203.0.113.65", "narrow.example.org") == "narrow.example.org"
    assert reached("203.0.113.65", "wide.example.org") is None


def test_a_rule_by_subnets_stands_beside_the_blocks_of_its_service():
    rest = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wide}
spec:
  hosts: [wide.example.org]
  tcp:
  - match: [{port: 3306, destinationSubnets: [203.0.113.16/28]}]
    route: [{destination: {host: other.example.org, port: {number: 3306}}}]
"""
    router = blocks(("wide", "[203.0.113.0/24]", "TCP"), ("other", "[192.0.2.5]", "TCP"), rest=rest)

    def reached(address: str) -> str:
        return router.connect(Connection(3306, address)).outcome.destination.host

    assert reached("203.0.113.17") == "other.example.org"


def test_a_request_that_goes_round_for_ever_is_stopped():
    inventory = {
        "proxies": {
            "client": {"role": "sidecar", "ip": "10.1.0.5"},
            "gate": {"role": "gateway", "ip": "10.1.0.9", "labels": {"app": "gate"}},
        },
        "services": [{"name": "gate", "selector": {"app": "gate"}, "ports": [{"name": "http", "port": 80}]}],
    }
    to_itself = "[{route: [{destination: {host: gate, port: {number: 80}}}]}]"
    router = small(
        to_itself,
        rest=f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gate}}
spec:
  selector: {{app: gate}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ["*"]}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: round}}
spec:
  hosts: ["*"]
  gateways: [gate]
  http: {to_itself}
""",
        inventory=inventory,
    )

    outcome = ask(router).outcome

    assert isinstance(outcome, Unjudged)
    assert "goes in circles" in outcome.reason


def test_tls_to_a_plain_listener_is_503_by_the_sender():
    resources, inventory = walkthrough()
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: egress}
spec:
  host: istio-egressgateway.istio-system.svc.cluster.local
  trafficPolicy: {tls: {mode: SIMPLE}}
"""
    more = load_text(rule, "more.yaml")
    both = type(resources)((*resources.all, *more.all))

    outcome = route(both, inventory, Request(HOST, 80, headers=(("want", "v1"),))).outcome

    assert (outcome.status, outcome.by) == (503, "sleep")
    assert "speaks no TLS" in outcome.why


def test_the_thousandth_decision_takes_as_little_work_as_the_first():
    """What was decided is not decided again, and nothing piles up with the number of requests."""
    router = Router(*walkthrough())
    requests = [Request(HOST, 80, headers=(("want", want),)) for want in ("v1", "v2")]
    for request in requests:
        router.decide(request)

    def some():
        for _ in range(250):
            for request in requests:
                router.decide(request)

    first = calls_of(some)
    some()

    assert calls_of(some) == first


PASSING = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner}
spec:
  hosts: [partner.example, other.partner.example]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
  endpoints: [{address: 10.9.0.1, labels: {v: a}}, {address: 10.9.0.2, labels: {v: b}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: partner, namespace: edge}
spec:
  host: partner.example
  subsets: [{name: a, labels: {v: a}}, {name: b, labels: {v: b}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: gate}
spec:
  host: gate.edge.svc.cluster.local
  trafficPolicy: {tls: {mode: SIMPLE, sni: SNI}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {app: gate}
  servers:
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: ["*.example"], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: into}
spec:
  hosts: [partner.example]
  http: [{route: [{destination: {host: gate.edge.svc.cluster.local, port: {number: 443}}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: onward}
spec:
  hosts: ["*.example"]
  gateways: [out]
  tls:
  - match: [{sniHosts: ["*.example"], port: 444}, {sniHosts: ["*.example"], gateways: [else]}]
    route: [{destination: {host: nowhere.example}}]
  - match: [{sniHosts: ["*.example"]}]
    route:
    - {destination: {host: partner.example, port: {number: 443}, subset: a}, weight: 3}
    - {destination: {host: partner.example, port: {number: 443}, subset: b}, weight: 1}
  - match: [{sniHosts: [other.partner.example], port: 443}]
    route: [{destination: {host: other.partner.example, port: {number: 443}}}]
"""


def through_tls(sni):
    inventory = Inventory.model_validate(
        {
            "proxies": {
                "client": {"role": "sidecar", "ip": "10.1.0.5"},
                "gate": {"role": "gateway", "namespace": "edge", "ip": "10.1.0.9", "labels": {"app": "gate"}},
            },
            "services": [
                {
                    "name": "gate",
                    "namespace": "edge",
                    "selector": {"app": "gate"},
                    "ports": [{"name": "tls", "port": 443, "targetPort": 8443}],
                }
            ],
        }
    )
    resources = load_text(PASSING.replace("SNI", sni), "passing.yaml")
    return route(resources, inventory, Request("partner.example", 80))


def test_tls_that_is_passed_on_goes_by_its_sni_the_most_specific_name_first():
    shares = {d.subset: share for d, share in through_tls("partner.example").destinations().items()}
    other = through_tls("other.partner.example").outcome

    assert shares == {"a": Fraction(3, 4), "b": Fraction(1, 4)}
    assert other.destination.host == "other.partner.example"


def test_an_sni_that_no_server_has_is_503_by_the_sender():
    outcome = through_tls("example.org").outcome

    assert (outcome.status, outcome.by) == (503, "client")
    assert "no server has the SNI example.org" in outcome.why


def test_the_absolute_form_of_a_wildcard_host_reaches_the_same_virtual_host():
    """As istiod writes it: domains ``*.example.com`` and ``*.example.com.`` of one virtual host."""
    text = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild, namespace: default}
spec:
  hosts: ["*.example.com"]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.1}]
"""
    client = {"role": "sidecar", "ip": "10.0.0.5", "interception": "none"}
    inventory = Inventory.model_validate({"semantics": "current", "proxies": {"client": client}})
    router = Router(load_text(text, "in.yaml"), inventory)

    for host in ("any.example.com", "any.example.com."):
        (branch,) = router.decide(Request(host, 80)).branches
        assert isinstance(branch.outcome, Delivered), host
