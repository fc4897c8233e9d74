"""HTTP rules of a VirtualService as Envoy routes (istio ``pilot/pkg/networking/core/route``)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from envoy_data_plane.envoy.config.core.v3 import DataSource, RuntimeFractionalPercent
from envoy_data_plane.envoy.config.route.v3 import (
    DirectResponseAction,
    RedirectAction,
    RedirectActionRedirectResponseCode,
    Route,
    RouteAction,
    RouteActionMaxStreamDuration,
    RouteActionRequestMirrorPolicy,
    RouteMatch,
    WeightedCluster,
    WeightedClusterClusterWeight,
)
from envoy_data_plane.envoy.type.matcher.v3 import RegexMatchAndSubstitute, RegexMatcher
from envoy_data_plane.envoy.type.v3 import FractionalPercent

from bench.errors import Position
from bench.istio.cluster_names import cluster_name
from bench.istio.models import (
    Destination,
    HTTPDirectResponse,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRoute,
    HTTPRouteDestination,
    Percent,
)
from bench.istio.registry import BoundVirtualService, PlacedRoute, Service, ServicePort
from bench.translate.context import Context
from bench.translate.messages import pack, variant
from bench.translate.notices import Refusal, RefusedError
from bench.translate.route.filters import cors_policy, http_fault, share
from bench.translate.route.hashing import destination_hash, hash_settings, route_hash_policy
from bench.translate.route.header_changes import HeaderChanges, header_changes
from bench.translate.route.matches import holds_for_proxy, is_catch_all, route_match
from bench.translate.route.retries import retry_policy
from bench.translate.semantics import Semantics

_NO_TIMEOUT = timedelta(0)
_REDIRECT_CODES = {
    0: RedirectActionRedirectResponseCode.MOVED_PERMANENTLY,
    301: RedirectActionRedirectResponseCode.MOVED_PERMANENTLY,
    302: RedirectActionRedirectResponseCode.FOUND,
    303: RedirectActionRedirectResponseCode.SEE_OTHER,
    307: RedirectActionRedirectResponseCode.TEMPORARY_REDIRECT,
    308: RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
}
_DEFAULT_ROUTE = Route(name="default", match=RouteMatch(prefix="/"))
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LARGEST_STATUS = 599
"""Envoy's limit for a direct response; Istio's own check lets 600 through."""


@dataclass(frozen=True, slots=True)
class RouteScope:
    """Where routes are built for: one port of one listener."""

    port: int
    """The port that matches and missing destination ports refer to."""
    gateways: frozenset[str]
    """``mesh`` or the ``namespace/name`` of one gateway."""
    only_this_port: bool
    """A sidecar's route configuration knows of each service only the port that it is for."""
    has_tls: bool = False


def routes_of(context: Context, virtual_service: BoundVirtualService, scope: RouteScope) -> list[Route]:
    """Build the routes of *virtual_service* that can be reached in *scope*, in order.

    One route for each match of each rule. A rule without match, and a match without any condition that Envoy
    would check, catches all: nothing behind it is built.
    """
    routes: list[Route] = []
    for placed in virtual_service.http:
        for match in placed.route.match or (None,):
            if match is not None and not holds_for_proxy(
                match,
                port=scope.port,
                gateways=scope.gateways,
                labels=context.view.proxy.labels,
                namespace=context.view.namespace,
            ):
                continue
            route = _route(context, placed, match, scope)
            routes.append(route)
            if match is None or is_catch_all(route):
                return routes
    return routes


def default_route(context: Context, service: Service, port: ServicePort) -> Route:
    """Build the route to a service that no VirtualService speaks for."""
    hashing = hash_settings(context.view, service.host, port.number)
    policy = route_hash_policy(hashing) if hashing is not None else None
    action = variant(
        _default_action(context.semantics),
        cluster=cluster_name(service.host, port.number),
        hash_policy=[] if policy is None else [policy],
    )
    route = variant(_DEFAULT_ROUTE, route=action)
    context.origins.note(route, service=service.locate_port(port))
    return route


@lru_cache(maxsize=8)
def _default_action(semantics: Semantics) -> RouteAction:
    return _timed(RouteAction(retry_policy=retry_policy(None, semantics, is_hashed=False)), _NO_TIMEOUT)


def _route(context: Context, placed: PlacedRoute, match: HTTPMatchRequest | None, scope: RouteScope) -> Route:
    written, locate = placed.route, placed.locate
    name = written.name
    if match is not None and match.name:
        name = f"{name}.{match.name}"
    changes = header_changes(written.headers)
    route = Route(
        name=name,
        match=route_match(match, locate),
        stat_prefix=match.stat_prefix if match is not None else "",
        request_headers_to_add=list(changes.request_add),
        request_headers_to_remove=list(changes.request_remove),
        response_headers_to_add=list(changes.response_add),
        response_headers_to_remove=list(changes.response_remove),
    )
    if written.redirect is not None:
        route.redirect = _redirect(written.redirect, scope, locate)
    elif written.direct_response is not None:
        route.direct_response = _direct_response(written.direct_response, locate)
    else:
        _forward(context, route, placed, changes, scope=scope)
    if written.fault is not None:
        route.typed_per_filter_config["envoy.filters.http.fault"] = pack(http_fault(written.fault, locate))
    if written.cors_policy is not None:
        route.typed_per_filter_config["envoy.filters.http.cors"] = pack(cors_policy(written.cors_policy))
    context.origins.note(route, rule=locate)
    return route


def _timed(action: RouteAction, timeout: timedelta) -> RouteAction:
    """Set the timeout, 0 for none: Envoy's own default would be 15 seconds.

    istiod writes ``max_grpc_timeout``, of whose age Envoy 1.40 warns; its successor is written here.
    """
    action.timeout = timeout
    action.max_stream_duration = RouteActionMaxStreamDuration(
        max_stream_duration=_NO_TIMEOUT, grpc_timeout_header_max=timeout
    )
    return action


def without_time_limit(action: RouteAction) -> RouteAction:
    """Let *action* take as long as it takes."""
    return _timed(action, _NO_TIMEOUT)


def _forward(
    context: Context,
    route: Route,
    placed: PlacedRoute,
    changes: HeaderChanges,
    *,
    scope: RouteScope,
) -> None:
    written = placed.route
    single = len(written.route) == 1
    # Of several destinations, one without weight is left out as a whole.
    counting = [each for each in written.route if single or each.weight > 0]
    hashes = [destination_hash(context.view, each.destination) for each in counting]
    action = RouteAction(
        retry_policy=retry_policy(
            written.retries, context.semantics, is_hashed=single and hashes[0] is not None
        ),
        request_mirror_policies=_mirrors(context, written, scope),
        hash_policy=[
            policy for each in hashes if each is not None and (policy := route_hash_policy(each)) is not None
        ],
    )
    _timed(action, written.timeout.timedelta if written.timeout is not None else _NO_TIMEOUT)
    authority = changes.authority
    if written.rewrite is not None:
        if written.rewrite.uri_regex_rewrite is not None:
            action.regex_rewrite = RegexMatchAndSubstitute(
                pattern=RegexMatcher(regex=written.rewrite.uri_regex_rewrite.match),
                substitution=written.rewrite.uri_regex_rewrite.rewrite,
            )
        else:
            action.prefix_rewrite = written.rewrite.uri
        authority = written.rewrite.authority or authority
    if single:
        only = written.route[0]
        action.cluster = destination_cluster(context, only.destination, scope)
        own = header_changes(only.headers)
        route.request_headers_to_add += own.request_add
        route.request_headers_to_remove += own.request_remove
        route.response_headers_to_add += own.response_add
        route.response_headers_to_remove += own.response_remove
        authority = authority or own.authority
    else:
        shares = [_weighted(context, each, scope) for each in counting]
        if not shares:
            raise RefusedError(Refusal.NO_WEIGHT, placed.where)
        action.weighted_clusters = WeightedCluster(clusters=shares)
    if authority:
        action.host_rewrite_literal = authority
    route.route = action


def _weighted(
    context: Context, written: HTTPRouteDestination, scope: RouteScope
) -> WeightedClusterClusterWeight:
    own = header_changes(written.headers)
    share_of = WeightedClusterClusterWeight(
        name=destination_cluster(context, written.destination, scope),
        weight=written.weight,
        request_headers_to_add=list(own.request_add),
        request_headers_to_remove=list(own.request_remove),
        response_headers_to_add=list(own.response_add),
        response_headers_to_remove=list(own.response_remove),
    )
    if own.authority:
        share_of.host_rewrite_literal = own.authority
    return share_of


def destination_cluster(context: Context, destination: Destination, scope: RouteScope) -> str:
    """Name the cluster of a destination; istiod does not check that it exists.

    Without a port: the only port of the service, else the port that the request came in on.
    """
    service = context.view.destination(destination.host)
    # A name that no service has stays as it is written; the cluster is not there.
    host = service.host if service is not None else destination.host
    port = scope.port
    if service is not None and service.external_name is not None:
        host = service.external_name
    if destination.port is not None:
        port = destination.port.number
    elif service is not None:
        known = [each for each in service.ports if not scope.only_this_port or each.number == scope.port]
        if len(known) == 1:
            port = known[0].number
    return cluster_name(host, port, destination.subset)


def _mirrors(context: Context, written: HTTPRoute, scope: RouteScope) -> list[RouteActionRequestMirrorPolicy]:
    wanted: list[tuple[Destination, FractionalPercent | None]] = []
    if written.mirror is not None:
        part = _mirrored(written.mirror_percentage)
        if written.mirror_percentage is None and written.mirror_percent is not None:
            part = FractionalPercent(numerator=written.mirror_percent) if written.mirror_percent > 0 else None
        wanted.append((written.mirror, part))
    wanted += [(each.destination, _mirrored(each.percentage)) for each in written.mirrors]
    return [
        RouteActionRequestMirrorPolicy(
            cluster=destination_cluster(context, destination, scope),
            runtime_fraction=RuntimeFractionalPercent(default_value=part),
            trace_sampled=False,
            disable_shadow_host_suffix_append=True,
        )
        for destination, part in wanted
        if part is not None
    ]


def _mirrored(percentage: Percent | None) -> FractionalPercent | None:
    """Give the share of requests to copy: all unless written, None for none."""
    if percentage is None:
        return FractionalPercent(numerator=100)
    return share(percentage) if percentage.value > 0 else None


def _redirect(written: HTTPRedirect, scope: RouteScope, locate: Callable[[], Position]) -> RedirectAction:
    if written.redirect_code not in _REDIRECT_CODES:
        raise RefusedError(Refusal.REDIRECT_CODE, locate, status=written.redirect_code)
    action = RedirectAction(
        host_redirect=written.authority, response_code=_REDIRECT_CODES[written.redirect_code]
    )
    if written.prefix_rewrite:
        action.prefix_rewrite = written.prefix_rewrite
    else:
        action.path_redirect = written.uri
    if written.scheme:
        action.scheme_redirect = written.scheme
    scheme = written.scheme or ("https" if scope.has_tls else "http")
    port = written.port or 0
    if written.derive_port == "FROM_REQUEST_PORT":
        port = scope.port
    if port != _DEFAULT_PORTS.get(scheme):
        action.port_redirect = port
    return action


def _direct_response(written: HTTPDirectResponse, locate: Callable[[], Position]) -> DirectResponseAction:
    if written.status > _LARGEST_STATUS:
        raise RefusedError(Refusal.DIRECT_RESPONSE_STATUS, locate, status=written.status)
    response = DirectResponseAction(status=written.status)
    if written.body is not None:
        if written.body.bytes_ is not None:
            response.body = DataSource(inline_bytes=base64.b64decode(written.body.bytes_))
        else:
            response.body = DataSource(inline_string=written.body.string or "")
    return response


def all_caught(routes: Iterable[Route]) -> list[Route]:
    """Move catch-all routes behind all others, keeping the order otherwise (gateways only)."""
    ordered = list(routes)
    return [each for each in ordered if not is_catch_all(each)] + [
        each for each in ordered if is_catch_all(each)
    ]
