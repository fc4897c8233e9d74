"""How long ``check`` and ``explain`` take on many hosts, each with a rule, a subset and TLS.

CPU seconds are reported beside those by the clock: a busy machine stretches only the latter.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.commands.check import check
from bench.explain.explain import explain
from bench.explain.request import parse_request
from bench.scenario.read import read_folder

_T = TypeVar("_T")
_INVENTORY = """
proxies:
  client: {role: sidecar, ip: 10.1.0.5}
  egress: {role: gateway, ip: 10.1.0.9, labels: {istio: egress}}
"""
_HOST = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: hNUMBER}
spec:
  hosts: [hNUMBER.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1, labels: {v: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hNUMBER}
spec:
  hosts: [hNUMBER.test]
  http: [{route: [{destination: {host: hNUMBER.test, subset: v1, port: {number: 80}}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hNUMBER}
spec:
  host: hNUMBER.test
  subsets: [{name: v1, labels: {v: v1}}]
  trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /ca.crt}}
"""


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    hosts = parser.parse_args().hosts
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in.yaml").write_text("---\n".join(_HOST.replace("NUMBER", str(n)) for n in range(hosts)))
        (root / "inventory.yaml").write_text(_INVENTORY)
        print(f"{hosts} hosts         CPU: ours   Envoy   by the clock")
        inspected = _timed("load", lambda: read_folder(root))
        report = _timed("check", lambda: check(inspected))
        inventory = inspected.inventory
        assert inventory is not None
        request = parse_request(f"http://h{hosts // 2}.test/")
        _timed(
            "explain",
            lambda: explain(inspected.registry(), inspected.survey.resources, request, "client"),
        )
        print("\n".join([report.summary(), *report.notes]))


def _timed(name: str, work: Callable[[], _T]) -> _T:
    own, envoy, clock = time.process_time(), _children_s(), time.monotonic()
    done = work()
    print(
        f"{name:<16} {time.process_time() - own:10.2f} s {_children_s() - envoy:5.2f} s "
        f"{time.monotonic() - clock:12.2f} s"
    )
    return done


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
