"""Egress of every kind at once, drafted as `egress-bench init` does it."""

from __future__ import annotations

from pathlib import Path

from bench.commands.init import init_scenario
from bench.scenario.load import LoadedScenario, load_scenario

MIXED = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.partner.example]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: https, protocol: HTTP}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: shop}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [api.partner.example, plain.partner.example]}
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: [sni.partner.example], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.partner.example]
  gateways: [mesh, out]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out], port: 80}]
    route: [{destination: {host: api.partner.example, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec:
  host: api.partner.example
  trafficPolicy:
    portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE, caCertificates: /etc/ca.crt}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: plain, namespace: shop}
spec:
  hosts: [plain.partner.example]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: plain, namespace: shop}
spec:
  hosts: [plain.partner.example]
  gateways: [mesh, out]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out], port: 80}]
    route: [{destination: {host: plain.partner.example, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: sni, namespace: shop}
spec:
  hosts: [sni.partner.example]
  location: MESH_EXTERNAL
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: sni, namespace: shop}
spec:
  hosts: [sni.partner.example]
  gateways: [mesh, out]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: [sni.partner.example]}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 443}}}]
  - match: [{gateways: [out], port: 443, sniHosts: [sni.partner.example]}]
    route: [{destination: {host: sni.partner.example, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: shop}
spec:
  hosts: [db.partner.example]
  location: MESH_EXTERNAL
  ports: [{number: 5432, name: tcp, protocol: TCP}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: direct, namespace: shop}
spec:
  hosts: [direct.partner.example]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: direct, namespace: shop}
spec: {host: direct.partner.example, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /etc/ca.crt}}}
"""
"""``api``: TLS from the gateway; ``plain``: none from it; ``sni``: the client's own, passed on there;
``db``: bytes past the gateway; ``direct``: TLS from the sidecar."""


def drafted_mix(folder: Path) -> LoadedScenario:
    """Draft a scenario of ``MIXED`` below *folder*."""
    given = folder / "mixed.yaml"
    given.write_text(MIXED)
    init_scenario(folder / "mixed", [given])
    return load_scenario(folder / "mixed")
