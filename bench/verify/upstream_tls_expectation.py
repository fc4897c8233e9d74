"""What the resources make the gateway check of a node's certificate, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.certs import WRONG_NAME, Wrong
from bench.explain import Explainer, Hop, ServerCertificate, Trace, UpstreamTls


@dataclass(frozen=True, slots=True)
class UpstreamChecks:
    """Of one cluster, for requests with one Host."""

    cluster: str
    trust: bool
    """The certificate must come from a known authority, and be valid now."""
    names: tuple[tuple[str, ...], ...]
    """Groups of names of each of which the certificate must have one; empty: any name will do."""

    def accepts(self, kind: Wrong) -> bool:
        """Whether the gateway goes on with a node that has a wrong certificate of this kind."""
        if kind == "wrong-san":
            wrong = ServerCertificate("a node with a wrong name", (WRONG_NAME,))
            return all(any(wrong.has_name(name) for name in group) for group in self.names)
        return not self.trust


def upstream_checks(explainer: Explainer, trace: Trace, gateway: str) -> frozenset[UpstreamChecks]:
    """All checks that the request of *trace* can meet where *gateway* hands it to nodes.

    Empty where it does not originate TLS on some of its ways: then there is nothing that it could refuse.
    """
    clusters = explainer.proxies.get(gateway).clusters
    found = set()
    for hop in _hops(trace.hop):
        if hop.proxy != gateway:
            continue
        for branch in hop.branches:
            if branch.outcome is None or branch.outcome.kind != "endpoint":
                continue
            cluster = clusters.find(branch.outcome.cluster)
            tls = clusters.tls(cluster) if cluster is not None else None
            if tls is None:
                return frozenset()
            found.add(_checks(branch.outcome.cluster, tls, hop.request.host))
    return frozenset(found)


def _checks(cluster: str, tls: UpstreamTls, host: str) -> UpstreamChecks:
    return UpstreamChecks(cluster, tls.is_verified and bool(tls.ca), tls.demanded_names(host))


def _hops(hop: Hop) -> Iterator[Hop]:
    yield hop
    for branch in hop.branches:
        if branch.hop is not None:
            yield from _hops(branch.hop)
