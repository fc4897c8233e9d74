"""The check against istiod's answers can fail: each kind of deviation is found."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.translate import Refusal, translate
from bench.translate.messages import to_plain
from tests.conformance import differences
from tests.conformance.translate import check_folder, check_proxy, main
from tests.translate.conftest import SHOP, WALKTHROUGH, walkthrough_inventory

WITHOUT_SERVICE = "---".join(WALKTHROUGH.split("---")[1:])


def surroundings() -> dict[str, Any]:
    written = walkthrough_inventory("current")
    written["proxies"]["client"]["interception"] = "redirect"
    return {**written, "services": written["services"][:1]}


def answer_of(proxy: str) -> dict[str, Any]:
    """A made-up answer that says the same as the translation."""
    registry = build_registry(load_text(WITHOUT_SERVICE, "x.yaml"), Inventory.model_validate(surroundings()))
    config = translate(registry, proxy, config_source="eds")
    return {
        "listeners": [to_plain(each) for each in config.listeners if each.name != "virtualOutbound"],
        "routes": [to_plain(each) for each in config.routes],
        "clusters": [to_plain(each) for each in config.clusters if each.name.startswith("outbound")],
        "endpoints": [to_plain(each) for each in config.endpoints],
    }


def check(proxy: str, answer: dict[str, Any]) -> list[str]:
    inventory = Inventory.model_validate(surroundings())
    row = check_proxy("case", load_text(WITHOUT_SERVICE, "x.yaml"), inventory, proxy, answer)
    assert row.fields > 100
    return [str(finding) for finding in row.unexplained]


def first(answer: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    return next(each for each in answer[kind] if name in (each.get("name"), each.get("cluster_name")))


CLUSTER = f"outbound|443|v1|{SHOP}"


def _swap_routes(answer: dict[str, Any]) -> None:
    first(answer, "routes", "http.80")["virtual_hosts"][0]["routes"].reverse()


def _other_timeout(answer: dict[str, Any]) -> None:
    action = first(answer, "routes", "http.80")["virtual_hosts"][0]["routes"][0]["route"]
    action["max_stream_duration"]["grpc_timeout_header_max"] = "1s"


def _other_header(answer: dict[str, Any]) -> None:
    match = first(answer, "routes", "http.80")["virtual_hosts"][0]["routes"][0]["match"]
    match["headers"][0]["string_match"]["exact"] = "v3"


def _more_domains(answer: dict[str, Any]) -> None:
    first(answer, "routes", "http.80")["virtual_hosts"][0]["domains"].append("more.example")


def _no_tls(answer: dict[str, Any]) -> None:
    del first(answer, "clusters", CLUSTER)["transport_socket"]


def _other_ca(answer: dict[str, Any]) -> None:
    common = first(answer, "clusters", CLUSTER)["transport_socket"]["typed_config"]["common_tls_context"]
    common["combined_validation_context"]["validation_context_sds_secret_config"]["name"] = "file-root:/other"


def _other_limit(answer: dict[str, Any]) -> None:
    first(answer, "clusters", CLUSTER)["circuit_breakers"]["thresholds"][0]["max_requests"] = 1


def _other_endpoint(answer: dict[str, Any]) -> None:
    group = first(answer, "endpoints", CLUSTER)["endpoints"][0]
    group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] = 1


def _other_weight(answer: dict[str, Any]) -> None:
    first(answer, "endpoints", CLUSTER)["endpoints"][0]["load_balancing_weight"] = 9


def _one_more_cluster(answer: dict[str, Any]) -> None:
    answer["clusters"].append({"name": "outbound|1||more.example", "type": "EDS"})


def _no_listener(answer: dict[str, Any]) -> None:
    answer["listeners"].clear()


def _other_listener_port(answer: dict[str, Any]) -> None:
    answer["listeners"][0]["address"]["socket_address"]["port_value"] = 1


def _other_filter(answer: dict[str, Any]) -> None:
    chain = answer["listeners"][0]["filter_chains"][0]
    chain["filters"][0]["typed_config"]["http_filters"].pop(0)


@pytest.mark.parametrize("proxy", ["client", "egress"])
def test_the_same_is_not_a_difference(proxy):
    """By either config source."""
    assert check(proxy, answer_of(proxy)) == []


@pytest.mark.parametrize(
    "change",
    [
        _swap_routes,
        _other_timeout,
        _other_header,
        _more_domains,
        _no_tls,
        _other_ca,
        _other_limit,
        _other_endpoint,
        _other_weight,
        _one_more_cluster,
        _no_listener,
        _other_listener_port,
        _other_filter,
    ],
)
def test_a_deviation_is_found(change: Callable[[dict[str, Any]], None]):
    """Whatever istiod says differently shows."""
    answer = copy.deepcopy(answer_of("egress"))
    change(answer)
    assert check("egress", answer) != []


def test_the_exit_code_reports_whether_anything_differs(tmp_path, capsys):
    """0 without, 1 with an unexplained difference, 2 where there is nothing to check."""
    case = tmp_path / "case"
    (case / "expected").mkdir(parents=True)
    (case / "input.yaml").write_text(WITHOUT_SERVICE)
    (case / "inventory.yaml").write_text(yaml.safe_dump(surroundings()))
    answer = answer_of("egress")
    (case / "expected" / "egress.yaml").write_text(yaml.safe_dump(answer))
    assert main([str(tmp_path)]) == 0
    assert "0 proxies with unexplained differences" in capsys.readouterr().out

    _no_tls(answer)
    (case / "expected" / "egress.yaml").write_text(yaml.safe_dump(answer))
    assert main([str(tmp_path)]) == 1
    assert "transport_socket" in capsys.readouterr().out

    assert main([str(case)]) == 2


def test_inputs_that_do_not_load_are_a_difference(tmp_path):
    """A case is never passed over."""
    case = tmp_path / "case"
    (case / "expected").mkdir(parents=True)
    (case / "input.yaml").write_text("kind: [")
    (case / "inventory.yaml").write_text(yaml.safe_dump(surroundings()))
    (row,) = check_folder(tmp_path)
    assert row.unexplained


REFUSED_RULE = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: x, namespace: istio-system}
spec: {host: egress.istio-system.svc.cluster.local, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}
"""


def test_a_refusal_counts_as_deliberate_only_for_a_listed_reason(monkeypatch):
    """One that nothing decided on is a difference; one that is listed says that nothing was compared."""
    resources = load_text(WITHOUT_SERVICE + REFUSED_RULE, "x.yaml")
    inventory = Inventory.model_validate(surroundings())
    listed = check_proxy("case", resources, inventory, "client", answer_of("client"))
    assert (listed.is_refused, listed.fields, listed.unexplained) == (True, 0, [])

    monkeypatch.setattr("tests.conformance.translate.REFUSALS", {})
    unlisted = check_proxy("case", resources, inventory, "client", answer_of("client"))
    assert not unlisted.is_refused
    assert "not for a listed reason" in str(unlisted.unexplained[0])


def test_every_refusal_is_listed_and_raised_somewhere():
    """The list is complete, and nothing is listed that cannot happen."""
    raised = {
        node.attr
        for file in Path("bench/translate").rglob("*.py")
        if file.name != "notices.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Refusal"
    }
    assert set(differences.REFUSALS) == set(Refusal)
    assert raised == {each.name for each in Refusal}
