"""HTTP rules compiled for one proxy, port and gateway.

Sources: HTTPRoute, HTTPRouteDestination, HTTPFaultInjection, HTTPMirrorPolicy and CorsPolicy in Istio's API
reference.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction

from bench.errors import Position
from bench.istio.inventory import Proxy
from bench.istio.models import (
    CorsPolicy,
    Destination,
    HTTPMatchRequest,
    HTTPRoute,
    Percent,
    StringMatch,
    VirtualService,
)
from bench.istio.resource import Resource
from bench.routing.clusters import Cluster, Clusters
from bench.routing.conditions import ANYTHING, Matcher, compile_match, exists_for
from bench.routing.decision import Delay, Mirror
from bench.routing.delegates import WrittenRule
from bench.routing.names import gateway_name, written_name
from bench.routing.redirects import Redirect, compile_redirect
from bench.routing.rewriting import HeaderChange, PathChange, header_change, path_change, written_host

ONE = Fraction(1)
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Share:
    """One weighted destination."""

    probability: Fraction
    cluster: Cluster
    host: str = ""
    """Authority written for this destination only."""
    change: HeaderChange | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    """An injected answer."""

    probability: Fraction
    status: int
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to match and what follows; exactly one of redirect, body with status, shares, doubt."""

    matcher: Matcher
    why: str
    shares: tuple[Share, ...] = ()
    redirect: Redirect | None = None
    direct_status: int | None = None
    direct_body: str | None = None
    host: str = ""
    path: PathChange | None = None
    change: HeaderChange | None = None
    delay: Delay | None = None
    abort: Abort | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: CorsPolicy | None = None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Whose rules are compiled: a proxy, the port that ``match.port`` means, and ``mesh`` or a gateway."""

    proxy: Proxy
    port: int
    via: Collection[str]
    clusters: Clusters
    domain: str
    default_port: Callable[[str], int | None]
    """The one port of a service, if it has one only."""
    is_tls: bool = False


def compile_rules(
    resource: Resource[VirtualService], written: tuple[WrittenRule, ...], view: Viewpoint
) -> tuple[Rule, ...]:
    """The rules of one VirtualService in their order, up to the first that nothing gets past."""
    rules: list[Rule] = []
    for rule in written:
        for match, where, doubt in _written_matches(rule):
            if match is None:
                matcher, uri = ANYTHING, None
            else:
                if not exists_for(
                    match,
                    proxy=view.proxy,
                    port=view.port,
                    via=view.via,
                    named=lambda name: gateway_name(name, resource.namespace),
                ):
                    continue
                matcher, uri = compile_match(match, doubt), match.uri
            rules.append(_compile(rule, matcher, uri, f"{rule.title} ({where})", view))
            if matcher.is_catch_all:
                return tuple(rules)
    return tuple(rules)


def _written_matches(rule: WrittenRule) -> list[tuple[HTTPMatchRequest | None, Position, str]]:
    found: list[tuple[HTTPMatchRequest | None, Position, str]] = [
        (entry.match, entry.where, entry.doubt) for entry in rule.matches
    ]
    return found or [(None, rule.where, "")]


def _compile(
    written: WrittenRule, matcher: Matcher, uri: StringMatch | None, why: str, view: Viewpoint
) -> Rule:
    route = written.route
    common = {
        "matcher": matcher,
        "why": why,
        "delay": _delay(route),
        "abort": _abort(route),
        "cors": route.cors_policy,
    }
    if route.redirect is not None:
        redirect = compile_redirect(route.redirect, uri, port=view.port, is_tls=view.is_tls)
        if redirect is None:
            return Rule(**common, doubt=f"no proxy answers with {route.redirect.redirect_code}")  # type: ignore[arg-type]
        return Rule(**common, redirect=redirect)  # type: ignore[arg-type]
    if route.direct_response is not None:
        body = route.direct_response.body
        text = ""
        if body is not None:
            text = body.string if body.string is not None else _decoded(body.bytes_ or "")
        return Rule(**common, direct_status=route.direct_response.status, direct_body=text)  # type: ignore[arg-type]
    shares = _shares(written, view)
    if not shares:
        return Rule(**common, doubt=f"{why} has no destination with a weight")  # type: ignore[arg-type]
    operations = route.headers.request if route.headers is not None else None
    levels = [operations]
    host = (route.rewrite.authority if route.rewrite is not None else "") or written_host(operations)
    if len(route.route) == 1:
        # A destination that stands alone: what it asks for works as if the rule itself did.
        own = route.route[0].headers.request if route.route[0].headers is not None else None
        levels.append(own)
        host = host or written_host(own)
    return Rule(
        **common,  # type: ignore[arg-type]
        shares=shares,
        host=host,
        path=path_change(route.rewrite, uri),
        change=header_change(levels),
        mirrors=_mirrors(written, view),
    )


def _shares(written: WrittenRule, view: Viewpoint) -> tuple[Share, ...]:
    route = written.route
    if len(route.route) == 1:
        return (Share(ONE, _cluster(route.route[0].destination, written.namespace, view)),)
    total = sum(entry.weight for entry in route.route)
    return tuple(
        Share(
            Fraction(entry.weight, total),
            _cluster(entry.destination, written.namespace, view),
            written_host(entry.headers.request if entry.headers is not None else None),
            header_change([entry.headers.request if entry.headers is not None else None]),
        )
        for entry in route.route
        if entry.weight > 0
    )


def _address(destination: Destination, namespace: str, view: Viewpoint) -> tuple[str, int, str]:
    host = written_name(destination.host, namespace, view.domain)
    number = destination.port.number if destination.port is not None else 0
    return host, number or view.default_port(host) or view.port, destination.subset


def _cluster(destination: Destination, namespace: str, view: Viewpoint) -> Cluster:
    return view.clusters.get(*_address(destination, namespace, view))


def _share_of(percentage: Percent) -> Fraction:
    # Proxies get whole parts of a million.
    return min(ONE, Fraction(int(percentage.value * 10_000), _MILLION))


def _delay(route: HTTPRoute) -> Delay | None:
    delay = route.fault.delay if route.fault is not None else None
    if delay is None or delay.fixed_delay is None:
        return None
    share = (
        _share_of(delay.percentage)
        if delay.percentage is not None
        else Fraction(min(max(delay.percent, 0), 100), 100)
    )
    return Delay(share, delay.fixed_delay.seconds) if share else None


def _abort(route: HTTPRoute) -> Abort | None:
    abort = route.fault.abort if route.fault is not None else None
    if abort is None or abort.percentage is None:
        return None
    share = _share_of(abort.percentage)
    if not share:
        return None
    if abort.http_status is None:
        return Abort(share, 0, "the HTTP status of an injected gRPC or HTTP/2 error")
    return Abort(share, abort.http_status)


def _mirrors(written: WrittenRule, view: Viewpoint) -> tuple[Mirror, ...]:
    route = written.route
    found: list[Mirror] = []
    if route.mirror is not None:
        if route.mirror_percentage is not None:
            share = _share_of(route.mirror_percentage)
        else:
            share = Fraction(min(route.mirror_percent, 100), 100) if route.mirror_percent is not None else ONE
        found.append(Mirror(*_address(route.mirror, written.mirror_namespace, view), share))
    for entry in route.mirrors:
        share = _share_of(entry.percentage) if entry.percentage is not None else ONE
        found.append(Mirror(*_address(entry.destination, written.mirror_namespace, view), share))
    return tuple(mirror for mirror in found if mirror.probability)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
