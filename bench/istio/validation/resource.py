"""All rules for one resource."""

from __future__ import annotations

from typing import Any

from bench.istio.models import DestinationRule, Gateway, ServiceEntry, VirtualService, WorkloadEntry
from bench.istio.resource import Resource
from bench.istio.validation import destination_rule, service_entry, workload_entry
from bench.istio.validation.findings import Findings
from bench.istio.validation.gateway import check_gateway
from bench.istio.validation.metadata import check_annotations
from bench.istio.validation.virtual_service import check_virtual_service


def inspect(resource: Resource[Any]) -> Findings:
    """What the API server (beyond types) and istiod refuse of *resource*, and what istiod warns about.

    Kubernetes' own kinds are not inspected: a cluster has accepted them before people paste them.
    """
    findings = Findings()
    spec = resource.spec
    match spec:
        case VirtualService():
            check_virtual_service(spec, resource.namespace, findings)
        case Gateway():
            check_gateway(spec, resource.name, findings)
        case ServiceEntry():
            service_entry.check_schema(spec, findings)
            service_entry.check_service_entry(spec, resource.namespace, resource.labels, findings)
        case DestinationRule():
            destination_rule.check_schema(spec, findings)
            destination_rule.check_destination_rule(spec, resource.namespace, findings)
        case WorkloadEntry():
            workload_entry.check_schema(spec, findings)
            workload_entry.check_workload_entry(spec, findings)
        case _:
            return findings
    check_annotations(resource.annotations, findings.at("metadata"))
    return findings
