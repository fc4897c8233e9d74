"""The way of the traffic by its Istio resources, as the report draws it: parts, ports, TLS, certificates.

From ``explain``, which follows each kind of request through the translation; what really happened there is
what the ledger and the nodes say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from bench.certs import Material, certificate_file
from bench.errors import BenchError
from bench.explain import STAND_INS, Explainer, Hop, parse_request
from bench.placement import same_endpoint
from bench.preparation import Prepared
from bench.result import LinkTls, Way, WayLink, WayPart, WayRole
from bench.scenario import MixedRequest

MOST_KINDS = 200
"""Kinds of requests that are followed: with thousands of hosts the first ones show the shape."""


def way_of(prepared: Prepared, material: Material) -> Way | None:
    """What the traffic passes; None where it cannot be followed.

    Args:
        prepared: the scenario and its translation.
        material: its certificates, on disk.
    """
    scenario = prepared.loaded.scenario
    finder = _Finder(prepared, material, Explainer(prepared.registry, prepared.loaded.resources))
    try:
        for each in scenario.traffic.mix[:MOST_KINDS]:
            finder.follow(each)
    except (BenchError, OSError, ValueError):
        # A drawing is no reason to stop a run; the verification says what is wrong with the path.
        return None
    return Way(parts=tuple(finder.parts.values()), links=tuple(finder.links.values()))


@dataclass(slots=True)
class _Finder:
    prepared: Prepared
    material: Material
    explainer: Explainer
    parts: dict[tuple[WayRole, str], WayPart] = field(default_factory=dict)
    links: dict[tuple[object, ...], WayLink] = field(default_factory=dict)

    def follow(self, request: MixedRequest) -> None:
        """Add the way of one kind of request."""
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        path = request.path if request.is_http else ""
        asked = parse_request(
            f"{request.scheme}://{request.authority}{path}",
            headers,
            request.method if request.is_http else "GET",
        )
        hop = self.explainer.explain(asked, request.client).hop
        self._part("client", request.client, "")
        self._proxy(request.client)
        self._link(
            WayLink(
                source=request.client,
                source_role="client",
                target=request.client,
                target_role="sidecar",
                port=request.port,
                carries="http" if request.is_http else "bytes",
                tls="client" if request.tls is not None else "none",
            )
        )
        self._hop(hop, request)

    def _hop(self, hop: Hop, request: MixedRequest) -> None:
        for branch in hop.branches:
            cluster = next((step.text for step in branch.steps if step.kind == "cluster"), None)
            if cluster is None:
                continue
            if branch.hop is not None:
                for name in self._with_replicas(branch.hop.proxy):
                    self._proxy(name)
                    self._connect(hop, cluster, request, ("gateway", name, branch.hop.request.port))
                self._hop(branch.hop, request)
            elif branch.outcome is not None:
                for node, port in self._nodes(hop.proxy, cluster):
                    self._connect(hop, cluster, request, ("node", node, port))

    def _connect(
        self,
        hop: Hop,
        cluster: str,
        request: MixedRequest,
        end: tuple[WayRole, str, int],
    ) -> None:
        role, target, port = end
        found = self.explainer.proxies.get(hop.proxy).clusters
        written = found.find(cluster)
        tls = found.tls(written) if written is not None else None
        mine, theirs = "", ""
        kind: LinkTls = "none"
        if tls is not None:
            is_asked = role != "node" or self.prepared.node_tls(target) == "mutual"
            kind = "mutual" if tls.certificate and is_asked else "simple"
            theirs = self._served_by(target, role)
            if kind == "mutual":
                mine = _name_in(self._own_file(hop.proxy, tls.certificate))
        elif request.tls is not None:
            kind = "client"
            theirs = self._served_by(target, role) if role == "node" else ""
        for source in self._with_replicas(hop.proxy):
            self._link(
                WayLink(
                    source=source,
                    source_role="gateway" if self._is_gateway(source) else "sidecar",
                    target=target,
                    target_role=role,
                    port=port,
                    carries="http" if request.is_http else "bytes",
                    tls=kind,
                    shown_by_source=mine,
                    shown_by_target=theirs,
                )
            )

    def _own_file(self, proxy: str, written: str) -> Path:
        """What a proxy finds under the name of a certificate in the Istio resources."""
        if written == STAND_INS.workload_certificate:
            return self.material.live / certificate_file(proxy)
        return self.prepared.files(proxy, self.material).get(written, Path(written))

    def _served_by(self, target: str, role: WayRole) -> str:
        """The name in the certificate of who is connected to; empty: unknown."""
        if role == "node":
            chosen = self.prepared.loaded.scenario.nodes[target].set
            return _name_in(self.material.of_node(target, chosen) / "server.crt")
        return _name_in(self.material.live / certificate_file(target))

    def _nodes(self, proxy: str, cluster: str) -> Iterator[tuple[str, int]]:
        """Nodes behind a cluster, each with the port that it is called on."""
        clusters = self.explainer.proxies.get(proxy).clusters
        found = clusters.find(cluster)
        ends = {
            same_endpoint((host.strip("[]"), int(port or 0)))
            for end in (clusters.endpoints(found) if found is not None else ())
            for host, _, port in [end.address.rpartition(":")]
        }
        for name, node in self.prepared.loaded.scenario.nodes.items():
            for host, port in node.plays:
                if same_endpoint((host, port)) in ends:
                    self._part("node", name, f"{host}:{port}")
                    yield name, port

    def _with_replicas(self, name: str) -> tuple[str, ...]:
        return self.prepared.loaded.scenario.inventory.replicas_of(name)

    def _is_gateway(self, name: str) -> bool:
        return self.prepared.loaded.scenario.inventory.proxies[name].role == "gateway"

    def _proxy(self, name: str) -> None:
        proxy = self.prepared.loaded.scenario.inventory.proxies[name]
        role: WayRole = "gateway" if proxy.role == "gateway" else "sidecar"
        self._part(role, name, proxy.ip, proxy.replica_of)

    def _part(self, role: WayRole, name: str, address: str, replica_of: str | None = None) -> None:
        part = WayPart(name=name, role=role, address=address, replica_of=replica_of)
        self.parts.setdefault((role, name), part)

    def _link(self, link: WayLink) -> None:
        key = (
            link.source_role,
            link.source,
            link.target_role,
            link.target,
            link.port,
            link.carries,
            link.tls,
        )
        self.links.setdefault(key, link)


def _name_in(file: Path) -> str:
    """The SPIFFE identity in a certificate, else its subject; empty: there is no such file, or neither."""
    with contextlib.suppress(FileNotFoundError):
        found = x509.load_pem_x509_certificates(file.read_bytes())[0]
        with contextlib.suppress(x509.ExtensionNotFound):
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
                return uri
        return found.subject.rfc4514_string()
    return ""
