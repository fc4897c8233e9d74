"""The request matrix: complete, deterministic, bounded, and judged."""

import pytest

from bench.routing.decision import Delivered
from bench.routing.matrix import request_matrix
from bench.routing.router import Router


def matrix_of(load_set, name, **more):
    resources, inventory = load_set(name)
    return request_matrix(Router(resources, inventory), resources, **more)


@pytest.mark.parametrize("name", ["matches", "changes", "hosts"])
def test_every_match_has_a_request_that_takes_it(load_set, name):
    """Unless no request can: matches for other ports, labels or namespaces than those of any client."""
    resources, inventory = load_set(name)
    router = Router(resources, inventory)
    matrix = request_matrix(router, resources)

    taken = {hop.why for case in matrix.cases for branch in case.decision.branches for hop in branch.hops}
    reachable = {
        rule.why
        for proxy in inventory.proxies
        for port in router.http_ports(proxy)
        for domain in router.listener(proxy, port).table.domains
        if (host := router.listener(proxy, port).table.find(domain.replace("*", "any")))
        for rule in host.rules
    }

    assert not matrix.without_request
    assert len(reachable - taken) <= len(reachable) // 10, sorted(reachable - taken)


def test_near_misses_change_one_condition_each(load_set):
    matrix = matrix_of(load_set, "matches")
    names = " ".join(case.name for case in matrix.cases)

    for what in (
        "header x-exact absent",
        "header x-exact empty",
        "header x-exact in other case",
        "header x-exact longer",
        "header x-exact shorter",
        "header X-EXACT: its name in other case",
        "unwanted header x-bad",
        "path with one character more",
        "path with one character less",
        "path in other case",
        "other method",
        "query parameter exact absent",
        "query parameter exact after another of its name",
        "host with port",
        "host with a trailing dot",
        "other host",
    ):
        assert what in names, what


def test_overlapping_matches_are_asked_together_and_the_first_wins(load_set):
    matrix = matrix_of(load_set, "matches")
    case = next(case for case in matrix.cases if case.request.path == "/over/lap" and case.request.port == 80)

    assert isinstance(case.decision.outcome, Delivered)
    assert case.decision.outcome.destination.subset == "a"


def test_the_same_resources_give_the_same_matrix(load_set):
    first, second = matrix_of(load_set, "hosts"), matrix_of(load_set, "hosts")

    assert first == second
    requests = [case.request for case in first.cases]
    assert len(set(requests)) == len(requests)


def test_what_the_bound_leaves_out_is_counted(load_set):
    whole, part = matrix_of(load_set, "matches"), matrix_of(load_set, "matches", most=50)

    assert part.cases == whole.cases[:50]
    assert part.left_out >= len(whole.cases) - 50
    assert all(case.name.startswith("takes") for case in part.cases[:20])


def test_what_cannot_be_judged_is_listed_with_its_reason(load_set):
    matrix = matrix_of(load_set, "changes")

    assert matrix.unjudged
    assert all("format string" in reason for _, _, reason in matrix.unjudged)
