"""One ``http`` rule of a VirtualService. Source: istio ``validateHTTPRoute`` and what it calls."""

from __future__ import annotations

import base64
import binascii
import re

from bench.istio.grpc import GRPC_STATUSES
from bench.istio.models import (
    Abort,
    CorsPolicy,
    Delay,
    HTTPBody,
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    Percent,
    StringMatch,
)
from bench.istio.regex import pattern_fault
from bench.istio.validation.findings import Findings
from bench.istio.validation.headers import (
    check_cors_name,
    check_headers,
    check_match_name,
    is_authority,
)
from bench.istio.validation.names import check_dns_label, check_labels
from bench.istio.validation.ports import check_fraction, check_port, refuse_durations
from bench.istio.validation.routes import check_destination, check_gateways, check_weights

_RETRY_CONDITIONS = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
_KNOWN_STATUSES = frozenset(
    (
        *range(100, 104),
        *range(200, 209),
        226,
        *range(300, 306),
        *(307, 308),
        *range(400, 419),
        *range(421, 427),
        *(428, 429, 431, 451),
        *range(500, 509),
        *(510, 511),
    )
)
"""Statuses that have a text in Go's ``net/http``."""
_CORS_METHODS = frozenset(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"]
)
_LARGEST_BODY_BYTES = 1024 * 1024
_LARGE_BODY_BYTES = 100 * 1024
_SECOND_NS = 1_000_000_000


def check_http_route(route: HTTPRoute, findings: Findings, *, is_delegate: bool) -> None:
    """Collect what istiod refuses of *route*; *is_delegate*: its VirtualService has no hosts."""
    _check_conflicts(route, findings, is_delegate=is_delegate)
    for index, match in enumerate(route.match):
        _check_match(match, findings.within("match", index))
    check_headers(route.headers, findings)
    if route.cors_policy is not None:
        _check_cors(route.cors_policy, findings.within("corsPolicy"))
    if route.fault is not None:
        _check_fault(route.fault, findings.within("fault"))
    _check_mirrors(route, findings)
    if route.redirect is not None:
        _check_redirect(route.redirect, route.match, findings.within("redirect"))
    if route.direct_response is not None:
        _check_direct_response(route.direct_response, findings.within("directResponse"))
    if route.retries is not None:
        _check_retries(route.retries, findings.within("retries"))
    if route.rewrite is not None:
        _check_rewrite(route.rewrite, findings.within("rewrite"))
    _check_authority(route, findings)
    for index, destination in enumerate(route.route):
        check_headers(destination.headers, findings.within("route", index))
    check_weights(route.route, findings)
    refuse_durations(findings, timeout=route.timeout)


def _check_conflicts(route: HTTPRoute, findings: Findings, *, is_delegate: bool) -> None:
    if route.delegate is not None and not is_delegate:
        if route.redirect is not None:
            findings.refuse("a rule that delegates has no redirect", "redirect")
        if route.route:
            findings.refuse("a rule that delegates has no route", "route")
        return
    if route.delegate is not None:
        findings.refuse("a delegate cannot delegate again", "delegate")
    if route.redirect is not None or route.direct_response is not None:
        _check_answer(route, findings)
    elif not route.route:
        findings.refuse("a rule has a route, a redirect or a directResponse")
    if route.mirror is not None and route.mirrors:
        findings.refuse("only one of mirror and mirrors may be set", "mirrors")


def _check_answer(route: HTTPRoute, findings: Findings) -> None:
    """A rule that answers by itself does nothing else."""
    answer = "redirect" if route.redirect is not None else "directResponse"
    if route.redirect is not None and route.direct_response is not None:
        findings.refuse("only one of redirect and directResponse may be set", "directResponse")
    for field, other in (("route", route.route), ("fault", route.fault), ("rewrite", route.rewrite)):
        if other:
            findings.refuse(f"a rule with {answer} has no {field}", field)


def _check_match(match: HTTPMatchRequest, findings: Findings) -> None:
    for name, value in match.headers.items():
        findings.refuse(check_match_name(name), "headers", name)
        _check_string(value, findings.within("headers", name))
    for name, value in match.without_headers.items():
        findings.refuse(check_match_name(name), "withoutHeaders", name)
        # Here a lone star is not a pattern: it means that the header is there.
        if value.regex != "*":
            _check_string(value, findings.within("withoutHeaders", name))
    if match.uri is not None:
        # An empty prefix of the path is allowed: every path begins with it.
        _check_regex(match.uri, findings.within("uri"))
    for field, text in (("scheme", match.scheme), ("method", match.method), ("authority", match.authority)):
        if text is not None:
            _check_string(text, findings.within(field))
    for name, value in match.query_params.items():
        _check_string(value, findings.within("queryParams", name))
    if match.port:
        findings.refuse(check_port(match.port), "port")
    check_labels(match.source_labels, findings.within("sourceLabels"))
    check_gateways(match.gateways, findings)
    if match.source_namespace:
        findings.refuse(check_dns_label(match.source_namespace, "namespace"), "sourceNamespace")


def _check_string(match: StringMatch, findings: Findings) -> None:
    if match.prefix == "":
        findings.refuse("a prefix is not empty", "prefix")
    _check_regex(match, findings)


def _check_regex(match: StringMatch, findings: Findings) -> None:
    if match.regex is not None:
        findings.refuse(pattern_fault(match.regex), "regex")


def _check_cors(cors: CorsPolicy, findings: Findings) -> None:
    for index, origin in enumerate(cors.allow_origins):
        inner = findings.within("allowOrigins", index)
        if not (origin.exact or origin.prefix or origin.regex):
            inner.refuse("an origin is not empty")
        else:
            _check_regex(origin, inner)
    for index, method in enumerate(cors.allow_methods):
        if method not in _CORS_METHODS:
            findings.refuse(f'"{method}" is not an HTTP method', "allowMethods", index)
    for field, names in (("allowHeaders", cors.allow_headers), ("exposeHeaders", cors.expose_headers)):
        for index, name in enumerate(names):
            findings.refuse(check_cors_name(name), field, index)
    refuse_durations(findings, maxAge=cors.max_age)
    if cors.max_age is not None and cors.max_age.nanoseconds % _SECOND_NS:
        findings.refuse(f"{cors.max_age} must be a whole number of seconds", "maxAge")


def _check_fault(fault: HTTPFaultInjection, findings: Findings) -> None:
    if fault.abort is None and fault.delay is None:
        findings.refuse("a fault has an abort or a delay")
    if fault.abort is not None:
        _check_abort(fault.abort, findings.within("abort"))
    if fault.delay is not None:
        _check_delay(fault.delay, findings.within("delay"))


def _check_abort(abort: Abort, findings: Findings) -> None:
    findings.refuse(check_fraction(abort.percentage), "percentage", "value")
    if abort.grpc_status is not None and abort.grpc_status not in GRPC_STATUSES:
        findings.refuse(f'"{abort.grpc_status}" is not a gRPC status such as NOT_FOUND', "grpcStatus")
    if abort.http2_error is not None:
        findings.refuse("Istio has no HTTP/2 errors yet", "http2Error")
    if abort.http_status is not None:
        findings.refuse(_check_status(abort.http_status), "httpStatus")


def _check_delay(delay: Delay, findings: Findings) -> None:
    findings.refuse(check_fraction(delay.percentage), "percentage", "value")
    refuse_durations(findings, fixedDelay=delay.fixed_delay, exponentialDelay=delay.exponential_delay)
    if delay.exponential_delay is not None:
        findings.refuse("Istio has no exponential delay yet", "exponentialDelay")


def _check_status(status: int) -> str | None:
    """Istio says 200 to 599 and means 600 too."""
    return None if 200 <= status <= 600 else f"the HTTP status {status} must be in the range 200 to 599"


def _check_mirrors(route: HTTPRoute, findings: Findings) -> None:
    if route.mirror is not None:
        check_destination(route.mirror, findings.within("mirror"))
    for index, mirror in enumerate(route.mirrors):
        inner = findings.within("mirrors", index)
        check_destination(mirror.destination, inner.within("destination"))
        inner.refuse(_check_mirror_share(mirror.percentage), "percentage", "value")
    if route.mirror_percent is not None:
        if route.mirror_percent > 100:
            findings.refuse(f"{route.mirror_percent} must be at most 100", "mirrorPercent")
        findings.warn("is deprecated; write mirrorPercentage", "mirrorPercent")
    findings.refuse(_check_mirror_share(route.mirror_percentage), "mirrorPercentage", "value")


def _check_mirror_share(share: Percent | None) -> str | None:
    if share is None or 0 <= share.value <= 100:
        return None
    return f"{share.value:g} must be in the range 0 to 100"


def _check_redirect(
    redirect: HTTPRedirect, matches: tuple[HTTPMatchRequest, ...], findings: Findings
) -> None:
    has_port = redirect.port is not None or redirect.derive_port is not None
    if not (redirect.uri or redirect.prefix_rewrite or redirect.authority or redirect.scheme or has_port):
        findings.refuse("a redirect changes the path, the authority, the scheme or the port")
    if redirect.uri and redirect.prefix_rewrite:
        findings.refuse("only one of uri and prefixRewrite may be set", "prefixRewrite")
    if redirect.prefix_rewrite and any(m.uri is not None and m.uri.prefix is None for m in matches):
        findings.refuse("needs every match on the path to be by prefix", "prefixRewrite")
    if redirect.redirect_code and not 300 <= redirect.redirect_code <= 399:
        findings.refuse(f"{redirect.redirect_code} is not a redirect; they are 3xx", "redirectCode")
    if redirect.scheme not in ("", "http", "https"):
        findings.refuse(f'"{redirect.scheme}" must be http or https, in lower case', "scheme")
    if redirect.port:
        findings.refuse(check_port(redirect.port), "port")


def _check_direct_response(response: HTTPDirectResponse, findings: Findings) -> None:
    if response.body is not None:
        size = _body_bytes(response.body, findings.within("body"))
        if size > _LARGEST_BODY_BYTES:
            findings.refuse("a body has at most 1 MiB", "body")
        elif size > _LARGE_BODY_BYTES:
            findings.warn("a body above 100 KiB slows istiod down", "body")
    findings.refuse(_check_status(response.status), "status")


def _body_bytes(body: HTTPBody, findings: Findings) -> int:
    if body.bytes_ is None:
        return len((body.string or "").encode())
    try:
        return len(decode_base64(body.bytes_))
    except binascii.Error:
        findings.refuse("is not base64", "bytes")
        return 0


def decode_base64(text: str) -> bytes:
    """The bytes of *text*: standard base64 with its padding, as Go's JSON reads it; line breaks are allowed.

    Raises:
        binascii.Error: *text* is not base64.
    """
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError as error:
        raise binascii.Error(str(error)) from error


def _check_retries(retries: HTTPRetry, findings: Findings) -> None:
    if retries.attempts < 0:
        findings.refuse(f"{retries.attempts} must not be negative", "attempts")
    if retries.attempts == 0:
        for field, other in (
            ("perTryTimeout", retries.per_try_timeout),
            ("retryOn", retries.retry_on or None),
            ("retryRemoteLocalities", retries.retry_remote_localities),
        ):
            if other is not None:
                findings.refuse("has no effect with 0 attempts", field)
    refuse_durations(findings, perTryTimeout=retries.per_try_timeout, backoff=retries.backoff)
    for condition in retries.retry_on.split(",") if retries.retry_on else ():
        if condition not in _RETRY_CONDITIONS and not _is_known_status(condition):
            hint = " (no spaces around the commas)" if condition != condition.strip() else ""
            findings.refuse(f'"{condition}" is not a retry condition{hint}', "retryOn")


def _is_known_status(text: str) -> bool:
    digits = re.fullmatch(r"\+?0*([0-9]{3})", text)
    return digits is not None and int(digits[1]) in _KNOWN_STATUSES


def _check_rewrite(rewrite: HTTPRewrite, findings: Findings) -> None:
    pattern = rewrite.uri_regex_rewrite
    if rewrite.uri and pattern is not None:
        findings.refuse("only one of uri and uriRegexRewrite may be set", "uriRegexRewrite")
    if not rewrite.uri and not rewrite.authority and pattern is None:
        findings.refuse("a rewrite has a uri, a uriRegexRewrite or an authority")
    if pattern is not None:
        if not pattern.match or not pattern.rewrite:
            findings.refuse("both match and rewrite are required", "uriRegexRewrite")
        else:
            findings.refuse(pattern_fault(pattern.match), "uriRegexRewrite", "match")


def _check_authority(route: HTTPRoute, findings: Findings) -> None:
    """The authority is set in one place: by the rewrite, or by one header."""
    current = route.rewrite.authority if route.rewrite is not None else ""
    request = route.headers.request if route.headers is not None else None
    if request is None:
        return
    for field, entries in (("set", request.set), ("add", request.add)):
        for name, value in entries.items():
            if not is_authority(name):
                continue
            if current:
                findings.refuse("the authority is already set elsewhere", "headers", "request", field, name)
            current = value
