"""The matrix of whole resource sets, sent through translated real Envoys: both opinions must agree."""

import json
from collections import Counter
from fractions import Fraction

import pytest
import yaml

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.routing.decision import Delivered, LocalAnswer, NoConnection
from bench.routing.distribution import judge_distribution
from bench.routing.matrix import request_matrix
from bench.routing.request import Request
from bench.routing.router import Router
from tests.routing.conftest import SETS
from tests.routing.generated import INVENTORY, generate
from tests.routing.real_path import RealPath

pytestmark = pytest.mark.envoy


def all_endpoints(router, resources):
    found = set()
    for service in router._catalog.services:
        for port in service.ports.values():
            found |= {(b.endpoint.address, b.endpoint.port) for b in port.backends}
    return found


def fits(outcome, answer):
    if isinstance(outcome, NoConnection):
        return answer is None
    if answer is None:
        return False
    status, headers, body = answer
    if isinstance(outcome, LocalAnswer):
        return (
            status == outcome.status
            and "x-node" not in headers
            and headers.get("location") == outcome.location
            and (outcome.body is None or not body or body.decode() == outcome.body)
        )
    if isinstance(outcome, Delivered):
        nodes = {f"{e.address}:{e.port}" for e in outcome.destination.endpoints}
        if status != 200 or headers.get("x-node") not in nodes:
            return False
        if not body:
            return True  # HEAD
        seen = json.loads(body)
        host = next(value for key, value in seen["headers"] if key.lower() == "host")
        return seen["target"].partition("?")[0] == outcome.path and host == outcome.host
    raise AssertionError(outcome)


CASES = [
    ("matches", None, 250),
    ("matches", "istio-1.0", 250),
    ("changes", None, 250),
    ("changes", "istio-1.0", 250),
    ("hosts", None, 150),
    ("hosts", "istio-1.0", 150),
]


@pytest.mark.parametrize(("name", "semantics", "least"), CASES)
def test_real_proxies_do_what_routing_says_for_the_whole_matrix(load_set, tmp_path, name, semantics, least):
    resources, inventory = load_set(name, semantics)

    assert compare(resources, inventory, tmp_path) >= least


@pytest.mark.parametrize("seed", range(8))
def test_real_proxies_do_what_routing_says_for_generated_resources(tmp_path, seed):
    semantics = ("current", "istio-1.0")[seed % 2]
    inventory = Inventory.model_validate({**INVENTORY, "semantics": semantics})

    assert compare(load_text(generate(seed), f"seed-{seed}"), inventory, tmp_path, most=400) > 100


def compare(resources, inventory, folder, *, most=2000):
    """Send the whole matrix; the number of cases that agreed, if all did."""
    router = Router(resources, inventory)
    matrix = request_matrix(router, resources, most=most)
    path = RealPath(resources, inventory, folder, all_endpoints(router, resources))
    wrong = []
    try:
        for case in matrix.cases:
            answer = path.send(case.request)
            if not any(fits(outcome, answer) for outcome in case.decision.distribution()):
                wrong.append(
                    f"{case.name}\n  {case.request}\n  expected {list(case.decision.distribution())}\n"
                    f"  got {answer and (answer[0], answer[1], answer[2][:200])}"
                )
    finally:
        path.close()
    assert not wrong, f"{len(wrong)} of {len(matrix.cases)}:\n" + "\n".join(wrong[:12])
    return len(matrix.cases)


@pytest.fixture(scope="module")
def changes(tmp_path_factory, request):
    written = yaml.safe_load((SETS / "changes.yaml").read_text())
    resources = load_text(written["resources"], "changes.yaml")
    inventory = Inventory.model_validate(written["inventory"])
    router = Router(resources, inventory)
    path = RealPath(resources, inventory, tmp_path_factory.mktemp("path"), all_endpoints(router, resources))
    yield router, path
    path.close()


@pytest.mark.parametrize(
    ("target", "shares"),
    [
        # 3 : 1 : 1, the last to a port that does not exist.
        ("/weighted", {"10.9.0.1:80": (3, 5), "10.9.0.2:80": (1, 5), 503: (1, 5)}),
        ("/delayed", {"10.9.0.1:80": (3, 5), 554: (2, 5)}),
    ],
)
def test_real_shares_fit_the_exact_distribution_and_no_other(changes, target, shares):
    router, path = changes
    request = Request("api.example.org", 80, target, proxy="client")
    expected = {key: Fraction(*share) for key, share in shares.items()}
    decided = Counter()
    for outcome, share in router.decide(request).distribution().items():
        if isinstance(outcome, Delivered):
            for endpoint in outcome.destination.endpoints:
                decided[f"{endpoint.address}:{endpoint.port}"] += share / len(outcome.destination.endpoints)
        else:
            decided[outcome.status] += share
    assert decided == expected

    seen = Counter()
    for _ in range(600):
        status, headers, _ = path.send(request)
        seen[headers.get("x-node", status)] += 1

    assert judge_distribution(seen, expected, error_probability=1e-6).fits
    first, *others = expected.values()
    swapped = dict(zip(expected, [*others, first], strict=True))
    assert not judge_distribution(seen, swapped, error_probability=1e-6).fits


ODD = [
    {"path": "/a/./b"},
    {"path": "/a/../b"},
    {"path": "/a/%2e%2e/b"},
    {"path": "/a%2Fb"},
    {"path": "/a%41"},
    {"path": "/a%7Eb"},
    {"path": "/a%C3%A9"},
    {"path": "//a"},
    {"path": "/a/.."},
    {"path": "/..."},
    {"host": "api.example.org:"},
    {"host": "api.example.org:80x"},
    {"host": "API.example.org:99999999999"},
    {"host": "api.example.org.:80"},
    {"host": "api.example.org:80:90"},
    {"host": "[::1]:80"},
    {"path": "/add", "headers": (("want", "a"), ("want", "z"))},
    {"path": "/add", "headers": (("want", "z"), ("want", "a"))},
    {"path": "/x", "headers": (("want", "z"), ("want", "b"))},
    {"path": "/x", "headers": (("want", "b,z"),)},
    {"path": "/x", "headers": (("x-forwarded-proto", "HTTPS"),)},
    {"path": "/redirect-scheme", "headers": (("x-forwarded-proto", "https"),)},
    {"path": "/redirect-derived", "host": "api.example.org:80"},
    {"path": "/redirect-port", "host": "api.example.org:80"},
    {"path": "/redirect-same-port", "host": "api.example.org:8080"},
    {"path": "/redirect-query", "query": "mine=2"},
    {"path": "/redirect-prefix/x", "query": "mine=2"},
    {"path": "/strip/x", "query": "mine=2"},
    {"path": "/swap/one/two/three"},
    {"path": "/casEful"},
    {
        "path": "/cors",
        "method": "OPTIONS",
        "headers": (("origin", "https://good.example"), ("access-control-request-method", "GET")),
    },
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: " ".join(str(value) for value in odd.values())[:60])
def test_real_proxies_treat_odd_requests_as_routing_says(changes, odd):
    router, path = changes
    request = Request(**{"host": "api.example.org", "port": 80, "proxy": "client", **odd})

    decision = router.decide(request)
    answer = path.send(request)

    assert decision.is_judged
    assert any(fits(outcome, answer) for outcome in decision.distribution()), (decision, answer)
