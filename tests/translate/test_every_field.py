"""No field is dropped in silence: it is read, refused, warned of, or listed here with a reason."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from bench.errors import UnsupportedError
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.models import (
    destination_rule,
    gateway,
    kubernetes,
    service_entry,
    virtual_service,
    workload_entry,
)
from bench.istio.models.fields import LenientModel, StrictModel
from bench.istio.registry import build_registry
from bench.istio.resource import Resources
from bench.translate import TlsMaterial, translate
from tests.translate.conftest import registry_of

MODELS = (destination_rule, gateway, kubernetes, service_entry, virtual_service, workload_entry)
GOLDEN = Path(__file__).parent.parent / "golden" / "translate"
MATERIAL = TlsMaterial("/w/cert.pem", "/w/key.pem", "/w/root.pem")

NOT_READ = {
    "destination_rule.ZoneAwareLbSetting": "refused as a whole",
    "gateway.Port.target_port": "validation demands 0",
    "gateway.TLSCertificate.ca_certificates": "Istio takes the trust bundle from the server's caCertificates",
    "kubernetes.Service.publish_not_ready_addresses": "is in the EndpointSlice, as conditions",
    "kubernetes.EndpointPort.app_protocol": "Istio takes the Service's",
    "kubernetes.ObjectReference": "the Pod of an endpoint is found by its address",
    "kubernetes.Endpoint.hostname": "names a Pod in DNS, no endpoint of a proxy",
    "kubernetes.Endpoint.node_name": "there are no nodes",
    "kubernetes.Endpoint.zone": "Istio takes the locality of the Pod",
    "kubernetes.Endpoint.target_ref": "the Pod of an endpoint is found by its address",
    "kubernetes.ContainerPort.protocol": "Istio takes the Service's",
    "kubernetes.Container.name": "means nothing to a Service",
    "kubernetes.Deployment": "says which proxies there are, where there is no written inventory",
    "kubernetes.PodTemplate": "as Deployment",
    "kubernetes.TemplateMetadata": "as Deployment",
    "kubernetes.PodSpec.init_containers": "as Deployment: a sidecar may be one",
    "kubernetes.PodSpec.node_name": "there are no nodes",
    "kubernetes.PodStatus.phase": "a Pod with an address counts",
    "kubernetes.Secret": "only the analyzer asks for them; credentialName is refused",
    "kubernetes.LabelSelector": "of RequestAuthentication",
    "kubernetes.RequestAuthentication": "only the analyzer asks for them; JWT claims are refused",
    "virtual_service.Delay.exponential_delay": "refused: validation or translation demands fixedDelay",
    "virtual_service.Abort.http2_error": "refused: translation demands httpStatus or grpcStatus",
}
"""Model or field -> why the translation need not read it."""

MORE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pay}
spec:
  host: pay.example.org
  workloadSelector: {matchLabels: {app: client}}
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 1, splitExternalLocalOriginErrors: true, consecutiveErrors: 2,
      consecutiveLocalOriginFailures: 3}
    retryBudget: {percent: 20, minRetryConcurrency: 3}
    tunnel: {protocol: CONNECT, targetHost: far.example.org, targetPort: 443}
    connectionPool:
      tcp: {idleTimeout: 9s, tcpKeepalive: {probes: 3, time: 60s, interval: 10s}}
      http: {http2KeepAlive: {interval: 30s, timeout: 5s}}
    loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s, minimumPercent: 5, aggression: 2}}
  subsets:
  - name: cookie
    labels: {version: a}
    trafficPolicy:
      loadBalancer:
        consistentHash:
          httpCookie: {name: user, path: /, ttl: 60s, attributes: [{name: SameSite, value: Lax}]}
          ringHash: {minimumRingSize: 2048}
  - name: query
    trafficPolicy:
      loadBalancer: {consistentHash: {httpQueryParameterName: user, maglev: {tableSize: 101}}}
  - name: source
    trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}
  - name: spread
    trafficPolicy:
      loadBalancer: {localityLbSetting: {distribute: [{from: eu/*, to: {eu/*: 100}}]}}
  - name: fail
    trafficPolicy:
      outlierDetection: {consecutive5xxErrors: 1}
      loadBalancer: {warmupDurationSecs: 3s, localityLbSetting: {failover: [{from: eu, to: us}]}}
  - name: labels
    trafficPolicy:
      outlierDetection: {consecutive5xxErrors: 1}
      loadBalancer: {localityLbSetting: {enabled: true, failoverPriority: [app]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: pay}
spec:
  hosts: [pay.example.org]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP},
    {number: 91, name: grpc, protocol: GRPC}]
  resolution: STATIC
  workloadSelector: {labels: {app: pay}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: pay}
spec: {address: 192.0.2.7, labels: {app: pay}, ports: {http: 8080}, weight: 2, network: net, locality: us/a,
  serviceAccount: pay}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pay}
spec:
  hosts: [pay.example.org]
  http:
  - match: [{uri: {prefix: /far}}]
    delegate: {name: far, namespace: default}
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new}
    fault: {delay: {percent: 10, fixedDelay: 1s}}
    mirror: {host: pay.example.org}
    mirrorPercent: 10
    corsPolicy: {allowOrigin: [a.example.org]}
    route: [{destination: {host: pay.example.org, subset: cookie}}]
  - mirrors: [{destination: {host: pay.example.org}, percentage: {value: 5}}]
    route: [{destination: {host: pay.example.org, subset: query}}]
  tcp:
  - match: [{port: 90, sourceSubnet: 10.0.0.0/8}]
    route: [{destination: {host: pay.example.org, subset: source}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: far}
spec:
  http:
  - route: [{destination: {host: pay.example.org}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {app: egress}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [pay.example.org]
    tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: /a.crt, privateKey: /a.key},
      {serverCertificate: /b.crt, privateKey: /b.key}]}
---
apiVersion: v1
kind: Service
metadata: {name: plain}
spec: {selector: {app: plain}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, labels: {app: plain}}
spec: {serviceAccountName: plain, containers: [{name: a, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: 10.1.0.20}
---
apiVersion: v1
kind: Service
metadata: {name: sliced}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sliced-1, labels: {kubernetes.io/service-name: sliced}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.21], conditions: {ready: true}}]
ports: [{name: http, port: 8080, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {type: ExternalName, externalName: pay.example.org, ports: [{name: http, port: 80}]}
"""
"""What the recorded translations do not write."""


def surroundings(semantics: str) -> Inventory:
    proxies = {
        "client": {"role": "sidecar", "ip": "10.1.0.5", "labels": {"app": "client"}, "locality": "eu/a"},
        "egress": {"role": "gateway", "ip": "10.1.0.9", "labels": {"app": "egress"}},
    }
    return Inventory.model_validate({"semantics": semantics, "proxies": proxies})


def corpus() -> list[tuple[Inventory, Resources]]:
    found = [
        (
            Inventory.model_validate(yaml.safe_load((case / "inventory.yaml").read_text())),
            load_text((case / "input.yaml").read_text(), "input.yaml"),
        )
        for case in sorted(GOLDEN.iterdir())
    ]
    text = load_text(MORE, "more.yaml")
    return [*found, (surroundings("current"), text), (surroundings("istio-1.0"), text)]


def models_in(module: ModuleType) -> dict[str, type[BaseModel]]:
    short = module.__name__.rpartition(".")[2]
    return {
        f"{short}.{name}": each
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
    }


def test_every_field_is_read_or_listed_with_a_reason(monkeypatch):
    """A new field of a model fails here until it is translated or somebody says why not."""
    written = corpus()
    read: set[tuple[type, str]] = set()

    def spy(self: BaseModel, name: str) -> Any:
        read.add((type(self), name))
        return object.__getattribute__(self, name)

    with monkeypatch.context() as patch:
        for base in (StrictModel, LenientModel):
            patch.setattr(base, "__getattribute__", spy, raising=False)
        for inventory, resources in written:
            registry = build_registry(resources, inventory)
            for proxy in inventory.proxies:
                translate(registry, proxy, config_source="static", tls_material=MATERIAL)

    unread = {
        f"{model}.{field}"
        for module in MODELS
        for model, each in models_in(module).items()
        for field in each.model_fields
        if (each, field) not in read
    }
    listed = {field for field in unread if field in NOT_READ or field.rpartition(".")[0] in NOT_READ}
    assert unread - listed == set()
    named = {field for field in listed if field in NOT_READ} | {field.rpartition(".")[0] for field in listed}
    assert set(NOT_READ) - named == set(), "listed, and read all the same"


INEFFECTIVE = {
    "sessionAffinity": (
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  sessionAffinity: ClientIP\n"
            "  ports: [{name: http, port: 80}]"
        ),
        5,
    ),
    "internalTrafficPolicy": (
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  internalTrafficPolicy: Local\n"
            "  ports: [{name: http, port: 80}]"
        ),
        5,
    ),
    "externalIPs": (
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  externalIPs: [192.0.2.1]\n"
            "  ports: [{name: http, port: 80}]"
        ),
        5,
    ),
    "clusterIPs": (
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  clusterIPs: [10.9.0.1, 'fd00::1']\n"
            "  ports: [{name: http, port: 80}]"
        ),
        5,
    ),
    "EndpointSlice of names": (
        (
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: FQDN\n"
            "endpoints: [{addresses: [a.example.org]}]\nports: [{name: http, port: 80}]"
        ),
        4,
    ),
    "several addresses": (
        (
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec:\n"
            "  hosts: [a.example.org]\n  addresses: [10.9.0.1, 10.9.0.2]\n  resolution: STATIC\n"
            "  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints: [{address: 192.0.2.1}]"
        ),
        6,
    ),
    "sourceSubnet": (
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n"
            "  hosts: [a.example.org]\n  tcp:\n  - match:\n    - sourceSubnet: 10.0.0.0/8\n"
            "    route: [{destination: {host: a.example.org}}]"
        ),
        8,
    ),
    "defaultEndpoint": (
        (
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  servers:\n"
            "  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: ['*']\n"
            "    defaultEndpoint: 127.0.0.1:80"
        ),
        8,
    ),
    "is not read here": (
        (
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\n"
            "spec: {egress: [{hosts: ['./*']}]}"
        ),
        2,
    ),
}


@pytest.mark.parametrize("what", INEFFECTIVE)
def test_what_has_no_effect_is_reported_with_its_line(what):
    """Istio accepts it, so it is not an error; no one should rely on it."""
    text, line = INEFFECTIVE[what]
    registry = registry_of(text, surroundings("current").model_dump())
    config = translate(registry, "client", config_source="static")
    reported = [warning for warning in config.warnings if what in warning.what]
    assert [warning.where.line for warning in reported] == [line]


def test_zone_aware_routing_is_refused_with_its_line_and_what_to_write():
    """Envoy would need to know the zones of all clients."""
    text = MORE.replace(
        "simple: ROUND_ROBIN, warmup: {duration: 30s, minimumPercent: 5, aggression: 2}",
        "zoneAwareLbSetting: {enabled: true}",
    )
    registry = build_registry(load_text(text, "more.yaml"), surroundings("current"))
    with pytest.raises(UnsupportedError, match=r"more\.yaml:16: zoneAwareLbSetting .*localityLbSetting"):
        translate(registry, "client", config_source="static")
