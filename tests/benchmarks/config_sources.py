"""Start-up, size and changes by config source: ``python -m tests.benchmarks.config_sources``.

    python -m tests.benchmarks.config_sources [--clusters N …] [--endpoints N …] [--sources S …]

One Envoy for each line, fed with that many clusters of that many endpoints each. Ready: from the start of its
process until it serves. Memory: of its process; a cluster: less that of the first line of its source. Then
3,000 clusters by ADS: one endpoint of each changed, and one cluster changed, from the write to the ACK.
Exit code 1 where a promise is missed; this machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint

from bench.errors import StackError
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.placement import ConfigFile, Placement
from bench.stack import ProxySpec, StackSpec
from bench.stack.local import LocalStack
from bench.translate import (
    ADS_FOLDER,
    CONFIG_SOURCES,
    TYPE_URLS,
    ConfigSource,
    ProxyConfig,
    RenderOptions,
    render,
    translate,
    variant,
)

NAME = "client"
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: one}
spec:
  hosts: [one.example.org]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
"""
MANY = 3_000
FIRST_LOAD_S, EACH_S, ONE_S, CONTROL_MB = 5.0, 10.0, 0.3, 300.0


@dataclass(frozen=True)
class Measured:
    """One Envoy."""

    source: ConfigSource
    clusters: int
    endpoints: int
    ready_s: float
    cpu_s: float
    """Of Envoy until then."""
    memory: int
    written: int
    """Bytes of its files, or of what the control plane serves."""
    wire: int | None
    control_memory: int | None
    control_cpu_s: float | None


def grown(source: ConfigSource, clusters: int, endpoints: int) -> ProxyConfig:
    """Many clusters after the image of a translated one."""
    inventory = Inventory.model_validate(
        {"proxies": {NAME: {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"}}}
    )
    config = translate(
        build_registry(load_text(ENTRY, "one.yaml"), inventory),
        NAME,
        config_source="static" if source == "static" else "eds",
    )
    image = next(each for each in config.clusters if "one.example.org" in each.name)
    (old,) = [each for each in config.endpoints if each.cluster_name == image.name] or [image.load_assignment]
    assert old is not None

    def assignment(number: int) -> ClusterLoadAssignment:
        (group,) = old.endpoints
        (entry,) = group.lb_endpoints
        entries = [
            variant(entry, endpoint=Endpoint(address=address(number, each))) for each in range(endpoints)
        ]
        name = f"{image.name}.{number}"
        return ClusterLoadAssignment(cluster_name=name, endpoints=[variant(group, lb_endpoints=entries)])

    def address(number: int, each: int) -> Address:
        ip = f"10.{number >> 8}.{number & 255}.{each + 1}"
        return Address(socket_address=SocketAddress(address=ip, port_value=80))

    made = [assignment(number) for number in range(clusters)]
    if source == "static":
        more = tuple(variant(image, name=each.cluster_name, load_assignment=each) for each in made)
        return replace(config, clusters=(*config.clusters, *more))
    more = tuple(
        variant(
            image,
            name=each.cluster_name,
            eds_cluster_config=variant(image.eds_cluster_config, service_name=each.cluster_name),
        )
        for each in made
    )
    return replace(
        config,
        config_source=source,
        clusters=(*config.clusters, *more),
        endpoints=(*config.endpoints, *made),
    )


def rendered(config: ProxyConfig, placement: Placement) -> Sequence[ConfigFile]:
    # Their addresses lead nowhere, and nothing calls them.
    return render(config, replace(placement, closed_port=None), RenderOptions(node_id=NAME))


def started(config: ProxyConfig, folder: Path) -> LocalStack:
    proxy = ProxySpec(
        name=NAME,
        role="sidecar",
        ip="10.1.0.5",
        listeners=config.listener_addresses,
        render=partial(rendered, config),
        file_watches=config.file_watches,
        is_served=config.is_served,
    )
    return LocalStack(StackSpec("scale", (proxy,), (), folder), start_timeout_s=180)


def weigh(stack: LocalStack, source: ConfigSource, clusters: int, endpoints: int) -> Measured:
    now = datetime.now(UTC).timestamp()
    process = psutil.Process(stack.component(NAME).pid)
    root = stack.component(NAME).config
    assert root is not None
    plane = stack.control_plane()
    events = plane.state().events if plane is not None else ()
    control = psutil.Process(plane.pid) if plane is not None else None
    times = control.cpu_times() if control is not None else None
    return Measured(
        source,
        clusters,
        endpoints,
        ready_s=now - process.create_time(),
        cpu_s=sum(process.cpu_times()[:2]),
        memory=process.memory_info().rss,
        written=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        wire=sum(each["wire_bytes"] for each in events) if plane is not None else None,
        control_memory=control.memory_info().rss if control is not None else None,
        control_cpu_s=times.user + times.system if times is not None else None,
    )


def sizes(arguments: argparse.Namespace, folder: Path) -> Iterator[Measured]:
    print(
        f"{'source':<10}{'clusters':>9}{'endpoints':>10}{'ready':>9}{'its CPU':>9}"
        f"{'memory':>10}{'a cluster':>11}{'files':>11}{'wire':>10}{'control plane':>22}"
    )
    for source in arguments.sources:
        first: Measured | None = None
        for endpoints in arguments.endpoints:
            for clusters in arguments.clusters:
                config = grown(source, clusters, endpoints)
                try:
                    with started(config, folder) as stack:
                        found = weigh(stack, source, clusters, endpoints)
                except StackError as error:
                    print(f"{source:<10}{clusters:>9,}{endpoints:>10}  {error}  {error.remedy or ''}")
                    continue
                first = first or found
                print(line(found, first), flush=True)
                yield found


def line(found: Measured, first: Measured) -> str:
    each = (found.memory - first.memory) / max(1, found.clusters - first.clusters)
    control = (
        f"{found.control_memory / 1e6:,.0f} MB, {found.control_cpu_s:.2f} s CPU"
        if found.control_memory is not None and found.control_cpu_s is not None
        else "none"
    )
    wire = f"{found.wire / 1e3:,.0f} kB" if found.wire is not None else "–"
    per = f"{each / 1e3:,.1f} kB" if found is not first else "–"
    return (
        f"{found.source:<10}{found.clusters:>9,}{found.endpoints:>10}{found.ready_s:>7.2f} s"
        f"{found.cpu_s:>7.2f} s{found.memory / 1e6:>7,.0f} MB{per:>11}"
        f"{found.written / 1e3:>8,.0f} kB{wire:>10}{control:>22}"
    )


def acked(stack: LocalStack, kind: str, write: Callable[[], None]) -> float:
    """Seconds from the write until the proxy has acknowledged the last response of a kind."""
    plane = stack.control_plane()
    assert plane is not None
    known = plane.state().events[-1]["number"]
    began = time.monotonic()
    write()
    while time.monotonic() < began + 120:
        answers = [each for each in plane.state(known).events if each["type_url"] == TYPE_URLS[kind]]
        sent = [each["nonce"] for each in answers if each["what"] == "send"]
        taken = [each for each in answers if each["what"] == "ack" and sent and each["nonce"] == sent[-1]]
        if taken:
            return taken[-1]["at"] - began
        time.sleep(0.005)
    raise SystemExit(f"no ACK for {kind}")


def many(source: ConfigSource, clusters: int, folder: Path) -> bool:
    """Changes among thousands; whether every promise is kept."""
    config = grown(source, clusters, 1)
    with started(config, folder) as stack:
        begun = weigh(stack, source, clusters, 1)
        placement = stack.placement(NAME)

        def write(changed: ProxyConfig, kind: str) -> Callable[[], None]:
            path = f"{ADS_FOLDER}/{kind}.json"
            files = [file for file in rendered(changed, placement) if file.path == path]
            return lambda: stack.write_config(NAME, files)

        other = grown(source, clusters, 2)
        each_s = acked(stack, "endpoints", write(replace(config, endpoints=other.endpoints), "endpoints"))
        *rest, last = config.clusters
        slower = variant(last, connect_timeout=(last.connect_timeout or 0) * 2)
        one_s = acked(stack, "clusters", write(replace(config, clusters=(*rest, slower)), "clusters"))
        end = weigh(stack, source, clusters, 1)
    control_mb = (end.control_memory or 0) / 1e6
    promises = [
        ("first load, from the start of Envoy", begun.ready_s, FIRST_LOAD_S, "s"),
        ("of it Envoy's own CPU", begun.cpu_s, FIRST_LOAD_S, "s"),
        ("one endpoint of each changed, write to ACK", each_s, EACH_S, "s"),
        (
            "one cluster changed, write to ACK",
            one_s,
            ONE_S if source == "ads-delta" else EACH_S,
            "s",
        ),
        ("memory of the control plane", control_mb, CONTROL_MB, "MB"),
    ]
    print(f"\n{clusters:,} clusters by {source}")
    for name, took, most, unit in promises:
        print(f"  {name:<46}{took:>9.2f} {unit:<3} of {most:g} {unit}{'  MISSED' * (took > most)}")
    return all(took <= most for _, took, most, _ in promises)


def main() -> int:
    """Print both tables; 1 where a promise is missed."""
    parser = argparse.ArgumentParser(description="start-up, size and changes by config source")
    parser.add_argument("--clusters", nargs="*", type=int, default=[1, 10, 100, 1_000, 3_000])
    parser.add_argument("--endpoints", nargs="*", type=int, default=[1, 10, 100])
    parser.add_argument("--sources", nargs="*", default=list(CONFIG_SOURCES), choices=CONFIG_SOURCES)
    parser.add_argument("--many", type=int, default=MANY, help="clusters of the changes among thousands")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for _ in sizes(arguments, Path(folder)):
            pass
        served: list[ConfigSource] = [each for each in ("ads", "ads-delta") if each in arguments.sources]
        kept = [many(source, arguments.many, Path(folder)) for source in served if arguments.many]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
