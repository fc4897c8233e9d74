"""The matrix of whole resource sets, sent through translated real Envoys: all opinions must agree.

On generated resources there are three: routing, the translation as real Envoys evaluate it, and the analyzer.
"""

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
from tests.routing.analyzer_opinion import (
    CODES,
    Claims,
    Place,
    Taken,
    claims_of,
    contradictions,
    taken_by_envoy,
    taken_by_routing,
)
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


SEEDS = range(8)
"""Of generated resources that real proxies run."""


def generated(seed):
    semantics = ("current", "istio-1.0")[seed % 2]
    inventory = Inventory.model_validate({**INVENTORY, "semantics": semantics})
    return load_text(generate(seed), f"seed-{seed}"), inventory


@pytest.mark.parametrize("seed", SEEDS)
def test_routing_real_proxies_and_the_analyzer_agree_on_generated_resources(tmp_path, seed):
    resources, inventory = generated(seed)

    assert compare(resources, inventory, tmp_path, most=400, claims=claims_of(resources, inventory)) > 100


MORE_SEEDS = (*range(8, 26), 44)
"""Of generated resources about which routing and the analyzer alone are asked.

In 44 the oldest VirtualService of a host has no rule for the client, so that the next one counts.
"""


def test_routing_and_the_analyzer_agree_on_many_generated_resources():
    codes = Counter()
    wrong = []
    for seed in MORE_SEEDS:
        resources, inventory = generated(seed)
        claims = claims_of(resources, inventory)
        codes += claims.codes
        for case in request_matrix(Router(resources, inventory), resources, most=150).cases:
            routed = taken_by_routing(case.decision, resources)
            reported = contradictions(claims, case.request, routed, None)
            wrong += [f"seed {seed}: {case.request}\n  {text}" for text in reported]

    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])
    assert set(CODES) <= set(codes)


def test_a_false_claim_of_the_analyzer_is_noticed_by_both_others():
    request = Request("one.example.org", 80, "/", proxy="client")
    place = Place("first", 0, None)
    taken = [Taken("client", place, frozenset({""}))]
    false_claims = (
        Claims(dead_rules={("first", 0): "IST0130"}),
        Claims(dead_matches={place: "EB0009"}),
        Claims(ignored={"first": {"one.example.org"}}),
        Claims(hidden={(place, "one.example.org", "client")}),
        Claims(flags={("first", 0): ["NC"]}),
    )

    for claims in false_claims:
        assert len(contradictions(claims, request, taken, taken)) == 2
    at_gate = [Taken("gate", place, frozenset({""}))]
    assert contradictions(Claims(not_served={"first"}), request, at_gate, None)
    assert contradictions(Claims(), request, taken, taken) == []
    # A destination that is not there, and of which the analyzer says nothing.
    lost = [Taken("client", place, frozenset({"NC"}))]
    assert len(contradictions(Claims(), request, lost, lost)) == 2
    # The proxy took another rule than routing, or has no line at all.
    assert contradictions(Claims(), request, taken, [Taken("client", Place("first", 1, 0), frozenset({""}))])
    assert contradictions(Claims(), request, taken, [])


def compare(resources, inventory, folder, *, most=2000, claims=None):
    """Send the whole matrix; the number of cases that agreed, if all did.

    With *claims* of the analyzer, each rule that routing or a proxy takes must agree with them, too.
    """
    router = Router(resources, inventory)
    matrix = request_matrix(router, resources, most=most)
    path = RealPath(resources, inventory, folder, all_endpoints(router, resources))
    wrong = []
    try:
        for number, case in enumerate(matrix.cases):
            answer = path.send(case.request, f"{number}")
            if not any(fits(outcome, answer) for outcome in case.decision.distribution()):
                wrong.append(
                    f"{case.name}\n  {case.request}\n  expected {list(case.decision.distribution())}\n"
                    f"  got {answer and (answer[0], answer[1], answer[2][:200])}"
                )
    finally:
        path.close()
    if claims is not None:
        lines = path.lines()
        for number, case in enumerate(matrix.cases):
            routed = taken_by_routing(case.decision, resources)
            real = taken_by_envoy(lines.get(f"{number}", {}))
            wrong += [
                f"{case.name}\n  {case.request}\n  {text}"
                for text in contradictions(claims, case.request, routed, real)
            ]
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
