"""Destinations that are not there, or not clear (IST0101, IST0112).

Source of the rules: istio ``pkg/config/analysis/analyzers/virtualservice/destinationhosts.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.rules.references import Reference, references
from bench.check.rules.surroundings import KnownHost, Surroundings
from bench.istio.models import VirtualService
from bench.istio.resource import Resource


def check_destinations(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0101 for a host or a port that nobody declares, IST0112 for a port that is left open."""
    for virtual_service in surroundings.resources.virtual_services:
        for reference in references(virtual_service.spec):
            known = surroundings.declared(
                reference.destination.host, virtual_service.namespace, virtual_service.spec.export_to
            )
            if known is None:
                yield _missing_host(surroundings, virtual_service, reference)
            else:
                yield from _check_port(surroundings, virtual_service, reference, known)


def _missing_host(
    surroundings: Surroundings, virtual_service: Resource[VirtualService], reference: Reference
) -> Finding:
    host, namespace = reference.destination.host, virtual_service.namespace
    full = surroundings.full_name(host, namespace)
    hidden = surroundings.hosts.get(full)
    what = "the mirror goes to" if reference.is_mirror else "the route goes to"
    if hidden:
        # Proxies in the namespaces that do see it get a working route, so this need not hurt anybody.
        seen_by = ", ".join(sorted(hidden[-1].scopes))
        return finding(
            Level.WARNING,
            "IST0101",
            virtual_service,
            reference.host_path,
            reason=f'{what} "{host}", which namespace {namespace} does not see: '
            f"{hidden[-1].resource.title} is exported to {seen_by} only.",
            remedy=f"Export it to {namespace} too, or keep this VirtualService to {seen_by} with exportTo.",
        )
    named = f'"{host}"' if full == host.lower() else f'"{host}" ({full})'
    return finding(
        Level.ERROR,
        "IST0101",
        virtual_service,
        reference.host_path,
        reason=f"{what} {named}, which no Service and no ServiceEntry declares.",
        remedy="Declare it with a ServiceEntry"
        + (
            ", or write the full name of a Service (only a name without a dot is completed)."
            if "." in host
            else f", or write the full name of a Service outside of {namespace}."
        ),
    )


def _check_port(
    surroundings: Surroundings,
    virtual_service: Resource[VirtualService],
    reference: Reference,
    known: KnownHost,
) -> Iterator[Finding]:
    destination = reference.destination
    if destination.port is None:
        if len(known.ports) > 1:
            numbers = ", ".join(str(port) for port in known.ports)
            yield finding(
                Level.WARNING,
                "IST0112",
                virtual_service,
                reference.host_path,
                reason=f'"{destination.host}" has the ports {numbers}, and the destination names none: '
                "the port is then that of the listener the request came in by.",
                remedy="Write port.number.",
            )
        return
    ports = surroundings.ports_of(known)
    number = destination.port.number
    if number not in ports:
        yield finding(
            Level.ERROR,
            "IST0101",
            virtual_service,
            (*reference.path, "port", "number"),
            reason=f'"{destination.host}:{number}" is not there: {_declarations(surroundings, known)}.',
            remedy=_port_remedy(surroundings, known, number),
        )


def _declarations(surroundings: Surroundings, known: KnownHost) -> str:
    own = ", ".join(str(port) for port in known.ports) or "no port"
    text = f"{known.resource.title} ({known.resource.position(('metadata', 'name'))}) has {own}"
    hidden = [each for each in surroundings.hosts[known.host] if each.resource is not known.resource]
    if known.resource.kind == "Service" and surroundings.semantics == "current" and hidden:
        others = ", ".join(each.resource.title for each in hidden)
        text += f", and as a Kubernetes Service it replaces {others} of the same host"
    return text


def _port_remedy(surroundings: Surroundings, known: KnownHost, number: int) -> str:
    for each in surroundings.hosts[known.host]:
        if number in each.ports:
            return (
                f"{each.resource.title} has the port: remove {known.resource.title}, or give one of the two "
                "another host (istio-1.0 joins them, Istio 1.22 and later do not)."
            )
    return f"Use a port that it has, or add {number} to {known.resource.title}."
