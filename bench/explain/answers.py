"""What a proxy answers by itself: redirects, direct responses, faults, and preflights."""

from __future__ import annotations

import http
from dataclasses import dataclass

from envoy_data_plane.envoy.config.route.v3 import RedirectAction, Route, VirtualHost
from envoy_data_plane.envoy.extensions.filters.http.cors.v3 import CorsPolicy
from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import HttpFault
from envoy_data_plane.envoy.type.v3 import FractionalPercent, FractionalPercentDenominatorType

from bench.explain.matching import text_mismatch
from bench.explain.request import Request
from bench.translate import unpack

FAULT, CORS = "envoy.filters.http.fault", "envoy.filters.http.cors"
_REDIRECT_STATUS = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
_PER = {
    FractionalPercentDenominatorType.HUNDRED: 100,
    FractionalPercentDenominatorType.TEN_THOUSAND: 10_000,
    FractionalPercentDenominatorType.MILLION: 1_000_000,
}


def share_of(percent: FractionalPercent | None) -> float:
    """Give a share between 0 and 1; nothing written is 0."""
    if percent is None:
        return 0.0
    return min((percent.numerator or 0) / _PER.get(percent.denominator, 100), 1.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """Injected faults of a route."""

    delay_s: float = 0.0
    delayed: float = 0.0
    """Share of the requests."""
    status: int = 0
    aborted: float = 0.0
    """Share of the requests."""


def fault_of(route: Route) -> Fault | None:
    """Read the faults that a route injects."""
    fault = unpack(route.typed_per_filter_config.get(FAULT))
    if not isinstance(fault, HttpFault):
        return None
    delay, abort = fault.delay, fault.abort
    status = 0
    if abort is not None:
        status = abort.http_status or 0
        if abort.grpc_status is not None:
            # The gRPC status is a header (or trailer) of a 200, whether or not the client speaks gRPC.
            status = 200
    duration = delay.fixed_delay if delay is not None else None
    return Fault(
        delay_s=duration.total_seconds() if duration is not None else 0.0,
        delayed=share_of(delay.percentage) if delay is not None else 0.0,
        status=status,
        aborted=share_of(abort.percentage) if abort is not None else 0.0,
    )


def answers_preflight(route: Route, request: Request) -> str | None:
    """Say why the CORS filter answers *request* itself; ``None`` when it passes on."""
    policy = unpack(route.typed_per_filter_config.get(CORS))
    origin = request.headers.get("origin")
    if not isinstance(policy, CorsPolicy) or request.method != "OPTIONS" or not origin:
        return None
    if "access-control-request-method" not in request.headers:
        return None
    if any(text_mismatch(each, origin) is None for each in policy.allow_origin_string_match):
        return f"a preflight of the allowed origin {origin}"
    if policy.forward_not_matching_preflights is False:
        return f"a preflight of the origin {origin}, which is not allowed; it gets no CORS headers"
    return None


def redirect(action: RedirectAction, route: Route, request: Request) -> tuple[int, str]:
    """Give status and Location of a redirect."""
    code = action.response_code
    status = _REDIRECT_STATUS.get(code.name or "MOVED_PERMANENTLY", 301)
    scheme = "https" if action.https_redirect else action.scheme_redirect or request.scheme
    host, _, written = request.authority.partition(":")
    port = action.port_redirect or 0
    if not port and not action.host_redirect and written.isdecimal():
        # Envoy drops the old scheme's default port when it changes the scheme.
        is_default = (request.scheme, written) in (("http", "80"), ("https", "443"))
        port = 0 if is_default and scheme != request.scheme else int(written)
    authority = action.host_redirect or host
    if port:
        authority = f"{authority}:{port}"
    target = request.target
    if action.path_redirect:
        target = action.path_redirect
        if "?" not in target and request.query:
            target = f"{target}?{request.query}"
    elif action.prefix_rewrite is not None and route.match is not None:
        matched = route.match.prefix or route.match.path or ""
        target = action.prefix_rewrite + request.target[len(matched) :]
    return status, f"{scheme}://{authority}{target}"


def tls_redirect(virtual_host: VirtualHost, request: Request, *, has_tls: bool) -> str | None:
    """Give the Location when the virtual host wants TLS and the client speaks plain text."""
    wants = virtual_host.require_tls
    if has_tls or wants.name != "ALL":
        return None
    return f"https://{request.host}{request.target}"


def phrase(status: int) -> str:
    """Give the words for a status, where there are some."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def percent(share: float) -> str:
    """Write a share of 1 as ``33.3 %``."""
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{text} %"
