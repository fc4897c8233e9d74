"""Cost models of a capacity search: each part's CPU is divided by what this part carried."""

import shutil

import pytest
import yaml

from bench.analysis.cost import equation, fit
from bench.errors import MeasurementError
from bench.experiment.capacity.costs import on_the_way, unfitted
from bench.result import CapacityWindow, ComponentCost, RoleLoad
from bench.scenario.load import load_scenario
from tests.benchmarks.limits.overload import Overload, read_overload

US = {"sidecar": 396.0, "egress": 250.0, "node": 60.0}
"""What a request costs each role here."""


def window(seconds, sent, past, *, body=0, **by_role):
    """One of *sent* requests, of which so many go *past* the gateway, that costs exactly what ``US`` says."""
    carried = {"sidecar": sent, "egress": sent - past, "node": sent}
    return CapacityWindow(
        rate=sent / seconds,
        duration_s=seconds,
        sent=sent,
        costs=tuple(
            ComponentCost(
                component=role,
                role=role,
                cpu_seconds=0.004 * seconds + carried[role] * (US[role] * 1e-6 + body * 1e-9),
                cpu_us_per_request=None,
                memory_bytes=None,
            )
            for role in carried
        ),
        generator_share=None,
        upstream_requests=sent - past,
        body_bytes=body,
        by_role={role: RoleLoad(requests=count) for role, count in carried.items()} | by_role,
    )


def windows(share, **by_role):
    return [
        window(2.0, sent, round(sent * share), body=body, **by_role)
        for sent, body in ((200, 0), (400, 0), (800, 0), (400, 16_384), (800, 16_384))
    ]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("role", US)
def test_a_request_costs_a_part_the_same_however_many_go_past_the_gateway(role, share):
    model = fit(role, [equation(each, role) for each in windows(share)])

    costs = {term.name: term.cpu_s for term in model.terms}
    assert costs["request"] * 1e6 == pytest.approx(US[role], rel=1e-6)
    assert costs["mb_in"] == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize("by_role", [{}, {"sidecar": RoleLoad(requests=None)}])
def test_a_part_of_which_nobody_knows_what_it_carried_is_not_fitted(by_role):
    unknown = window(2.0, 100, 0).model_copy(update={"by_role": by_role})

    with pytest.raises(MeasurementError, match="unknown"):
        equation(unknown, "sidecar")


def test_handshakes_of_a_sidecar_beside_a_gateway_are_no_term_and_are_said():
    found = windows(0.5, sidecar=RoleLoad(requests=400, handshakes=90, sessions_reused=10))

    assert {equation(each, "sidecar").full_handshakes for each in found} == {0}
    assert [each.code for each in unfitted("sidecar", "sidecar", found)] == ["handshakes-not-fitted"]
    few = windows(0.5, sidecar=RoleLoad(requests=40_000, handshakes=16))
    assert list(unfitted("sidecar", "sidecar", few)) == []


def test_a_sidecar_that_leaves_the_mesh_itself_is_fitted_with_its_handshakes():
    own = RoleLoad(requests=100, handshakes=90, sessions_reused=30)
    alone = window(2.0, 100, 0).model_copy(update={"by_role": {"sidecar": own, "node": own}})

    for role in ("sidecar", "node"):
        found = equation(alone, role)
        assert (found.full_handshakes, found.resumed_handshakes) == (60, 30)
    assert list(unfitted("sidecar", "sidecar", [alone])) == []


def test_where_there_is_no_gateway_none_is_fitted_and_none_is_missed():
    through = window(2.0, 100, 0)
    alone = through.model_copy(
        update={"by_role": {role: through.by_role[role] for role in ("sidecar", "node")}}
    )

    assert list(on_the_way([through])) == ["gateway", "sidecar", "node"]
    assert list(on_the_way([alone, alone])) == ["sidecar", "node"]


def test_handshakes_that_nobody_counted_are_said():
    found = windows(0.5, node=RoleLoad(requests=400, handshakes=9, more_handshakes=True))

    assert [each.code for each in unfitted("node", "node", found)] == ["handshakes-not-counted"]
    assert {equation(each, "node").full_handshakes for each in found} == {9}


@pytest.mark.envoy
@pytest.mark.nginx
def test_each_role_of_a_real_path_is_charged_with_what_took_this_way(pytestconfig, tmp_path, generator):
    """A third passes the gateway, two thirds go from the sidecar to the nodes."""
    shipped = pytestconfig.rootpath / "scenarios" / "egress-mtls"
    written = yaml.safe_load((shipped / "scenario.yaml").read_text())
    host = "http://nginx.external.svc.cluster.local"
    written |= {"istio": str(shipped / "istio"), "tls": written["tls"] | {"key": "ecdsa-p256"}}
    written["traffic"] = {
        "client": "sleep",
        "gateway": "egress",
        "requests": {
            "v1": {"url": f"{host}/", "headers": {"want": "v1"}, "expect": {"nodes": ["nginx01"]}},
            "straight": {
                "url": f"{host}:443/",
                "weight": 2,
                "expect": {"nodes": ["nginx01", "nginx02"]},
            },
        },
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(written))

    found, _ = read_overload(load_scenario(tmp_path), Overload(rate=150, seconds=1.0), generator)

    carried = {role: each.requests for role, each in found.by_role.items()}
    under_way = found.by_role["sidecar"].requests * 0.1 + 16
    assert carried["sidecar"] == pytest.approx(carried["node"], abs=under_way)
    assert carried["egress"] == pytest.approx(carried["sidecar"] / 3, abs=under_way / 3)
    assert carried["egress"] == found.upstream_requests > 0
    assert equation(found, "sidecar").requests > 2 * equation(found, "egress").requests


@pytest.mark.envoy
@pytest.mark.nginx
def test_what_proxies_pass_on_as_bytes_is_charged_to_all_that_carried_it(pytestconfig, tmp_path, generator):
    """Of four requests the gateway reads two; it counts the others by connections."""
    shutil.copytree(pytestconfig.rootpath / "tests" / "measure" / "unread", tmp_path / "unread")

    found, _ = read_overload(load_scenario(tmp_path / "unread"), Overload(rate=120, seconds=1.0), generator)

    carried = [found.by_role[role].requests for role in ("sidecar", "egress", "node")]
    assert min(carried) == pytest.approx(max(carried), abs=0.1 * max(carried) + 16)
    assert min(carried) > 0.75 * found.sent
