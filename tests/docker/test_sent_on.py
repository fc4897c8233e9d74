"""Connections that go where they were meant to go: a draft of them runs, and reaches stand-ins alone."""

import contextlib
import shutil

import pytest

from bench.commands.init import init_scenario
from bench.headers import NODE_HEADER
from bench.measure import stack_target
from bench.stack.compose.stack import ComposeStack
from bench.verify.callers import make_calls
from bench.verify.calls import Call
from bench.verify.verifier import Verifier
from tests.docker.lookups import AskingOnce
from tests.docker.test_confined import subnets_of, watching
from tests.support.stack_tour import prepared_of

pytestmark = pytest.mark.docker

ENTRY = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: shop}}
spec: {{hosts: ["{host}"], location: MESH_EXTERNAL, ports: [{ports}], {more}}}
"""
HTTP = "{number: 80, name: http, protocol: HTTP}"
TLS = "{number: 443, name: tls, protocol: TLS}"
TCP = "{number: 3306, name: tcp, protocol: TCP}"
AT_8080 = "{number: 80, name: http, protocol: HTTP, targetPort: 8080}"
TWO_HTTP = f"{HTTP}, {{number: 8080, name: http-2, protocol: HTTP}}"
ENTRIES = (
    ("api", "api.partner.example", AT_8080, "NONE", ""),
    ("wild", "*.wild.example", TLS, "NONE", ""),
    ("wide", "wide.example", TCP, "NONE", "203.0.113.0/24"),
    ("narrow", "narrow.example", TCP, "STATIC", "203.0.113.0/28"),
    ("single", "single.example", TCP, "STATIC", "203.0.113.200"),
    ("named", "*.named.example", f"{HTTP}, {TLS}", "DYNAMIC_DNS", ""),
    ("far", "*.far.example", TWO_HTTP, "DYNAMIC_DNS", ""),
)


def entry(number: int, of: tuple[str, str, str, str, str]) -> str:
    name, host, ports, resolution, address = of
    endpoints = f", endpoints: [{{address: 192.0.2.{number}}}]" if resolution == "STATIC" else ""
    addresses = f", addresses: [{address}]" if address else ""
    return ENTRY.format(
        name=name, host=host, ports=ports, more=f"resolution: {resolution}{addresses}{endpoints}"
    )


HEADLESS = """
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: http, port: 80}, {name: tls, port: 443}, {name: tcp, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: http, port: 80}, {name: tls, port: 443}, {name: tcp, port: 5432}]
endpoints: [{addresses: [10.0.7.1]}, {addresses: [10.0.7.2]}]
"""
MORE = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: both, namespace: shop}
spec:
  hosts: [both.example]
  addresses: ["2001:db8:5::5", 192.0.2.99]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
  resolution: STATIC
  endpoints: [{address: "2001:db8:5::5"}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: begun, namespace: shop}
spec:
  hosts: ["*.begun.example"]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DYNAMIC_DNS
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: begun, namespace: shop}
spec: {host: "*.begun.example", trafficPolicy: {tls: {mode: SIMPLE}}}
"""

FAR_THROUGH_THE_GATEWAY = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.far.example"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: far, namespace: istio-system}
spec:
  hosts: ["*.far.example"]
  gateways: [mesh, out]
  http:
  - match: [{gateways: [mesh]}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out]}]
    route: [{destination: {host: "*.far.example", port: {number: 80}}}]
"""


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sent-on")
    texts = (entry(number, each) for number, each in enumerate(ENTRIES, 1))
    (folder / "given.yaml").write_text("".join(texts) + FAR_THROUGH_THE_GATEWAY + HEADLESS + MORE)
    made = init_scenario(folder / "scenario", [folder / "given.yaml"])
    assert made.draft.needs_containers
    return prepared_of(folder / "scenario", folder)


def test_every_such_connection_reaches_its_stand_in_and_nothing_leaves(images, drafted):
    prepared, material = drafted
    scenario = prepared.loaded.scenario
    with ComposeStack(prepared.stack_spec("sent-on", "eds", material), images=images) as stack:
        proxies = [part.name for part in stack.components() if part.role != "node"]
        with contextlib.ExitStack() as watches:
            seen = [
                watches.enter_context(watching(stack.component(each).pid, subnets_of(stack)))
                for each in proxies
                if shutil.which("nsenter") is not None
            ]
            verifier = Verifier(prepared, material)
            lines = (*verifier.ask_scenario(stack), *verifier.ask_matrix(stack))
            targets = stack_target(stack, scenario)
            # Names and addresses that no node plays.
            unplayed = make_calls(
                [
                    Call("http://other.named.example/", headers={"host": "other.named.example"}),
                    Call(f"http://{targets['wide'].address}:81/"),
                    Call("http://198.51.100.77/", headers={"host": "api.partner.example"}),
                ],
                AskingOnce(stack.client("client")),
            )

    assert [line.name for line in lines if not line.passed] == []
    asked = {name.split(" from ")[0] for name in (line.name for line in lines) if " from client" in name}
    expected = {each[0] for each in ENTRIES} | {"db", "db-2", "db-3", "both", "both-2", "begun"}
    assert asked == set(scenario.traffic.requests) >= expected
    assert {each: targets[each].address for each in ("wide", "narrow", "single", "db-2", "both-2")} == {
        "wide": "203.0.113.16",
        "narrow": "203.0.113.1",
        "single": "203.0.113.200",
        "db-2": "10.0.7.1",
        "both-2": "192.0.2.99",
    }
    assert not any(answer.headers.get(NODE_HEADER) for answer in unplayed)
    # The engine is asked for names, and asks nobody.
    assert {place for each in seen for place in each if not place.startswith("127.0.0.11:")} == set()
