"""All effects, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.effects.destinations import check_destinations
from bench.check.effects.encryption import (
    check_certificate_names,
    check_lost_tls,
    check_plain_text,
    check_server_names,
)
from bench.check.effects.gateways import check_hosts_at_gateways
from bench.check.effects.handover import (
    check_double_tls,
    check_gateway_connections,
    check_plain_to_tls,
)
from bench.check.effects.idle_rules import check_idle_rules
from bench.check.effects.lost_policies import check_lost_policies, check_swallowed_rules
from bench.check.effects.resilience import check_circuit_breakers, check_outlier_detection
from bench.check.effects.shared_listeners import check_replaced_chains, check_shared_listeners
from bench.check.effects.survey import Survey, check_left_out, check_translation, survey
from bench.check.effects.unreachable import check_hidden_routes
from bench.check.finding import Finding, in_order
from bench.istio.registry import Registry
from bench.istio.resource import Resources


def find_effects(
    registry: Registry, resources: Resources, *, connections: int | None = None
) -> tuple[Finding, ...]:
    """Translate every proxy and name what goes wrong; *connections* is what the planned load keeps busy."""
    return effects_of(survey(registry, resources), connections=connections)


def effects_of(found: Survey, *, connections: int | None = None) -> tuple[Finding, ...]:
    """Name what goes wrong with proxies that are translated already."""
    return in_order(_all(found, connections))


def _all(found: Survey, connections: int | None) -> Iterator[Finding]:
    yield from check_translation(found)
    yield from check_left_out(found)
    yield from check_destinations(found)
    yield from check_gateway_connections(found)
    yield from check_hosts_at_gateways(found)
    yield from check_double_tls(found)
    yield from check_plain_to_tls(found)
    yield from check_hidden_routes(found)
    yield from check_idle_rules(found)
    yield from check_shared_listeners(found)
    yield from check_lost_policies(found)
    yield from check_swallowed_rules(found)
    yield from check_replaced_chains(found)
    yield from check_lost_tls(found)
    yield from check_plain_text(found)
    yield from check_server_names(found)
    yield from check_certificate_names(found)
    yield from check_outlier_detection(found)
    yield from check_circuit_breakers(found, connections)
