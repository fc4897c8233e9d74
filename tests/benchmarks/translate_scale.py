"""How long loading, translating and writing take: ``python -m tests.benchmarks.translate_scale``.

Each ServiceEntry comes with a DestinationRule of two subsets, so that N entries give 3N clusters. Every size
runs in a process of its own, for its peak memory. Limits: 1,000 entries in 5 s and 500 MB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.commands.translation import write_files
from bench.istio.inventory import Inventory
from bench.istio.load import load_folder
from bench.istio.registry import build_registry
from bench.translate import Placement, RenderOptions, render, translate

SIZES = (500, 1_000, 2_000, 3_000, 5_000)
LIMIT_AT = 1_000
LIMIT_S = 5.0
LIMIT_MB = 500.0
PARTS = ("load", "registry", "translate", "render", "write")


def documents(count: int) -> Iterator[str]:
    """Give the YAML of *count* ServiceEntries with their DestinationRules."""
    for index in range(count):
        first = f"10.{index // 62_500}.{index // 250 % 250}.{index % 250}"
        second = f"11.{index // 62_500}.{index // 250 % 250}.{index % 250}"
        yield f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: entry-{index}
spec:
  hosts:
  - host-{index}.example.org
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - number: 443
    name: http-tls
    protocol: HTTP
  endpoints:
  - address: {first}
    labels:
      version: v1
  - address: {second}
    labels:
      version: v2
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: rule-{index}
spec:
  host: host-{index}.example.org
  trafficPolicy:
    tls:
      mode: MUTUAL
      clientCertificate: /etc/certs/tls.crt
      privateKey: /etc/certs/tls.key
      caCertificates: /etc/certs/ca.crt
  subsets:
  - name: v1
    labels:
      version: v1
  - name: v2
    labels:
      version: v2
"""


def measure(count: int) -> dict[str, float]:
    """Do the whole work once; give seconds for each part, megabytes at the peak, and clusters."""
    inventory = Inventory.model_validate(
        {"proxies": {"client": {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"}}}
    )
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch, "istio"), Path(scratch, "envoy")
        source.mkdir()
        (source / "all.yaml").write_text("".join(documents(count)))
        marks = [time.perf_counter()]
        resources = load_folder(source)
        marks.append(time.perf_counter())
        registry = build_registry(resources, inventory)
        marks.append(time.perf_counter())
        config = translate(registry, "client", config_source="eds")
        marks.append(time.perf_counter())
        placement = Placement(config_root=str(target), log_root=str(target))
        files = render(config, placement, RenderOptions(node_id="client"))
        marks.append(time.perf_counter())
        write_files(files, target)
        marks.append(time.perf_counter())
    seconds = [after - before for before, after in pairwise(marks)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        **dict(zip(PARTS, seconds, strict=True)),
        "total": marks[-1] - marks[0],
        "peak_mb": peak,
        "clusters": len(config.clusters),
    }


def main() -> int:
    """Measure every size, print the curve, and hold the limits."""
    table = Table(title="Translation at scale: seconds by part, wall clock", title_justify="left")
    for name in ("entries", "clusters", *PARTS, "total", "µs per cluster", "peak MB"):
        table.add_column(name, justify="right")
    met = True
    for count in SIZES:
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.translate_scale", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        figures = json.loads(done.stdout)
        if count == LIMIT_AT:
            met = figures["total"] <= LIMIT_S and figures["peak_mb"] <= LIMIT_MB
        per_cluster = figures["total"] / figures["clusters"] * 1e6
        table.add_row(
            f"{count:,}",
            f"{figures['clusters']:,.0f}",
            *(f"{figures[part]:.2f}" for part in (*PARTS, "total")),
            f"{per_cluster:.0f}",
            f"{figures['peak_mb']:.0f}",
        )
    console = Console(width=120)
    console.print(table)
    verdict = "met" if met else "missed"
    console.print(f"limit for {LIMIT_AT:,} entries ({LIMIT_S:g} s, {LIMIT_MB:g} MB): {verdict}")
    return 0 if met else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
    else:
        sys.exit(main())
