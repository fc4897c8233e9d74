"""What differs between the two eras of Istio whose rules a scenario can choose.

Each line is a switch of its own, so that a test can hold one against the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bench.istio import inventory

UNLIMITED = 4_294_967_295
"""The largest 32-bit number, with which istiod switches a circuit breaker off."""


@dataclass(frozen=True, slots=True)
class Semantics:
    """The rules and defaults of one era (merging and rule lookup are the registry's)."""

    domains_with_ports: bool
    """Virtual hosts list ``host:port`` beside ``host``, and each shortening of the cluster's domain."""
    catch_all_host: bool
    """A sidecar answers unknown hosts by ``block_all`` or ``allow_any``; without, Envoy answers 404."""
    default_retry: bool
    connect_timeout: timedelta
    default_limit: int | None
    """Circuit breakers that the rule leaves open; None keeps Envoy's own defaults."""
    least_request: bool
    """LEAST_REQUEST is the default load balancer, else ROUND_ROBIN."""
    auto_sni: bool
    """Without ``sni``, SNI and verified name follow the request's host."""
    verify_by_default: bool
    """TLS without ``caCertificates`` verifies against the system's trust bundle."""
    tls_versions: bool
    """TLS 1.2 to 1.3 is written out; without, Envoy's own defaults hold."""
    black_hole_answers: bool
    """A gateway without routes answers 404 by a direct response of its own."""
    gateway_in_route_name: bool
    collapses_hosts: bool
    """Hosts of a gateway that lead to the same routes share a virtual host."""
    consecutive_errors: bool
    """The deprecated ``consecutiveErrors`` still counts gateway errors."""
    panic_threshold: bool
    """The panic threshold is always written, 0 (no panic mode) unless the rule says otherwise."""


ISTIO_1_0 = Semantics(
    domains_with_ports=True,
    catch_all_host=False,
    default_retry=False,
    connect_timeout=timedelta(seconds=1),
    default_limit=None,
    least_request=False,
    auto_sni=False,
    verify_by_default=False,
    tls_versions=False,
    black_hole_answers=True,
    gateway_in_route_name=False,
    collapses_hosts=False,
    consecutive_errors=True,
    panic_threshold=False,
)

CURRENT = Semantics(
    domains_with_ports=False,
    catch_all_host=True,
    default_retry=True,
    connect_timeout=timedelta(seconds=10),
    default_limit=UNLIMITED,
    least_request=True,
    auto_sni=True,
    verify_by_default=True,
    tls_versions=True,
    black_hole_answers=False,
    gateway_in_route_name=True,
    collapses_hosts=True,
    consecutive_errors=False,
    panic_threshold=True,
)

_BY_NAME: dict[Literal["istio-1.0", "current"], Semantics] = {"istio-1.0": ISTIO_1_0, "current": CURRENT}


def semantics_named(name: inventory.Semantics) -> Semantics:
    """Give the rules that an inventory names."""
    return _BY_NAME[name]
