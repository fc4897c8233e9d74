"""Host names as Istio reads them: expansion of short names, wildcards, which one covers which."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

MESH = "mesh"
"""The reserved gateway name that means all sidecars."""


def is_ip(host: str) -> bool:
    """Return whether *host* is an IPv4 or IPv6 literal."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def expand_host(host: str, namespace: str, domain: str) -> str:
    """Give the full name of *host* as written in a resource of *namespace*, in lower case.

    Only a name without any dot is short (istio ``ResolveShortnameToFQDN``): ``nginx.external`` stays as it
    is.
    """
    return expand_as_written(host, namespace, domain).lower()


def expand_as_written(host: str, namespace: str, domain: str) -> str:
    """Give the full name of *host* without a change of its letters.

    istiod compares the host of a DestinationRule and of a destination by case; only the hosts of a
    VirtualService are made small.
    """
    if not host or host == "*" or "." in host or is_ip(host):
        return host
    return f"{host}.{namespace}.svc.{domain}"


def expand_gateway(name: str, namespace: str) -> str:
    """Give ``namespace/name`` of a gateway that a resource of *namespace* refers to; ``mesh`` stays."""
    if name == MESH:
        return name
    if "/" in name:
        owner, _, short = name.partition("/")
        return f"{namespace if owner == '.' else owner}/{short}"
    if "." in name:  # the legacy form name.namespace[.svc.cluster.local]
        short, _, rest = name.partition(".")
        return f"{rest.partition('.')[0]}/{short}"
    return f"{namespace}/{name}"


def is_wildcard(host: str) -> bool:
    """Return whether *host* is ``*`` or starts with ``*.``."""
    return host.startswith("*")


def covers(general: str, special: str) -> bool:
    """Return whether each name that *special* covers is one that *general* covers.

    ``*.foo.com`` covers ``a.foo.com`` and ``*.a.foo.com``, not ``foo.com``.
    """
    if not is_wildcard(general):
        return general == special
    suffix = general[1:]
    if not suffix:
        return True
    if is_wildcard(special):
        return special[1:].endswith(suffix)
    return len(special) >= len(general) and special.endswith(suffix)


def overlap(one: str, other: str) -> bool:
    """Return whether one of two host names covers the other."""
    return covers(one, other) or covers(other, one)


def narrower(one: str, other: str) -> str | None:
    """Give the more specific of two overlapping host names, None if they do not overlap."""
    if covers(one, other):
        return other
    if covers(other, one):
        return one
    return None


def specificity(host: str) -> tuple[int, int, str]:
    """Sort key that puts the most specific host first: exact before wildcard, longer wildcards first."""
    return (1 if is_wildcard(host) else 0, -len(host), host)


def most_specific(host: str, candidates: Iterable[str]) -> str | None:
    """Give the candidate that covers *host* most specifically: itself, else the longest wildcard."""
    matching = [candidate for candidate in candidates if covers(candidate, host)]
    return min(matching, key=specificity) if matching else None
