"""Destinations that are not there, or not clear (IST0101, IST0112).

Source of the rules: istio ``pkg/config/analysis/analyzers/virtualservice/destinationhosts.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.references import Reference, references
from bench.check.rules.surroundings import KnownHost, Surroundings
from bench.istio.models import VirtualService
from bench.istio.resource import Resource
from bench.message import Message, say


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
    kind = "mirror" if reference.is_mirror else "route"
    if hidden:
        # Proxies in the namespaces that do see it get a working route, so this need not hurt anybody.
        message = say(
            RuleCase.HIDDEN_HOST,
            kind=kind,
            host=host,
            namespace=namespace,
            owner=hidden[-1].resource.title,
            seen_by=tuple(sorted(hidden[-1].scopes)),
        )
        return finding(Level.WARNING, "IST0101", virtual_service, reference.host_path, message)
    full = "" if full == host.lower() else full
    if "." in host:
        message = say(RuleCase.UNDECLARED_DESTINATION, kind=kind, host=host, full=full)
    else:
        message = say(RuleCase.UNDECLARED_SHORT_NAME, kind=kind, host=host, full=full, namespace=namespace)
    return finding(Level.ERROR, "IST0101", virtual_service, reference.host_path, message)


def _check_port(
    surroundings: Surroundings,
    virtual_service: Resource[VirtualService],
    reference: Reference,
    known: KnownHost,
) -> Iterator[Finding]:
    destination = reference.destination
    if destination.port is None:
        if len(known.ports) > 1:
            yield finding(
                Level.WARNING,
                "IST0112",
                virtual_service,
                reference.host_path,
                say(RuleCase.PORT_LEFT_OPEN, host=destination.host, ports=tuple(known.ports)),
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
            _no_port(surroundings, known, destination.host, number),
        )


def _no_port(surroundings: Surroundings, known: KnownHost, host: str, port: int) -> Message:
    declaration, owner = _declaration(surroundings, known), known.resource.title
    for each in surroundings.hosts[known.host]:
        if port in each.ports:
            other = each.resource.title
            return say(
                RuleCase.PORT_REPLACED,
                host=host,
                port=port,
                declaration=declaration,
                owner=owner,
                other=other,
            )
    return say(RuleCase.PORT_MISSING, host=host, port=port, declaration=declaration, owner=owner)


def _declaration(surroundings: Surroundings, known: KnownHost) -> Message:
    ports = tuple(known.ports) or say(RuleCase.NO_PORT)
    owner, place = known.resource.title, known.resource.position(("metadata", "name"))
    hidden = [each for each in surroundings.hosts[known.host] if each.resource is not known.resource]
    if known.resource.kind == "Service" and surroundings.semantics == "current" and hidden:
        others = tuple(each.resource.title for each in hidden)
        return say(RuleCase.REPLACING_DECLARATION, owner=owner, place=place, ports=ports, others=others)
    return say(RuleCase.DECLARATION, owner=owner, place=place, ports=ports)
