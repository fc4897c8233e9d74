"""Small cases, each with its reviewed answer: translation, findings and the way of requests.

``tests/golden/small/NAME.yaml`` begins with a document of ours (an inventory, and requests as
``METHOD URL | header: value``), Istio's resources follow. ``NAME.expected`` beside it is what must come out,
without what every message of its kind has; ``pytest tests/golden --update-golden`` writes it again, for
review.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.commands.check import check
from bench.commands.envoy_validation import Validation
from bench.errors import BenchError, UnsupportedError
from bench.explain.explain import explain
from bench.explain.request import parse_request
from bench.explain.trace import Outcome, Trace
from bench.routing import decision, router
from bench.routing import request as routing_request
from bench.scenario.folder import Folder
from bench.scenario.read import read_folder
from bench.translate import ProxyConfig, translate
from bench.translate.messages import to_plain

CASES = sorted((Path(__file__).parent / "small").glob("*.yaml"))
DEFAULT = {"proxies": {"client": {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"}}}
UNLIMITED = 4_294_967_295
USUAL: tuple[tuple[str, Any], ...] = (
    ("connect_timeout", "10s"),
    ("lb_policy", "LEAST_REQUEST"),
    ("common_lb_config", {"healthy_panic_threshold": {}}),
    (
        "circuit_breakers",
        {
            "thresholds": [
                dict.fromkeys(
                    ("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED
                )
            ]
        },
    ),
    ("timeout", "0s"),
    ("max_stream_duration", {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"}),
    ("include_request_attempt_count", True),
    ("validate_clusters", False),
    ("ignore_port_in_host_matching", True),
    ("max_direct_response_body_size_bytes", 1_048_576),
    ("traffic_direction", "OUTBOUND"),
    ("resource_api_version", "V3"),
    ("stream_idle_timeout", "0s"),
    ("use_remote_address", False),
    ("proxy_100_continue", True),
    ("upgrade_configs", [{"upgrade_type": "websocket"}]),
    ("normalize_path", True),
    ("path_with_escaped_slashes_action", "KEEP_UNCHANGED"),
    ("host_selection_retry_max_attempts", "5"),
    ("retry_on", "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"),
    ("num_retries", 2),
    ("retry_host_predicate", None),
    ("typed_dns_resolver_config", None),
    ("dns_refresh_rate", "60s"),
    ("dns_jitter", "0.100s"),
    ("respect_dns_ttl", True),
    ("dns_lookup_family", "V4_ONLY"),
    ("tls_minimum_protocol_version", "TLSv1_2"),
    ("tls_maximum_protocol_version", "TLSv1_3"),
    ("cluster_name", None),
    ("stat_prefix", None),
    ("http_filters", None),
)
"""What is left out of an answer where it has this value (None: any), since nothing asked for it."""
USUAL_OF = dict(USUAL)


def compact(value: Any) -> Any:
    """Leave out what is usual, and type URLs but for their last word."""
    if isinstance(value, list):
        return [compact(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, inner in value.items():
        if name in USUAL_OF and (USUAL_OF[name] is None or USUAL_OF[name] == inner):
            continue
        if name == "@type":
            continue
        found = compact(inner)
        if found not in ({}, []) or inner in ({}, []):
            kept[name] = found
    if set(kept) == {"socket_address"}:
        socket = kept["socket_address"]
        return f"{socket['address']}:{socket.get('port_value', 0)}"
    return kept


def translation(config: ProxyConfig) -> dict[str, Any]:
    """Give what *config* has."""
    return {
        "listeners": {each.name: compact(_without_name(to_plain(each))) for each in config.listeners},
        "routes": {
            each.name: {
                " ".join(host.domains): [compact(to_plain(route)) for route in host.routes]
                for host in each.virtual_hosts
            }
            for each in config.routes
        },
        "clusters": {each.name: compact(_without_name(to_plain(each))) for each in config.clusters},
        "warnings": [f"{each.code} at {each.where.line}" for each in config.warnings],
    }


def _without_name(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "name"}


def way(trace: Trace) -> list[str]:
    """Give a line for each end of the way."""
    return [
        f"{float(ending.probability):.2%} {' > '.join(ending.proxies)}: {_end(ending.outcome)}"
        for ending in trace.endings()
    ]


def _end(outcome: Outcome) -> str:
    if outcome.kind == "endpoint":
        return f"{outcome.cluster} at {', '.join(each.address for each in outcome.endpoints)}"
    summary = f"{outcome.status or outcome.kind} {outcome.flags}".strip()
    return f"{summary} to {outcome.location}" if outcome.location else summary


def written(case: Path, folder: Path) -> tuple[Folder, list[str]]:
    """Write the case as a folder, at the lines that it has in its own file."""
    text = case.read_text()
    ours, _, resources = text.partition("\n---\n")
    about = yaml.safe_load(ours)
    above = "\n" * (ours.count("\n") + 2)
    (folder / "istio.yaml").write_text(above + resources)
    (folder / "inventory.yaml").write_text(yaml.safe_dump(about.get("inventory", DEFAULT)))
    return read_folder(folder), about["requests"]


def asked(text: str) -> tuple[str, str, list[str]]:
    """Take ``METHOD URL | header: value`` apart."""
    first, *headers = text.split(" | ")
    method, _, url = first.rpartition(" ")
    return method or "GET", url, headers


def answer(case: Path, folder: Path) -> dict[str, Any]:
    """Give everything that is recorded of a case."""
    read, requests = written(case, folder)
    found: dict[str, Any] = {"translation": {}, "findings": [], "requests": {}}
    assert read.inventory is not None
    for proxy in read.inventory.proxies:
        try:
            found["translation"][proxy] = translation(
                translate(read.registry(), proxy, config_source="static")
            )
        except UnsupportedError as error:
            found["translation"][proxy] = f"refused at {error.where.line}"
    found["findings"] = [
        f"{each.level.word} {each.code} at {each.position.line}" for each in check(read).worst_first()
    ]
    for text in requests:
        method, url, headers = asked(text)
        try:
            trace = explain(read.registry(), read.resources, parse_request(url, headers, method), "client")
            found["requests"][text] = way(trace)
        except BenchError as error:
            found["requests"][text] = [f"refused: {type(error).__name__}"]
    return found


@pytest.fixture(autouse=True)
def without_envoy(monkeypatch):
    """Envoy's own opinion is asked elsewhere; here its start would be most of the time."""
    monkeypatch.setattr("bench.commands.check.validate", lambda *_: Validation((), ()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_answer_is_what_was_reviewed(case, tmp_path, request):
    recorded = case.with_suffix(".expected")
    actual = yaml.dump(answer(case, tmp_path), sort_keys=False, default_flow_style=None, width=108)
    if request.config.getoption("--update-golden"):
        recorded.write_text(actual)

    assert recorded.read_text() == actual


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_second_opinion_agrees(case, tmp_path):
    """``routing`` reads the resources itself: the recorded ways end where it says, with its probabilities."""
    read, requests = written(case, tmp_path)
    judge = router.Router(read.resources, read.inventory)
    for text in requests:
        method, url, headers = asked(text)
        parsed = parse_request(url, headers, method)
        if parsed.scheme != "http":
            continue
        path, _, query = parsed.target.partition("?")
        pairs = tuple((name.strip(), value) for name, _, value in (each.partition(":") for each in headers))
        summary = judge.decide(
            routing_request.Request(
                parsed.authority, parsed.port, path=path, query=query, method=method, headers=pairs
            )
        )
        if not summary.is_judged:
            continue
        trace = explain(read.registry(), read.resources, parsed, "client")
        mine: dict[Any, Fraction] = {}
        for ending in trace.endings():
            key = _place(ending.outcome)
            mine[key] = mine.get(key, Fraction(0)) + Fraction(ending.probability).limit_denominator(10**6)
        theirs: dict[Any, Fraction] = {}
        for outcome, share in summary.distribution().items():
            theirs[_judged(outcome)] = theirs.get(_judged(outcome), Fraction(0)) + share
        assert mine == theirs, text


def _place(outcome: Outcome) -> Any:
    if outcome.kind == "endpoint":
        return frozenset(each.address for each in outcome.endpoints)
    return outcome.status


def _judged(outcome: decision.Outcome) -> Any:
    if isinstance(outcome, decision.Delivered):
        return frozenset(f"{each.address}:{each.port}" for each in outcome.destination.endpoints)
    return outcome.status if isinstance(outcome, decision.LocalAnswer) else None


def test_nothing_recorded_is_without_a_case():
    folder = Path(__file__).parent / "small"

    assert {each.stem for each in folder.glob("*.expected")} == {each.stem for each in CASES}
    assert len(CASES) >= 40
