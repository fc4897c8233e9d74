"""Which virtual host takes a Host header: exact names, then the longest wildcard, then the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.routing.names import is_ip
from bench.routing.rules import Rule


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """The rules of one host on one listener."""

    title: str
    """What caused it, for sentences."""
    rules: tuple[Rule, ...]
    requires_tls: bool = False
    doubt: str = ""


class HostTable:
    """The virtual hosts of one listener by their domains. Of two for one domain, the first added counts."""

    def __init__(self, *, ignores_port: bool) -> None:
        self._ignores_port = ignores_port
        self._exact: dict[str, VirtualHost] = {}
        self._wildcards: dict[str, VirtualHost] = {}
        self._lengths: tuple[int, ...] = ()

    def add(self, domains: Iterable[str], host: VirtualHost) -> None:
        """Put *host* under each of *domains* that is still free."""
        for domain in domains:
            if domain.startswith("*"):
                self._wildcards.setdefault(domain[1:], host)
            else:
                self._exact.setdefault(domain, host)
        self._lengths = tuple(sorted({len(tail) for tail in self._wildcards}, reverse=True))

    def find(self, authority: str) -> VirtualHost | None:
        """The virtual host for a Host header as it was sent."""
        host = authority.lower()
        if self._ignores_port:
            host = without_port(host)
        found = self._exact.get(host)
        if found is not None:
            return found
        for length in self._lengths:
            if len(host) > length:
                found = self._wildcards.get(host[len(host) - length :])
                if found is not None:
                    return found
        return None

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain, wildcards with their star."""
        return (*self._exact, *(f"*{tail}" for tail in self._wildcards))


def without_port(host: str) -> str:
    """*host* without what follows its only colon, be it a number or not, as Envoy 1.40 does (measured).

    An IPv6 address needs its brackets to have a port.
    """
    head, colon, _ = host.rpartition(":")
    if not colon or (":" in head and not head.endswith("]")):
        return host
    return head


def aliases(host: str, *, namespace: str, domain: str) -> list[str]:
    """The shorter names that mean *host* to a client in *namespace*, as DNS would complete them there."""
    suffix = f".svc.{domain}"
    if not host.endswith(suffix):
        return []
    unique = host.removesuffix(suffix)
    name, _, owner = unique.partition(".")
    if not owner or "." in owner:
        return []
    if owner == namespace:
        return [name, f"{unique}.svc", unique]
    return [unique, f"{unique}.svc"]


def old_aliases(host: str, *, namespace: str, domain: str) -> list[str]:
    """The shorter names by the rules of Istio 1.0: every cut of the shared suffix."""
    own = f"{namespace}.svc.{domain}".split(".")
    labels = host.split(".")
    shared: list[str] = []
    while own and labels and own[-1] == labels[-1]:
        shared.insert(0, own.pop())
        labels.pop()
    if not shared or not labels:
        return []
    unique = ".".join(labels)
    return [unique, *(f"{unique}.{'.'.join(shared[:count])}" for count in range(1, len(shared)))]


def bracketed(address: str) -> str:
    """An address as a Host header names it."""
    return f"[{address}]" if ":" in address and is_ip(address) else address
