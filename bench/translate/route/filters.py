"""Faults and cross-origin rules of a route, as configuration of the HTTP filters that carry them out."""

from __future__ import annotations

from collections.abc import Callable

from envoy_data_plane.envoy.config.core.v3 import RuntimeFractionalPercent
from envoy_data_plane.envoy.extensions.filters.common.fault.v3 import FaultDelay
from envoy_data_plane.envoy.extensions.filters.http.cors.v3 import CorsPolicy as EnvoyCorsPolicy
from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import FaultAbort, HttpFault
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.envoy.type.v3 import FractionalPercent, FractionalPercentDenominatorType

from bench.errors import InputError, Position
from bench.istio.grpc import GRPC_STATUSES
from bench.istio.models import Abort, CorsPolicy, Delay, HTTPFaultInjection, Percent
from bench.translate.notices import Refusal, RefusedError
from bench.translate.route.matches import string_matcher

GRPC_STATUS = {name: number for number, name in enumerate(GRPC_STATUSES)}

_PER_MILLION = 10_000


def share(percent: Percent) -> FractionalPercent:
    """Give a percentage with the four digits that Envoy can distinguish."""
    return FractionalPercent(
        numerator=int(percent.value * _PER_MILLION), denominator=FractionalPercentDenominatorType.MILLION
    )


def http_fault(fault: HTTPFaultInjection, locate: Callable[[], Position]) -> HttpFault:
    """Translate injected faults. Without a percentage a fault never happens, in Istio as in Envoy.

    Raises:
        UnsupportedError: an exponential delay or an HTTP/2 error, which istiod leaves out quietly.
        InputError: an unknown gRPC status.
    """
    return HttpFault(
        delay=_delay(fault.delay, locate) if fault.delay is not None else None,
        abort=_abort(fault.abort, locate) if fault.abort is not None else None,
    )


def _delay(delay: Delay, locate: Callable[[], Position]) -> FaultDelay:
    if delay.fixed_delay is None:
        raise RefusedError(Refusal.EXPONENTIAL_DELAY, locate)
    if delay.percentage is not None:
        percentage = share(delay.percentage)
    else:
        percentage = FractionalPercent(numerator=delay.percent)
    return FaultDelay(fixed_delay=delay.fixed_delay.timedelta, percentage=percentage)


def _abort(abort: Abort, locate: Callable[[], Position]) -> FaultAbort:
    percentage = share(abort.percentage) if abort.percentage is not None else None
    if abort.grpc_status is not None:
        if abort.grpc_status not in GRPC_STATUS:
            raise InputError(f"{abort.grpc_status!r} is not a gRPC status.", where=locate())
        return FaultAbort(grpc_status=GRPC_STATUS[abort.grpc_status], percentage=percentage)
    if abort.http_status is not None:
        return FaultAbort(http_status=abort.http_status, percentage=percentage)
    raise RefusedError(Refusal.HTTP2_ERROR, locate)


def cors_policy(cors: CorsPolicy) -> EnvoyCorsPolicy:
    """Translate cross-origin rules."""
    origins = [string_matcher(origin) for origin in cors.allow_origins]
    if not origins:
        origins = [StringMatcher(exact=origin) for origin in cors.allow_origin]
    return EnvoyCorsPolicy(
        allow_origin_string_match=origins,
        allow_methods=",".join(cors.allow_methods),
        allow_headers=",".join(cors.allow_headers),
        expose_headers=",".join(cors.expose_headers),
        max_age=str(int(cors.max_age.seconds)) if cors.max_age is not None else "",
        allow_credentials=cors.allow_credentials,
        filter_enabled=RuntimeFractionalPercent(default_value=FractionalPercent(numerator=100)),
        forward_not_matching_preflights=cors.unmatched_preflights != "IGNORE",
    )
