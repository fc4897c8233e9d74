"""All rules, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bench.check.finding import Finding, in_order
from bench.check.rules.annotations import check_annotations
from bench.check.rules.claims import check_claims
from bench.check.rules.credentials import check_credentials
from bench.check.rules.dead_references import check_delegates
from bench.check.rules.deprecation import check_deprecated_fields
from bench.check.rules.destination_rules import check_destination_rules
from bench.check.rules.destinations import check_destinations
from bench.check.rules.gateway_bindings import check_gateway_bindings, check_gateways_of_matches
from bench.check.rules.gateways import (
    check_gateway_conflicts,
    check_gateway_workloads,
    check_shared_certificates,
)
from bench.check.rules.injection import check_injection
from bench.check.rules.mesh_hosts import check_mesh_hosts
from bench.check.rules.schema import check_notices, check_schema_warnings, refusals
from bench.check.rules.server_verification import check_server_verification
from bench.check.rules.service_entries import check_addresses, check_protocols
from bench.check.rules.services import check_port_names
from bench.check.rules.shared_hosts import check_shared_hosts
from bench.check.rules.spelling import check_capitals, check_redirect_hosts
from bench.check.rules.status import check_conditions
from bench.check.rules.subsets import check_subsets, check_subsets_at_gateways
from bench.check.rules.surroundings import Surroundings
from bench.check.rules.unreachable import check_unreachable_rules
from bench.istio.problem import Problem

Rule = Callable[[Surroundings], Iterator[Finding]]

ISTIO_RULES: tuple[Rule, ...] = (
    check_addresses,
    check_annotations,
    check_claims,
    check_conditions,
    check_credentials,
    check_delegates,
    check_deprecated_fields,
    check_destination_rules,
    check_destinations,
    check_gateway_bindings,
    check_gateway_conflicts,
    check_gateway_workloads,
    check_gateways_of_matches,
    check_injection,
    check_mesh_hosts,
    check_port_names,
    check_protocols,
    check_schema_warnings,
    check_server_verification,
    check_shared_certificates,
    check_subsets,
    check_subsets_at_gateways,
    check_unreachable_rules,
)
"""Rules with Istio's own codes."""

OWN_RULES: tuple[Rule, ...] = (check_capitals, check_notices, check_redirect_hosts, check_shared_hosts)
"""Rules of this suite that need nothing but the resources."""

SUPPRESS = "galley.istio.io/analyze-suppress"
"""Istio's annotation for a resource: codes, separated by commas, or ``*``."""


def analyze(surroundings: Surroundings, problems: Iterable[Problem] = ()) -> tuple[Finding, ...]:
    """Apply every rule; *problems* are the faults that loading the resources found."""
    found = list(refusals(problems))
    for rule in (*ISTIO_RULES, *OWN_RULES):
        found += rule(surroundings)
    return in_order(_kept(surroundings, found))


def _kept(surroundings: Surroundings, findings: Iterable[Finding]) -> Iterator[Finding]:
    suppressed = {
        resource.title: {code.strip() for code in resource.annotations[SUPPRESS].split(",")}
        for resource in surroundings.resources
        if SUPPRESS in resource.annotations
    }
    for found in findings:
        codes = suppressed.get(found.resource, ())
        if found.code not in codes and "*" not in codes:
            yield found
