"""When and how often Envoy tries a request again."""

from __future__ import annotations

import re

from envoy_data_plane.envoy.config.route.v3 import (
    RetryPolicy,
    RetryPolicyRetryBackOff,
    RetryPolicyRetryHostPredicate,
    RetryPolicyRetryPriority,
)
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts.v3 import PreviousHostsPredicate
from envoy_data_plane.envoy.extensions.retry.priority.previous_priorities.v3 import PreviousPrioritiesConfig

from bench.istio.models import HTTPRetry
from bench.translate.messages import pack
from bench.translate.semantics import Semantics

DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_DEFAULT_ATTEMPTS = 2
_HOST_SELECTION_ATTEMPTS = 5
_PREVIOUS_PRIORITIES = 2
"""Every second attempt leaves the priorities tried so far."""
_BY_STATUS = "retriable-status-codes"
_STATUS = re.compile(r"[1-5][0-9]{2}\Z")

_PREDICATE = RetryPolicyRetryHostPredicate(
    name="envoy.retry_host_predicates.previous_hosts", typed_config=pack(PreviousHostsPredicate())
)


def retry_policy(written: HTTPRetry | None, semantics: Semantics, *, is_hashed: bool) -> RetryPolicy | None:
    """Build the retry policy of a route; None never retries (istio ``ConvertPolicy``).

    A hashed route has one destination picked by consistent hash: to avoid the hosts already tried would
    break the hash, unless the rule asks for it.
    """
    if written is None and not semantics.default_retry:
        return None
    if written is not None and written.attempts <= 0:
        return None
    policy = RetryPolicy(
        retry_on=DEFAULT_RETRY_ON,
        num_retries=_DEFAULT_ATTEMPTS,
        host_selection_retry_max_attempts=_HOST_SELECTION_ATTEMPTS,
    )
    avoids_previous = not is_hashed
    if written is not None:
        policy.num_retries = written.attempts
        if written.retry_on:
            policy.retry_on, policy.retriable_status_codes = _conditions(written.retry_on)
        if written.per_try_timeout is not None:
            policy.per_try_timeout = written.per_try_timeout.timedelta
        if written.backoff is not None:
            policy.retry_back_off = RetryPolicyRetryBackOff(base_interval=written.backoff.timedelta)
        if written.retry_remote_localities:
            policy.retry_priority = RetryPolicyRetryPriority(
                name="envoy.retry_priorities.previous_priorities",
                typed_config=pack(PreviousPrioritiesConfig(update_frequency=_PREVIOUS_PRIORITIES)),
            )
        if written.retry_ignore_previous_hosts is not None:
            avoids_previous = written.retry_ignore_previous_hosts
    if avoids_previous:
        policy.retry_host_predicate = [_PREDICATE]
    return policy


def _conditions(retry_on: str) -> tuple[str, list[int]]:
    """Split status numbers from Envoy's words; with numbers Envoy needs one more word.

    Numbers alone leave an empty first item, as in istiod's answer; it means nothing to Envoy.
    """
    parts = [part.strip() for part in retry_on.split(",")]
    codes = [int(part) for part in parts if _STATUS.match(part)]
    words = ",".join(part for part in parts if not _STATUS.match(part))
    if codes and _BY_STATUS not in words:
        words += f",{_BY_STATUS}"
    return words, codes
