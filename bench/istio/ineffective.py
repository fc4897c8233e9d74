"""What Istio accepts and then does nothing with, or nothing reliable: named, so that no one relies on it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.istio.problem import Path, Problem
from bench.istio.resource import Resources

_SPEC: Path = ("spec",)


def ineffective_settings(resources: Resources) -> Iterator[Problem]:
    """Find settings without an effect on the proxies' configuration, in the order of kinds."""
    yield from _in_services(resources)
    yield from _in_endpoint_slices(resources)
    yield from _in_service_entries(resources)
    yield from _in_virtual_services(resources)
    yield from _in_gateways(resources)


def _in_services(resources: Resources) -> Iterator[Problem]:
    for resource in resources.services:
        spec = resource.spec
        if spec.session_affinity not in {"", "None"}:
            yield Problem(
                resource.position((*_SPEC, "sessionAffinity")),
                "sessionAffinity has no effect where proxies pick the endpoint.",
                "Write loadBalancer.consistentHash.useSourceIp in a DestinationRule.",
            )
        if spec.internal_traffic_policy == "Local":
            yield Problem(
                resource.position((*_SPEC, "internalTrafficPolicy")),
                "internalTrafficPolicy Local has no effect: files do not say on which node an endpoint is.",
                "Name the endpoints that count in an EndpointSlice.",
            )
        if spec.external_ips:
            yield Problem(
                resource.position((*_SPEC, "externalIPs")),
                "externalIPs have no effect on proxies.",
                "Declare the addresses in a ServiceEntry.",
            )
        if len(spec.cluster_ips) > 1:
            yield Problem(
                resource.position((*_SPEC, "clusterIPs")),
                "of several clusterIPs only clusterIP counts.",
                "Declare the others in a ServiceEntry.",
            )


def _in_endpoint_slices(resources: Resources) -> Iterator[Problem]:
    for resource in resources.endpoint_slices:
        if resource.spec.address_type == "FQDN":
            yield Problem(
                resource.position(("addressType",)),
                "an EndpointSlice of names has no effect.",
                "Write IP addresses, or a ServiceEntry with resolution DNS.",
            )


def _in_service_entries(resources: Resources) -> Iterator[Problem]:
    for resource in resources.service_entries:
        if len(resource.spec.addresses) > 1:
            yield Problem(
                resource.position((*_SPEC, "addresses")),
                "with several addresses istiod's answer changes from time to time: one of them is a domain "
                "of HTTP routes, and endpoints count once for each. Here all are domains, and endpoints "
                "count once.",
                "Write a ServiceEntry for each address.",
            )


def _in_virtual_services(resources: Resources) -> Iterator[Problem]:
    for resource in resources.virtual_services:
        for index, route in enumerate(resource.spec.tcp):
            for number, match in enumerate(route.match):
                if match.source_subnet:
                    yield Problem(
                        resource.position((*_SPEC, "tcp", index, "match", number, "sourceSubnet")),
                        "sourceSubnet has no effect: Istio does not read it, so any source matches.",
                        "Write sourceLabels instead.",
                    )


def _in_gateways(resources: Resources) -> Iterator[Problem]:
    for resource in resources.gateways:
        for index, server in enumerate(resource.spec.servers):
            if server.default_endpoint:
                yield Problem(
                    resource.position((*_SPEC, "servers", index, "defaultEndpoint")),
                    "defaultEndpoint has no effect on a gateway.",
                    "Write a VirtualService for the hosts of the server.",
                )
