"""Whatever is in the YAML: it loads, or an error says why. Nothing else comes out."""

from __future__ import annotations

import string
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.check.rules.dead_references import dead_references
from bench.check.rules.surroundings import Surroundings
from bench.errors import InputError
from bench.istio.hosts import covers, overlap
from bench.istio.kinds import KINDS
from bench.istio.load import load_text, survey_text
from bench.istio.resource import Resources
from bench.istio.validation.names import check_wildcard_domain

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_SYNTAX = st.sampled_from(
    [
        "a: 1\n",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "\n  ",
        "\t",
        "---\n",
        "...\n",
        "&x ",
        "*x",
        "<<: ",
        "!!str ",
        "'",
        '"',
        "|\n  ",
        ">\n",
        "? ",
        "#",
        "%YAML 1.1\n",
        "\x00",
        "\ufeff",
        "é",
        "~",
        "0x1",
        "kind: List\n",
        "items:\n",
    ]
)
_NAMES = sorted(
    {
        "spec",
        "hosts",
        "http",
        "match",
        "route",
        "destination",
        "host",
        "weight",
        "tls",
        "mode",
        "headers",
        "exact",
    }
    | {"servers", "port", "number", "name", "ports", "endpoints", "address", "trafficPolicy", "loadBalancer"}
    | {
        "regex",
        "prefix",
        "timeout",
        "redirect",
        "subsets",
        "labels",
        "exportTo",
        "gateways",
        "uri",
        "from",
        "to",
    }
)
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70_000),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(string.printable, max_size=6),
    st.sampled_from(
        ["*", "*.x.test", "x.test", "1s", "0s", "1.5ms", "SIMPLE", "MUTUAL", "STATIC", "HTTP", "/", "(", "."]
    ),
)
_TREES = st.recursive(
    _VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


def attempt(text: str) -> Resources | None:
    try:
        return load_text(text, "f.yaml")
    except InputError:
        return None


@QUICK
@given(st.lists(_SYNTAX, max_size=30).map("".join))
def test_any_text_of_yaml_signs_loads_or_gives_a_clear_error(text: str) -> None:
    attempt(text)


@QUICK
@given(st.text(max_size=60))
def test_any_text_loads_or_gives_a_clear_error(text: str) -> None:
    attempt(text)


@QUICK
@given(st.sampled_from(sorted(KINDS)), _TREES)
def test_any_spec_of_any_kind_loads_or_gives_a_clear_error(kind: str, spec: Any) -> None:
    text = yaml.safe_dump(
        {"apiVersion": KINDS[kind].api_versions[0], "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    )

    resources = attempt(text)

    if resources is not None:
        dead_references(Surroundings(resources))
        assert [resource.name for resource in resources] == ["a"]
    survey = survey_text(text, "f.yaml")
    assert bool(survey.problems) == (resources is None)
    assert all(1 <= problem.where.line <= text.count("\n") + 1 for problem in survey.problems)


@QUICK
@given(_TREES, _TREES)
def test_a_virtual_service_with_any_rules_is_judged(match: Any, route: Any) -> None:
    spec = {"hosts": ["a.test"], "http": [{"match": [match], "route": [{"destination": route}]}]}

    attempt(
        yaml.safe_dump(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "a"},
                "spec": spec,
            }
        )
    )


_HOSTS = st.lists(st.sampled_from(["a", "b", "bc", "x1"]), min_size=1, max_size=4).map(".".join)
_WILD = st.one_of(_HOSTS, _HOSTS.map(lambda host: f"*.{host}"), st.just("*"))


@QUICK
@given(_WILD, _WILD)
def test_covering_is_one_way_of_overlapping(one: str, other: str) -> None:
    assert check_wildcard_domain(one) is None
    assert overlap(one, other) == overlap(other, one)
    assert overlap(one, other) or not covers(one, other)
    assert covers(one, one)
    assert covers("*", one)
