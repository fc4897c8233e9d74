"""Rules about routes: each finds what it is for, at its line, and leaves the near miss alone."""

from __future__ import annotations

import pytest

from tests.check.rules.snippets import RULE, TO, findings_in, reported, route


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(route(f"- {TO}"), [], id="a plain route has no findings"),
        pytest.param(
            route("- route: [{destination: {host: nobody.test}}]"),
            ["IST0101 VirtualService default/api:16"],
            id="a host that nobody declares",
        ),
        pytest.param(
            route("- route: [{destination: {host: api.test, port: {number: 81}}}]"),
            ["IST0101 VirtualService default/api:16"],
            id="a port that the host does not have",
        ),
        pytest.param(
            route(
                "- route:",
                "  - destination:",
                "      host: api.test",
                "      subset: v1",
            ),
            ["IST0101 VirtualService default/api:19"],
            id="a subset that nobody defines, at the line of the subset",
        ),
        pytest.param(
            route(f"- {TO}", "  mirror: {host: shadow.test}", "  mirrors: []"),
            ["IST0101 VirtualService default/api:17"],
            id="a mirror that nobody declares",
        ),
        pytest.param(
            route("- match: [{uri: {prefix: /a}}]", f"  {TO}", "- match: [{uri: {prefix: /a}}]", f"  {TO}"),
            ["IST0130 VirtualService default/api:18", "IST0131 VirtualService default/api:18"],
            id="a rule that repeats an earlier one",
        ),
        pytest.param(
            route(f"- {TO}", "- match: [{uri: {prefix: /a}}]", f"  {TO}"),
            ["IST0130 VirtualService default/api:17"],
            id="a rule behind one without match",
        ),
        pytest.param(
            route("- match: [{uri: {prefix: /a}}]", f"  {TO}", "- match: [{uri: {prefix: /a/b}}]", f"  {TO}"),
            ["IST0131 VirtualService default/api:18"],
            id="a longer prefix behind a shorter one",
        ),
        pytest.param(
            route(
                "- match: [{uri: {prefix: /a}, method: {exact: GET}}]",
                f"  {TO}",
                "- match: [{uri: {prefix: /a/b}}]",
                f"  {TO}",
            ),
            [],
            id="a method more does not cover it: POST still gets to the later rule",
        ),
        pytest.param(
            route(
                "- match: [{uri: {prefix: /a}}]",
                f"  {TO}",
                "- match: [{uri: {exact: /a/b}, headers: {x: {exact: some}}}]",
                f"  {TO}",
            ),
            ["EB0009 VirtualService default/api:18"],
            id="an exact path with a header behind a prefix is hidden, which istiod does not see",
        ),
        pytest.param(
            route(f"- {TO}", "  fault: {delay: {percent: 5, fixedDelay: 1s}}"),
            ["IST0002 VirtualService default/api:17"],
            id="percent of a delay has a successor",
        ),
        pytest.param(
            route(f"- {TO}", "  redirect: {uri: /x}"),
            ["IST0106 VirtualService default/api:16"],
            id="what a cluster refuses is a finding",
        ),
    ],
)
def test_rules_of_a_virtual_service(text: str, expected: list[str]) -> None:
    assert reported(text) == expected


def test_a_port_that_is_left_open_is_named_once_there_are_two() -> None:
    text = route("- route: [{destination: {host: api.test}}]")

    assert reported(text) == []
    assert reported(
        text.replace("protocol: HTTP}]", "protocol: HTTP}, {number: 81, name: http-b, protocol: HTTP}]")
    ) == ["IST0112 VirtualService default/api:16"]


def test_the_oldest_of_two_rules_for_a_mesh_host_is_named() -> None:
    """Both are reported; private rules of different namespaces never meet."""
    second = RULE.replace("name: api}", "name: younger, namespace: shop}") + f"  - {TO}\n"
    text = route(f"- {TO}") + "---" + second

    found = [each for each in findings_in(text) if each.code == "IST0109"]

    assert [each.resource for each in found] == ["VirtualService default/api", "VirtualService shop/younger"]
    assert "this one is the oldest" in found[0].reason
    assert "ignore this one" in found[1].reason
    private = text.replace("hosts: [api.test]\n  http", "hosts: [api.test]\n  exportTo: ['.']\n  http")
    assert reported(private) == []


@pytest.mark.parametrize("condition", ["sourceLabels: {app: a}", "sourceNamespace: far", "port: 81"])
def test_a_younger_rule_is_not_called_ignored_where_the_oldest_is_for_some_sidecars_only(condition) -> None:
    """Istiod goes on to the next one for a sidecar that gets no rule of the oldest."""
    second = RULE.replace("name: api}", "name: younger}") + f"  - {TO}\n"
    text = route(f"- match: [{{{condition}}}]", f"  {TO}") + "---" + second

    found = [each for each in findings_in(text) if each.code == "IST0109"]

    assert "if it has a rule for them" in found[0].reason
    assert "the oldest with a rule for them" in found[1].reason
    assert "ignore this one" not in found[1].reason
