"""How Istio reads host names: short names, wildcards, visibility.

Sources: the field descriptions of ``VirtualService.hosts``, ``Destination.host``, ``Gateway.servers.hosts``
and ``exportTo`` in Istio's API reference.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence


def is_ip(host: str) -> bool:
    """Whether *host* is an IPv4 or IPv6 address (not a range)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def full_name(host: str, namespace: str, domain: str) -> str:
    """Lower-case name; one without a dot is a Service in *namespace*, that of the resource that says it."""
    return written_name(host, namespace, domain).lower()


def written_name(host: str, namespace: str, domain: str) -> str:
    """As :func:`full_name` in the case as written: destinations and DestinationRules are compared by case."""
    if not host or "." in host or host == "*" or is_ip(host):
        return host
    return f"{host}.{namespace}.svc.{domain}"


def is_wildcard(host: str) -> bool:
    """Whether *host* covers many names."""
    return host.startswith("*")


def covers(pattern: str, host: str) -> bool:
    """Whether every name that *host* covers is one that *pattern* covers.

    ``*.foo.com`` covers ``a.foo.com`` and ``*.a.foo.com``, not ``foo.com``; ``*`` covers everything.
    """
    if not is_wildcard(pattern):
        return pattern == host
    tail = pattern[1:]
    if is_wildcard(host):
        return host[1:].endswith(tail)
    return host.endswith(tail) and len(host) > len(tail)


def narrower(one: str, other: str) -> str | None:
    """The more specific of two overlapping hosts; None when they have no name in common."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def is_visible(export_to: Sequence[str], *, owner: str, viewer: str) -> bool:
    """Whether a resource of namespace *owner* is seen from namespace *viewer*.

    Nothing written means everybody; ``.`` is the own namespace, ``~`` none.
    """
    if not export_to or "*" in export_to:
        return True
    return viewer in export_to or ("." in export_to and owner == viewer)


def privacy(export_to: Sequence[str]) -> int:
    """The order in which resources count: those of the own namespace only, those for some, those for all."""
    if set(export_to) == {"."}:
        return 0
    return 2 if not export_to or "*" in export_to else 1


def gateway_name(reference: str, namespace: str) -> str:
    """``namespace/name`` of a Gateway that a VirtualService of *namespace* mentions; ``mesh`` stays."""
    if reference == "mesh":
        return reference
    if "/" in reference:
        owner, _, name = reference.partition("/")
        return f"{namespace if owner == '.' else owner}/{name}"
    if "." in reference:  # the old spelling name.namespace.svc.cluster.local
        name, _, rest = reference.partition(".")
        return f"{rest.partition('.')[0]}/{name}"
    return f"{namespace}/{reference}"
