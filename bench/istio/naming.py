"""How Istio completes names that are written short."""

from __future__ import annotations

import ipaddress

MESH = "mesh"


def resolve_host(host: str, namespace: str, domain: str = "cluster.local") -> str:
    """The whole name of a *host* that a resource in *namespace* mentions, in small letters.

    A name with a dot, an IP address and the bare star are whole already; ``web`` becomes
    ``web.NAMESPACE.svc.DOMAIN``. Holds for hosts and destinations of a VirtualService and the host of a
    DestinationRule; not for the hosts of a ServiceEntry, a Gateway's server and an SNI match.
    Source: istio ``ResolveShortnameToFQDN``.
    """
    if not host or host == "*" or "." in host or _is_address(host):
        return host.lower()
    return f"{host}.{namespace}.svc.{domain}".lower()


def resolve_gateway(reference: str, namespace: str) -> str:
    """``NAMESPACE/NAME`` for a reference to a gateway that a VirtualService in *namespace* makes.

    ``mesh`` stays. A reference without a slash lies in the own namespace, but for the old form
    ``NAME.NAMESPACE`` and whatever follows it. Source: istio ``resolveGatewayName``.
    """
    if reference == MESH:
        return reference
    first, slash, second = reference.partition("/")
    if slash:
        return f"{namespace}/{second}" if first == "." else reference
    name, *rest = reference.split(".")
    return f"{rest[0] if rest else namespace}/{name}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
