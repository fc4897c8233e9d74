"""CPU seconds to load ServiceEntries, each with a DestinationRule of two subsets, by their parts.

python -m tests.benchmarks.istio_load [COUNT ...]      default: 1000 2500 5000
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from bench.istio.collect import Collector
from bench.istio.documents import read_documents
from bench.istio.load import load_text
from bench.istio.validation.resource import inspect

PAIR = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: entry-{n}, namespace: shop}}
spec:
  hosts: [service-{n}.shop.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - number: 443
    name: tls
    protocol: TLS
    targetPort: 8443
  endpoints:
  - address: 10.0.{high}.{low}
    labels: {{version: v1}}
  - address: 10.1.{high}.{low}
    labels: {{version: v2}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: rule-{n}, namespace: shop}}
spec:
  host: service-{n}.shop.example
  trafficPolicy:
    tls:
      mode: MUTUAL
      clientCertificate: /etc/client/tls.crt
      privateKey: /etc/client/tls.key
      caCertificates: /etc/client/ca.crt
    connectionPool:
      tcp:
        connectTimeout: 1s
  subsets:
  - name: v1
    labels:
      version: v1
  - name: v2
    labels:
      version: v2
"""


def pairs(count: int) -> str:
    """YAML of *count* ServiceEntries with their DestinationRules."""
    return "---\n".join(PAIR.format(n=n, high=n // 250 % 250, low=n % 250 + 1) for n in range(count))


def _cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _collect(documents: list[Any]) -> Collector:
    collector = Collector()
    for document in documents:
        collector.add(document)
    return collector


def main(arguments: list[str]) -> None:
    """Print one line for each count; ``models`` is what of the whole is neither YAML nor rules."""
    load_text(pairs(3), "warm-up")
    print(f"{'pairs':>8}{'YAML':>9}{'models':>9}{'rules':>9}{'all':>9}   CPU seconds")
    for count in [int(argument) for argument in arguments] or [1000, 2500, 5000]:
        text = pairs(count)
        yaml_s, documents = _cpu_seconds(lambda text=text: list(read_documents(text, "f.yaml", print)))
        rest_s, collector = _cpu_seconds(lambda documents=documents: _collect(documents))
        rules_s, _ = _cpu_seconds(lambda found=collector.resources: [inspect(one) for one in found])
        whole = yaml_s + rest_s
        print(f"{count:8}{yaml_s:9.3f}{rest_s - rules_s:9.3f}{rules_s:9.3f}{whole:9.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
