"""Outlier detection: when an endpoint is taken out for a while."""

from __future__ import annotations

from envoy_data_plane.envoy.config.cluster.v3 import OutlierDetection as EnvoyOutlierDetection

from bench.istio.models import OutlierDetection
from bench.translate.semantics import Semantics


def outlier_detection(written: OutlierDetection, semantics: Semantics) -> EnvoyOutlierDetection:
    """Build Envoy's outlier detection.

    Success rates never eject. A count of 0 switches its kind of error off; a kind that is not written keeps
    Envoy's default, which for consecutive 5xx answers is five. Without ``maxEjectionPercent`` Envoy ejects at
    most a tenth of the endpoints, which in a cluster of one or two is none.
    """
    outlier = EnvoyOutlierDetection(enforcing_success_rate=0)
    gateway_errors = written.consecutive_gateway_errors
    if semantics.consecutive_errors and gateway_errors is None and written.consecutive_errors > 0:
        gateway_errors = written.consecutive_errors
    if written.consecutive_5xx_errors is not None:
        outlier.consecutive_5xx = written.consecutive_5xx_errors
        outlier.enforcing_consecutive_5xx = 100 if written.consecutive_5xx_errors > 0 else 0
    if gateway_errors is not None:
        outlier.consecutive_gateway_failure = gateway_errors
        outlier.enforcing_consecutive_gateway_failure = 100 if gateway_errors > 0 else 0
    if written.interval is not None:
        outlier.interval = written.interval.timedelta
    if written.base_ejection_time is not None:
        outlier.base_ejection_time = written.base_ejection_time.timedelta
    if written.max_ejection_percent > 0:
        outlier.max_ejection_percent = written.max_ejection_percent
    if written.split_external_local_origin_errors:
        outlier.split_external_local_origin_errors = True
        local = written.consecutive_local_origin_failures
        if local is not None:
            outlier.consecutive_local_origin_failure = local
            outlier.enforcing_consecutive_local_origin_failure = 100 if local > 0 else 0
        outlier.enforcing_local_origin_success_rate = 0
    return outlier
