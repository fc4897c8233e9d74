"""The text of a drafted scenario.yaml, with every assumption as a comment at its place."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bench.draft.nodes import SHARED_NODES, DraftNode, Stage
from bench.draft.targets import Reached, Target
from bench.istio.inventory import Inventory, Proxy, ServiceFact
from bench.scenario.assumed import Assumption

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"})
_WIDTH = 118
_RATE = 200
"""Requests per second of a first run: little enough for any machine."""
_MOST_NAMES = 24
"""A certificate with more costs handshakes more."""
_MOST_UNREACHED = 50
"""This many hosts that nothing reaches are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a draft says."""

    name: str
    inventory: Inventory
    assumptions: tuple[Assumption, ...]
    reached: Reached
    stage: Stage
    files: Mapping[str, str]
    """File that the YAML names -> which of the suite's own it represents."""
    needs_containers: bool


def scenario_text(draft: Contents) -> str:
    """Give the text."""
    parts = [
        _head(draft.name, needs_containers=draft.needs_containers),
        _inventory(draft.inventory, draft.assumptions),
        _nodes(draft.stage),
        _tls(draft.inventory, draft.files),
        _traffic(draft.inventory, draft.reached, draft.stage),
        _LIMITS,
    ]
    return "\n".join("\n".join(lines) for lines in parts if lines) + "\n"


_LIMITS = (
    "limits: # what a run must meet; a missed limit ends with exit code 1",
    "  misrouted: 0 # answers of a node that the Istio YAML does not mean",
    "  failed: 0",
    "  unsent: 0 # what was due and could not be sent",
    "  # Put your own here when you know what is normal on your machine:",
    "  # response_time_p99_ms: 50",
)


def _head(name: str, *, needs_containers: bool) -> list[str]:
    lines = [
        "# Drafted by `egress-bench init` from the Istio YAML in istio/, to be run as it is. What the",
        "# YAML does not say is marked `assumed`; correct what you know better.",
        f"name: {name}",
    ]
    if needs_containers:
        lines += _comment(
            "Run it with --stack docker: connections must be intercepted, as in a pod, so that a proxy knows "
            "which address they are for (resolution NONE, a block of addresses, a headless Service), or "
            "names must be looked up (DYNAMIC_DNS).",
            "",
        )
    return lines


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _of(assumptions: Iterable[Assumption], *path: str | int) -> Iterator[str]:
    for each in assumptions:
        if each.path == path:
            yield f"assumed: {each}"


def _inventory(inventory: Inventory, assumptions: tuple[Assumption, ...]) -> list[str]:
    lines = ["", "inventory:", f"  semantics: {inventory.semantics}"]
    for text in _of(assumptions, "outbound"):
        lines += _comment(text, "  ")
    lines.append(f"  outbound: {inventory.outbound}")
    lines.append("  clusters: reachable # only what requests can reach: less memory, fewer file watches")
    if inventory.root_namespace != "istio-system":
        lines.append(f"  rootNamespace: {_scalar(inventory.root_namespace)}")
    if inventory.domain != "cluster.local":
        lines.append(f"  domain: {_scalar(inventory.domain)}")
    lines.append("  proxies:")
    for name, proxy in inventory.proxies.items():
        for text in _of(assumptions, "proxies", name):
            lines += _comment(text, "    ")
        lines += [f"    {_scalar(name)}:", *_proxy(proxy)]
    if inventory.services:
        lines.append("  services:")
    for index, service in enumerate(inventory.services):
        for text in _of(assumptions, "services", index):
            lines += _comment(text, "  ")
        lines += _service(service)
    return lines


def _proxy(proxy: Proxy) -> Iterator[str]:
    yield f"      role: {proxy.role}"
    yield f"      namespace: {_scalar(proxy.namespace)}"
    if proxy.labels:
        yield f"      labels: {_flow(proxy.labels)}"
    yield f"      ip: {_scalar(proxy.ip)}"
    if proxy.service_account != "default":
        yield f"      serviceAccount: {_scalar(proxy.service_account)}"
    if proxy.locality:
        yield f"      locality: {_scalar(proxy.locality)}"
    if proxy.replica_of is not None:
        yield f"      replicaOf: {_scalar(proxy.replica_of)}"
    if proxy.role == "sidecar" and proxy.interception == "none":
        yield "      interception: none # the client calls its listeners directly"


def _service(service: ServiceFact) -> Iterator[str]:
    yield f"  - name: {_scalar(service.name)}"
    yield f"    namespace: {_scalar(service.namespace)}"
    if service.cluster_ip is not None:
        yield f"    clusterIP: {_scalar(service.cluster_ip)}"
    if service.selector:
        yield f"    selector: {_flow(service.selector)}"
    if service.ports:
        yield "    ports:"
    for port in service.ports:
        target = f", targetPort: {port.target_port}" if port.target_port is not None else ""
        yield f"    - {{name: {_scalar(port.name)}, port: {port.port}{target}}}"


def _nodes(stage: Stage) -> list[str]:
    what = "Servers that stand in for the addresses behind the hosts; each says its own name in its answers."
    lines = ["", *_comment(what, "")]
    if stage.is_shared:
        shared = (
            f"assumed: up to {SHARED_NODES} servers of each kind share the addresses, neighbours apart: a "
            "server for each would be a process for each."
        )
        lines += _comment(shared, "")
    lines.append("nodes:")
    for node in stage.nodes:
        lines.append(f"  {node.name}:")
        if len(node.plays) == 1:
            lines.append(f"    plays: {_quoted(node.plays[0])}")
        else:
            lines.append("    plays:")
            lines += [f"    - {_quoted(each)}" for each in node.plays]
        lines.append(f"    tls: {_quoted(node.tls) if node.tls in _WORDS else node.tls}")
        lines += _certificate(node)
        if node.protocol:
            lines.append(f"    protocol: {node.protocol}")
        if node.answers_any_path:
            lines.append("    size: 1024 # assumed: bytes of an answer, to whatever path")
    return lines


def _certificate(node: DraftNode) -> list[str]:
    """The names of its certificate: what clients ask for or demand."""
    if not node.names:
        return []
    if len(node.names) == 1:
        return [f"    server_names: [{_quoted(next(iter(node.names)))}]"]
    lines = []
    if len(node.names) > _MOST_NAMES:
        many = "assumed: its certificate has all of these names, which makes handshakes more expensive."
        lines += _comment(many, "    ")
    return [*lines, "    server_names:", *(f"    - {_quoted(each)}" for each in node.names)]


def _tls(inventory: Inventory, files: Mapping[str, str]) -> list[str]:
    lines = ["", "tls:", "  key: ecdsa-p256 # quick to make; rsa-2048 and rsa-4096 cost more in handshakes"]
    made = {name: what for name, what in files.items() if not _is_given(name, inventory)}
    if made:
        lines += [
            "  # Files that the YAML names, and what is made for each: assumed to be of one authority.",
            "  files:",
        ]
        lines += [f"    {_scalar(name)}: {what}" for name, what in made.items()]
    if inventory.credentials:
        lines += [
            "  # Kubernetes secrets that the YAML calls by name; all of their content is made.",
            "  credentials:",
        ]
        lines += [f"    {_scalar(name)}: {{}}" for name in inventory.credentials]
    if inventory.workload is not None:
        lines += [
            "  # The mesh's own certificates, one for each proxy, which Istio's agent would bring.",
            "  workload:",
        ]
        lines.append(f"    certificate: {_scalar(inventory.workload.certificate)}")
        lines.append(f"    private_key: {_scalar(inventory.workload.private_key)}")
        lines.append(f"    ca: {_scalar(inventory.workload.ca)}")
    return lines


def _is_given(name: str, inventory: Inventory) -> bool:
    given = {value for each in inventory.credentials.values() for value in each.model_dump().values()}
    if inventory.workload is not None:
        given |= set(inventory.workload.model_dump().values())
    return name in given


def _traffic(inventory: Inventory, reached: Reached, stage: Stage) -> list[str]:
    targets = reached.targets
    clients = list(dict.fromkeys(target.client for target in targets))
    gateway = _gateway(inventory, targets)
    lines = ["", "traffic:"]
    if len(clients) == 1:
        lines.append(f"  client: {_scalar(clients[0])}")
    else:
        lines.append(f"  clients: [{', '.join(map(_scalar, clients))}]")
    if gateway is not None:
        lines.append(f"  gateway: {_scalar(gateway)}")
    lines += _addresses(targets)
    lines += [
        "  # One request for each destination that a client reaches, with the answer that the YAML means.",
        "  requests:",
    ]
    for target in targets:
        lines += _request(target, stage, names_client=len(clients) > 1)
    for count, (host, why) in enumerate(sorted(reached.unreached.items())):
        if count == _MOST_UNREACHED:
            lines.append(f"    # and {len(reached.unreached) - count} more hosts without a request")
            break
        lines += _comment(f"no request to {host}: {why}", "    ")
    lines += [
        f"  schedule: {{kind: constant, arrival_rate: {_RATE}}} # assumed: requests per second, of all kinds",
        *_connections(len(targets), stage),
        "  warm_up_s: 1",
        "  measure_s: 5",
        "  blocks: 1 # of one static and one EDS trial; more make the comparison of the two surer",
        "",
    ]
    return lines


def _addresses(targets: Iterable[Target]) -> Iterator[str]:
    dialled = dict(target.dialled for target in targets if target.dialled[1])
    if not dialled:
        return
    text = (
        "assumed: what a client's DNS answers, which decides where these connections go: an endpoint of the "
        "headless Service, an address within the block of the ServiceEntry or, without one, a made-up one."
    )
    yield from _comment(text, "  ")
    yield "  addresses:"
    for name, address in dialled.items():
        yield f"    {_scalar(name)}: {_quoted(address)}"


def _connections(requests: int, stage: Stage) -> Iterator[str]:
    count = 16 if requests <= 16 else 64
    if stage.most_connections is not None and stage.most_connections < count:
        yield "  # no more than the connectionPool of the rules lets through; more are answered 503 (UO)"
        count = stage.most_connections
    yield f"  connections: {{count: {count}}}"


def _gateway(inventory: Inventory, targets: Iterable[Target]) -> str | None:
    """Give the gateway through which most requests leave; None where none does."""
    used = [
        hop
        for target in targets
        for hop in target.path_of_proxies
        if inventory.proxies[hop].role == "gateway"
    ]
    return max(dict.fromkeys(used), key=used.count, default=None)


def _request(target: Target, stage: Stage, *, names_client: bool) -> list[str]:
    lines = [f"    {target.name}:", f"      url: {_quoted(target.url)}"]
    if names_client:
        lines.append(f"      clients: [{_scalar(target.client)}]")
    if target.method != "GET":
        lines.append(f"      method: {target.method}")
    if target.is_http2:
        lines.append("      protocol: http/2 # the port is declared as one of gRPC")
    if target.headers:
        lines.append(f"      headers: {_flow(dict(target.headers))}")
    if target.scheme == "tcp":
        lines.append('      body: "hello\\n" # assumed: what a client says first')
    shares = stage.answering[target.name]
    # Of HTTPS that proxies pass on, weights divide connections, which are kept.
    is_divided = target.scheme != "https"
    decided = {name: part for name, part in shares.items() if part is not None and is_divided}
    if len(shares) > 1 and len(decided) == len(shares):
        parts = ", ".join(f"{name}: {round(part * 1000) / 10 or 0.1:g}" for name, part in decided.items())
        lines.append(f"      expect: {{shares: {{{parts}}}}} # in percent, as the weights say")
    else:
        lines.append(f"      expect: {{nodes: [{', '.join(shares)}]}}")
    return lines


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _flow(pairs: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_scalar(key)}: {_quoted(value)}" for key, value in pairs.items()) + "}"
