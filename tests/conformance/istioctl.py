"""Where ``istioctl analyze`` raises a false alarm, stated as rules over the resources and not over cases.

Each function looks at one recorded message that has no counterpart here, and gives the reason why that is
right, or ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bench.check.rules.coverage import covers_match
from bench.check.rules.destination_rules import services_of
from bench.check.rules.surroundings import Surroundings, selects
from bench.istio.hosts import MESH, covers, expand_gateway, is_wildcard
from bench.istio.resource import Resource
from bench.istio.validation.findings import Findings
from bench.istio.validation.unused_rules import warn_about_unused_rules

Excuse = Callable[[dict[str, Any], Resource[Any], Surroundings], str | None]


def pods_only(message: dict[str, Any], rule: Resource[Any], surroundings: Surroundings) -> str | None:
    """IST0173 looks at Pods only."""
    named = re.search(r"Subset (\S+) defined", message["message"])
    if message["code"] != "IST0173" or named is None:
        return None
    subset = next(each for each in rule.spec.subsets if each.name == named.group(1))
    for service in services_of(surroundings, rule):
        spec = service.resource.spec
        entries = getattr(spec, "endpoints", ())
        if any(selects(subset.labels, endpoint.labels) for endpoint in entries):
            return "the subset has endpoints: they are in the ServiceEntry, istioctl looks at Pods only"
        selector = getattr(spec, "workload_selector", None)
        both = {**(selector.labels if selector is not None else {}), **subset.labels}
        for entry in surroundings.resources.workload_entries:
            if selector is not None and selects(both, {**entry.labels, **entry.spec.labels}):
                return "the subset has endpoints: WorkloadEntries, istioctl looks at Pods only"
    return None


def same_wildcard_only(
    message: dict[str, Any], rule: Resource[Any], surroundings: Surroundings
) -> str | None:
    """IST0174 asks for a service with the same wildcard, and never for rules of the root namespace."""
    if message["code"] != "IST0174":
        return None
    if not is_wildcard(rule.spec.host) and rule.namespace != surroundings.root_namespace:
        return None
    service = next(services_of(surroundings, rule), None)
    return f"istiod applies the rule to {service.host}" if service is not None else None


def wildcard_subsets(message: dict[str, Any], owner: Resource[Any], surroundings: Surroundings) -> str | None:
    """IST0101 for subsets joins by the text of the host and the namespace."""
    named = re.search(
        r'host\+subset in destinationrule not found: "(.+)\+(.+)"', message["message"]
    ) or re.search(r'mirror\+subset in destinationrule not found: "(.+)\+(.+)"', message["message"])
    if message["code"] != "IST0101" or named is None:
        return None
    host = surroundings.full_name(named.group(1), owner.namespace)
    for rule in surroundings.resources.destination_rules:
        theirs = surroundings.full_name(rule.spec.host, rule.namespace)
        if covers(theirs, host) and any(subset.name == named.group(2) for subset in rule.spec.subsets):
            return f"istiod applies {rule.title} to {host}"
    return None


def one_declaration_only(
    message: dict[str, Any], owner: Resource[Any], surroundings: Surroundings
) -> str | None:
    """IST0101 for a port looks at the last entry of a host; istiod joins them."""
    named = re.search(r'host:port not found: "(.+):([0-9]+)"', message["message"])
    if message["code"] != "IST0101" or named is None:
        return None
    host, port = surroundings.full_name(named.group(1), owner.namespace), int(named.group(2))
    known = surroundings.declared(named.group(1), owner.namespace, owner.spec.export_to)
    if known is not None and port in surroundings.ports_of(known):
        return f"another declaration of {host} has port {port}"
    return None


def own_namespace(message: dict[str, Any], owner: Resource[Any], surroundings: Surroundings) -> str | None:
    """IST0101 for a host only asks the namespaces of exportTo; a star is taken for a namespace."""
    named = re.search(r'(?:mirror )?host not found: "([^"]+)"', message["message"])
    if message["code"] != "IST0101" or named is None or "*" not in owner.spec.export_to:
        return None
    if surroundings.declared(named.group(1), owner.namespace) is not None:
        return f"{named.group(1)} is visible in {owner.namespace}, where the VirtualService counts as well"
    return None


def legacy_gateway_name(
    message: dict[str, Any], owner: Resource[Any], surroundings: Surroundings
) -> str | None:
    """A dotted name of a Gateway is the old form, which istiod still reads."""
    if message["code"] not in ("IST0101", "IST0132"):
        return None
    for name in getattr(owner.spec, "gateways", ()):
        is_old = "." in name and "/" not in name and name in message["message"]
        if is_old and surroundings.gateway(name, owner.namespace) is not None:
            return f"istiod reads {name} as {expand_gateway(name, owner.namespace)}"
    return None


def slices_have_no_labels(
    message: dict[str, Any], rule: Resource[Any], surroundings: Surroundings
) -> str | None:
    """IST0173 for a Service with an EndpointSlice and no Pods: the labels of its endpoints are unknown."""
    if message["code"] != "IST0173":
        return None
    sliced = {
        (each.namespace, each.labels.get("kubernetes.io/service-name"))
        for each in surroundings.resources.endpoint_slices
        if each.spec.endpoints
    }
    if any((each.namespace, each.resource.name) in sliced for each in services_of(surroundings, rule)):
        return "the Service has endpoints in an EndpointSlice, whose labels are not in the YAML"
    return None


def last_server_only(key: tuple[str, str], surroundings: Surroundings) -> str | None:
    """IST0145 keeps of each neighbour and port the hosts of the last server only."""
    gateway = next((each for each in surroundings.resources.gateways if each.title == key[1]), None)
    if key[0] != "IST0145" or gateway is None:
        return None
    for other in surroundings.resources.gateways:
        last = {server.port.number: server for server in other.spec.servers}
        for server in gateway.spec.servers:
            theirs = last.get(server.port.number)
            if other is not gateway and theirs is not None and set(theirs.hosts) & set(server.hosts):
                return None
    return "the host is in an earlier server of the neighbour; istioctl keeps the last one of a port"


def mesh_is_no_gateway(message: dict[str, Any], owner: Resource[Any], _: Surroundings) -> str | None:
    """IST0140 takes ``gateways: [mesh]`` for a gateway."""
    if message["code"] == "IST0140" and set(owner.spec.gateways) == {MESH}:
        return "the VirtualService is bound to no gateway: mesh represents the sidecars"
    return None


def table_that_is_written_while_read(
    message: dict[str, Any], gateway: Resource[Any], surroundings: Surroundings
) -> str | None:
    """IST0145 writes the hosts it looked at into the neighbour's table."""
    if message["code"] != "IST0145":
        return None
    own = {
        (host, server.port.number, server.bind) for server in gateway.spec.servers for host in server.hosts
    }
    for other in surroundings.resources.gateways:
        if other is gateway:
            continue
        theirs = {
            (host, server.port.number, server.bind) for server in other.spec.servers for host in server.hosts
        }
        if own & theirs:
            return None
    return "no other Gateway has any of these hosts on this port: istioctl changes its table while reading it"


def default_ingress_gateway(
    message: dict[str, Any], gateway: Resource[Any], surroundings: Surroundings
) -> str | None:
    """Istioctl adds Pod and Service of an installation's ingress gateway to what it reads."""
    if message["code"] != "IST0162" or gateway.spec.selector != {"istio": "ingressgateway"}:
        return None
    if any(surroundings.selected(gateway.spec.selector)):
        return None
    return "istioctl adds the ingress gateway of an installation; here no proxy has these labels (IST0101)"


def odd_overlap(message: dict[str, Any], owner: Resource[Any], _: Surroundings) -> str | None:
    """IST0131 calls matches covered that do get requests of their own."""
    if message["code"] != "IST0131":
        return None
    claimed = Findings()
    warn_about_unused_rules(owner.spec, claimed)
    for warning in claimed.warnings:
        if len(warning.path) != 5 or warning.path[1] != "http":
            continue
        number, index = int(warning.path[2]), int(warning.path[4])
        match = owner.spec.http[number].match[index]
        before = [each for rule in owner.spec.http[:number] for each in rule.match]
        before += owner.spec.http[number].match[:index]
        if not any(covers_match(each, match) for each in before):
            return (
                "the later match takes requests that the earlier one does not (method, header or path case)"
            )
    return None


def empty_namespace(message: dict[str, Any], owner: Resource[Any], _: Surroundings) -> str | None:
    """A recorded run without a namespace looks up short names in the namespace with the empty name."""
    if "." in message["resource"]:
        return None
    quoted = re.search(r'"([^"]+)"', message["message"])
    is_short = quoted is not None and "." not in quoted.group(1) and "/" not in quoted.group(1)
    if message["code"] == "IST0132" or (message["code"] == "IST0101" and is_short):
        return f"{owner.title} is in the namespace default; the recorded run left the namespace empty"
    return None


EXCUSES: tuple[Excuse, ...] = (
    pods_only,
    same_wildcard_only,
    wildcard_subsets,
    one_declaration_only,
    own_namespace,
    legacy_gateway_name,
    slices_have_no_labels,
    mesh_is_no_gateway,
    table_that_is_written_while_read,
    default_ingress_gateway,
    odd_overlap,
    empty_namespace,
)


def excuse(message: dict[str, Any], owner: Resource[Any] | None, surroundings: Surroundings) -> str | None:
    """Say why the recorded *message* about *owner* is rightly not repeated here."""
    if owner is None:
        return None
    reasons = (each(message, owner, surroundings) for each in EXCUSES)
    return next((reason for reason in reasons if reason is not None), None)
