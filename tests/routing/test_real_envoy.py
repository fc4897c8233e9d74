"""The matrix of whole resource sets, sent through translated real Envoys: both opinions must agree."""

import json

import pytest

from bench.routing.decision import Delivered, LocalAnswer, NoConnection
from bench.routing.matrix import request_matrix
from bench.routing.router import Router
from tests.routing.real_path import RealPath

pytestmark = pytest.mark.envoy


def delivered_endpoints(router, resources):
    found = set()
    for service in router._catalog.services:
        for port in service.ports.values():
            found |= {(b.endpoint.address, b.endpoint.port) for b in port.backends}
    gateways = {proxy.ip for proxy in router.inventory.proxies.values()}
    return {endpoint for endpoint in found if endpoint[0] not in gateways}


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
    router = Router(resources, inventory)
    matrix = request_matrix(router, resources)
    assert len(matrix.cases) >= least
    path = RealPath(resources, inventory, tmp_path, delivered_endpoints(router, resources))

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
