"""Whatever VirtualService people write: a configuration that Envoy takes, or a clear refusal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.translate import ProxyConfig, translate
from bench.translate.messages import to_plain
from tests.translate.conftest import registry_of

INVENTORY = {
    "proxies": {
        "client": {"role": "sidecar", "ip": "10.1.0.5", "labels": {"app": "a"}, "interception": "none"},
        "egress": {"role": "gateway", "ip": "10.1.0.9", "labels": {"istio": "egress"}},
    }
}
SURROUNDINGS = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: pay}
spec:
  hosts: [pay.example.org, other.example.org]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 8080, name: alt, protocol: HTTP2}]
  endpoints: [{address: 192.0.2.1, labels: {version: v1}}, {address: 192.0.2.2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pay}
spec:
  host: pay.example.org
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egress}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---
"""
PER_BATCH = 80


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any subset of *fields*."""
    return st.fixed_dictionaries({}, optional=fields)


def virtual_services(*, wild: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Specs from plausible values, or with what breaks rules among them."""

    def pick(plausible: Sequence[Any], breaking: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
        return st.sampled_from([*plausible, *breaking] if wild else list(plausible))

    words = pick(["a", "b-c", "x", "Zz", "1", "a b"], ["%", "%%", "%REQ(:path)%", "", "é", ":path"])
    names = pick(["x-a", "X-B", "want", "cookie"], ["host", ":authority", ":method", "é", ""])
    paths = pick(["/", "/a", "/a/b", "/%2F", "//"], ["/a b", "", "a", "/é", "/a?b=c"])
    regexes = pick(
        [".*", "/v[0-9]+/.*", "a|b", "[[:alpha:]]+", "^/a$"], ["(", "(?=x)", "", "*", "a{1001}", r"\1"]
    )
    durations = pick(["1s", "250ms", "1h30m", "1.5s"], ["0s", "1us", "-1s", "1", "315576000001s"])
    percents = pick([0, 0.0001, 12.5, 100], [0.00001, 100.1, -1])
    hosts = pick(["pay.example.org", "other.example.org", "nobody.example.org", "short"], ["*", "1.2.3.4"])

    def text(values: st.SearchStrategy[str], *more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(
            *more,
            values.map(lambda value: {"exact": value}),
            values.map(lambda value: {"prefix": value}),
            regexes.map(lambda value: {"regex": value}),
        )

    texts = text(words)
    header_texts = text(words, st.just({}))
    percent = percents.map(lambda value: {"value": value})
    matches = some(
        name=pick(["m", "m.n"]),
        uri=text(paths),
        scheme=texts,
        method=texts,
        authority=texts,
        headers=st.dictionaries(names, header_texts, max_size=2),
        withoutHeaders=st.dictionaries(names, header_texts, max_size=2),
        queryParams=st.dictionaries(words, texts, max_size=2),
        port=pick([80, 8080, 9]),
        gateways=st.lists(pick(["mesh", "out", "default/out", "ghost"]), max_size=2, unique=True),
        sourceLabels=st.dictionaries(st.just("app"), pick(["a", "b"]), max_size=1),
        sourceNamespace=pick(["default", "far"]),
        ignoreUriCase=st.booleans(),
        statPrefix=pick(["s", "s.t"]),
    )
    destinations = st.fixed_dictionaries(
        {"host": hosts},
        optional={
            "subset": pick(["v1", "v2", "v9"]),
            "port": pick([80, 8080, 65535], [0, 70000]).map(lambda number: {"number": number}),
        },
    )
    operations = some(
        set=st.dictionaries(names, words, max_size=2),
        add=st.dictionaries(names, words, max_size=2),
        remove=st.lists(names, max_size=2),
    )
    headers = some(request=operations, response=operations)
    routes = st.fixed_dictionaries(
        {"destination": destinations, "weight": pick([1, 50, 100], [0, -1])}, optional={"headers": headers}
    )
    action = st.one_of(
        st.lists(routes, min_size=1, max_size=3).map(lambda value: {"route": value}),
        st.fixed_dictionaries(
            {"uri": paths},
            optional={
                "authority": words,
                "scheme": pick(["http", "https"], ["ftp"]),
                "port": pick([80, 443, 8080]),
                "redirectCode": pick([301, 302, 303, 307, 308], [304, 200]),
            },
        ).map(lambda value: {"redirect": value}),
        some(prefixRewrite=paths, derivePort=pick(["FROM_REQUEST_PORT", "FROM_PROTOCOL_DEFAULT"])).map(
            lambda value: {"redirect": {"authority": "a.example", **value}}
        ),
        st.fixed_dictionaries(
            {"status": pick([200, 404, 503, 599], [600, 100, 0])},
            optional={"body": pick([{"string": "x"}, {"bytes": "aGk="}], [{"bytes": "???"}, {}])},
        ).map(lambda value: {"directResponse": value}),
    )
    further = some(
        name=pick(["r", "r.s", "é"]),
        match=st.lists(matches, max_size=3),
        timeout=durations,
        retries=st.fixed_dictionaries(
            {"attempts": pick([1, 3], [0, -1])},
            optional={
                "perTryTimeout": durations,
                "retryOn": pick(["5xx", "5xx,429", "429", ""], ["reset, 503", "nonsense"]),
                "retryRemoteLocalities": st.booleans(),
                "retryIgnorePreviousHosts": st.booleans(),
                "backoff": durations,
            },
        ),
        mirror=destinations,
        mirrorPercentage=percent,
        corsPolicy=st.fixed_dictionaries(
            {"allowOrigins": st.lists(texts, min_size=1, max_size=2)},
            optional={
                "allowMethods": st.lists(pick(["GET", "*"], ["é"]), max_size=2),
                "maxAge": pick(["1s", "24h"], ["250ms"]),
                "allowCredentials": st.booleans(),
            },
        ),
        headers=headers,
    )
    for_routes = some(
        rewrite=st.one_of(
            st.builds(lambda uri, authority: {"uri": uri, "authority": authority}, paths, words),
            st.builds(
                lambda match, rewrite: {"uriRegexRewrite": {"match": match, "rewrite": rewrite}},
                regexes,
                pick(["/", "/x"], [r"\1", r"\9"]),
            ),
        ),
        fault=st.fixed_dictionaries(
            {"delay": st.fixed_dictionaries({"fixedDelay": durations}, optional={"percentage": percent})},
            optional={
                "abort": st.fixed_dictionaries(
                    {"httpStatus": pick([200, 503], [600, 99])}, optional={"percentage": percent}
                )
            },
        ),
        mirrors=st.lists(destinations.map(lambda value: {"destination": value}), max_size=2),
    )

    def rule(chosen: dict[str, Any], more: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        if not wild and "mirror" in more:
            extra = {key: value for key, value in extra.items() if key != "mirrors"}
        return {**more, **(extra if wild or "route" in chosen else {}), **chosen}

    served = pick(["pay.example.org", "*.example.org", "nobody.example.org"], ["short", "*", "1.2.3.4"])
    return st.fixed_dictionaries(
        {
            "hosts": st.lists(served, min_size=1, max_size=2 if wild else 1, unique=True),
            "http": st.lists(st.builds(rule, action, further, for_routes), min_size=1, max_size=3),
        },
        optional={"gateways": st.lists(pick(["mesh", "out"]), min_size=1, max_size=2, unique=True)},
    )


@pytest.mark.envoy
def test_envoy_takes_it_or_the_message_says_why_not(envoy, tmp_path):
    """No traceback, and no configuration that Envoy refuses; Envoy judges many at once."""
    translated: list[tuple[str, ProxyConfig]] = []
    refused: list[str] = []

    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(virtual_services(wild=False), virtual_services(wild=False), virtual_services(wild=True)))
    def collect(spec: dict[str, Any]) -> None:
        document = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "v"},
            "spec": spec,
        }
        text = SURROUNDINGS + json.dumps(document, ensure_ascii=False)
        try:
            registry = registry_of(text, INVENTORY)
            configs = [translate(registry, proxy, config_source="static") for proxy in ("client", "egress")]
        except BenchError as error:
            refused.append(str(error))
            return
        translated.extend((text, config) for config in configs)

    collect()
    assert [message for message in refused if "input.yaml:" not in message] == []
    for start in range(0, len(translated), PER_BATCH):
        _judge(envoy, tmp_path, translated[start : start + PER_BATCH])
    assert min(len(translated), len(refused)) > 30, (len(translated), len(refused))


def _judge(envoy: str, root: Path, batch: list[tuple[str, ProxyConfig]]) -> None:
    """Let one Envoy validate the route configurations of a whole batch; on refusal, find the culprit."""
    if not batch or _accepts(envoy, root, batch):
        return
    for each in batch:
        assert _accepts(envoy, root, [each]), each[0]


def _accepts(envoy: str, root: Path, batch: list[tuple[str, ProxyConfig]]) -> bool:
    """Inline the route configurations: ``--mode validate`` does not read those that come by file."""
    _, first = batch[0]
    listeners = []
    for index, route_config in enumerate(config for _, each in batch for config in each.routes):
        listener = to_plain(first.listeners[0])
        listener["name"] = f"l{index}"
        listener["address"]["socket_address"]["port_value"] = 10_000 + index
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["rds"]
        manager["route_config"] = to_plain(route_config)
        listeners.append(listener)
    bootstrap = root / "batch.json"
    bootstrap.write_text(json.dumps({"static_resources": {"listeners": listeners}}))
    command = [envoy, "--mode", "validate", "-c", str(bootstrap)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        (root / "refused.log").write_text(done.stderr)
    return done.returncode == 0
