"""What every stack promises, and what it is given.

A stack starts the nodes, then the egress gateway, then the sidecar, each fed with files rendered for the
addresses that the earlier ones really got; and stops everything it started, in reverse, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, runtime_checkable

from bench.errors import Position
from bench.placement import Address, ConfigFile, Placement

Role = Literal["sidecar", "egress"]
NodeTls = Literal["none", "simple", "mutual"]
"""What a node speaks: plain text, TLS, or TLS with a demand for the client's certificate."""


NodeProtocol = Literal["http/1.1", "http/2", "grpc", "bytes"]


@dataclass(frozen=True, slots=True)
class NodeBehaviour:
    """How a node answers; each part of a mixture has a share, and the shares add up to one."""

    protocol: NodeProtocol = "http/1.1"
    greets: bool = False
    """Of ``bytes``: it speaks first."""
    sizes: tuple[tuple[int, float], ...] = ()
    """Bytes of the body and their share; empty: the welcome page."""
    delays: tuple[tuple[float, float], ...] = ()
    """Milliseconds before the answer and their share; empty: none."""
    faults: tuple[tuple[int | None, float], ...] = ()
    """Status and the share of requests that get it; None: the connection is reset."""

    @property
    def is_http2(self) -> bool:
        """Whether it speaks HTTP/2."""
        return self.protocol in ("http/2", "grpc")

    @property
    def is_http(self) -> bool:
        """Whether it speaks HTTP at all."""
        return self.protocol != "bytes"


PLAIN_NODE = NodeBehaviour()


@dataclass(frozen=True, slots=True)
class NodeTlsOptions:
    """How a node speaks TLS, beside whether. The defaults are those of an untuned nginx."""

    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    curves: str | None = None
    """Groups of the key exchange as OpenSSL names them, such as ``X25519:prime256v1``; None: its own."""
    tickets: bool = True
    """Whether clients are given session tickets."""
    ticket_key: str | None = None
    """Name of a file beside the certificates that holds the key of the tickets (80 bytes); nodes with the
    same one resume each other's sessions. None: each start, and each reload, makes a key of its own."""
    session_cache: bool = False
    """Whether sessions are kept at the node, too, and found by their id."""
    verify_depth: int = 10
    """Longest chain of a client's certificate, in authorities."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One server that stands in for endpoints, by default nginx behind mutual TLS."""

    name: str
    plays: Address
    """The endpoint address of the Istio resources that this node stands in for."""
    page: str
    """The word on its welcome page, as in ``<h1>v1!</h1>``."""
    tls: NodeTls = "mutual"
    behaviour: NodeBehaviour = PLAIN_NODE
    also: tuple[Address, ...] = ()
    """Further endpoint addresses, or names that are resolved, that it stands in for."""
    certificates: Path | None = None
    """Folder with its own ``ca.crt``, ``server.crt`` and ``server.key``; None: those of the stack."""
    tls_options: NodeTlsOptions = NodeTlsOptions()

    @property
    def every(self) -> tuple[Address, ...]:
        """All that it stands in for."""
        return (self.plays, *self.also)


def _nowhere(_: str) -> Sequence[Position]:
    return ()


@dataclass(frozen=True, slots=True)
class HotRestart:
    """How an Envoy leaves once its successor has taken its listeners over."""

    drain_s: int = 2
    """Over which more and more of its answers ask clients to close their connections: ``--drain-time-s``."""
    end_s: int = 3
    """After which its successor ends it, whatever is left: ``--parent-shutdown-time-s``."""


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """One Envoy and the way to render its files once its surroundings have addresses."""

    name: str
    role: Role
    ip: str
    """The pod's address in the Istio resources: ``(ip, port)`` of its listeners is an endpoint of others."""
    listeners: tuple[Address, ...]
    """Bind addresses as translated, e.g. ``("0.0.0.0", 80)``."""
    render: Callable[[Placement], Sequence[ConfigFile]]
    """Files in the order in which they are safe to write; contains ``bootstrap.yaml``."""
    concurrency: int = 1
    """Envoy worker threads."""
    intercepts: bool = False
    """Its listeners are found by the address that the client called: something must redirect to it."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Like ``StackSpec.files``, of this proxy alone: its workload's own certificate."""
    replica_of: str | None = None
    """The proxy that this is a further pod of."""
    is_served: bool = False
    """Whether its resources come from the control plane, and from files only its secrets."""
    places: Callable[[str], Sequence[Position]] = _nowhere
    """What in the YAML is behind the resources that a text of Envoy's names, the likelier culprit first."""
    file_watches: int = 0
    """How many inotify instances this Envoy takes to watch its files."""
    leaves_mesh: bool = False
    """Whether it is a sidecar that connects to nodes itself, with no gateway between."""
    asks_dns: bool = False
    """Whether it looks up the names that requests ask for."""
    hot_restart: HotRestart | None = None
    """How it makes way for a successor; None: it has none. Its files are then not to be watched, since it
    goes on while they are replaced."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What one part may use. None: as much as there is."""

    cpus: float | None = None
    """Cores, as a share of time: 0.5 is half a core."""
    memory_bytes: int | None = None
    cpuset: str | None = None
    """Cores by number, as in ``0-1,3``."""


@dataclass(frozen=True, slots=True)
class StackSpec:
    """Everything a stack needs to know before it starts."""

    name: str
    proxies: tuple[ProxySpec, ...]
    nodes: tuple[NodeSpec, ...]
    certificates: Path
    """Folder with ``ca.crt``, ``server.crt``, ``server.key`` (nodes) and what ``files`` names (proxies)."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """File name written in the Istio resources -> the real file on this machine."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Fixed ports. Component name -> port of its first listener; ``NAME:PORT``, with the port as
    translated (a node: as played) -> port of that listener, e.g. ``sleep:80``. Absent: the system chooses."""
    resource_limits: Mapping[str, ResourceLimits] = field(default_factory=dict)
    """Component name, or ``GENERATOR`` -> what it may use. Only containers can be held to it."""
    called: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host name that a client calls -> the virtual addresses for which it is in the mesh."""
    names: tuple[str, ...] = ()
    """Host names that a client calls: where connections are redirected, its DNS must know them."""
    connections: int = 16
    """That the client holds at once; each is an open file of every part of the way."""
    workers: int = 1
    """Load worker processes that the client's place must have room for."""

    def leaves_mesh(self, proxy: str) -> bool:
        """Whether *proxy* is a sidecar whose pod reaches nodes itself."""
        return any(each.leaves_mesh for each in self.proxies if each.name == proxy)


GENERATOR = "generator"
"""The name under which ``StackSpec.resource_limits`` knows the load generator."""


class ClientPlace(Protocol):
    """Where the client of a pod runs when that is not this process's own surroundings."""

    def command(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """The command, to be run here, that runs Python there with *arguments*.

        Its input, output, errors and exit code are those of the Python that it runs.

        Args:
            name: who it is for: ``worker-1`` is the first load worker, which may have a place of its own.
            arguments: Python's.
            environment: variables on top of those that the place has.
        """

    def give(self, file: Path) -> str:
        """Let the client read a copy of *file*; returns its path there."""


@dataclass(frozen=True, slots=True)
class Component:
    """A running part of a stack."""

    name: str
    kind: Literal["envoy", "nginx", "bytes"]
    """The program: Envoy, nginx, or the suite's own server of lines."""
    role: Literal["sidecar", "egress", "node"]
    pid: int | None
    """Process to charge CPU and memory to, children included; None where the engine must be asked."""
    addresses: Mapping[Address, Address]
    """Address as translated (a node: as played) -> the real one that this machine can reach."""
    admin_url: str | None
    """Base URL of Envoy's admin API, e.g. ``http://127.0.0.1:40123``, or ``unix://PATH`` of its socket."""
    log: Path
    """Its output."""
    access_log: Path | None
    tls: NodeTls | None = None
    """What a node speaks; None: this is a proxy."""
    protocol: NodeProtocol | None = None
    """Above TCP and TLS; None: this is a proxy."""
    config: Path | None = None
    """The file or folder of its configuration; holds no keys."""
    container: str | None = None
    """The id under which the Docker engine knows it."""
    replica_of: str | None = None
    """The proxy that this is a further pod of."""
    is_redirected: bool = False
    """Whether it gets what its client sends, whatever address that is sent to."""


def replicas_of(components: Sequence[Component], name: str) -> tuple[Component, ...]:
    """The part of this name and its replicas."""
    return tuple(part for part in components if name in {part.name, part.replica_of})


class ControlPlane(Protocol):
    """Feeds proxies by ADS; see ``bench.stack.control``."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def state(self, since: int = 0) -> ControlState:
        """Who is connected, and what has happened after event *since*.

        Raises:
            StackError: it does not answer.
        """

    def kill(self) -> None:
        """End it as a crash does: the stack does not count it as dead from then on."""

    def start_again(self) -> None:
        """Start it again after its end; raises ``StackError`` as ``Stack.start``."""


@dataclass(frozen=True, slots=True)
class ControlState:
    """What the control plane knows of its proxies."""

    streams: tuple[dict[str, Any], ...]
    """One for each connected proxy: ``stream``, ``proxy``, ``kind`` and its ``node``."""
    events: tuple[dict[str, Any], ...]
    """In their order; see ``bench.stack.control.events.Event``."""


class Stack(Protocol):
    """Sidecar, gateway and nodes, somewhere."""

    @property
    def spec(self) -> StackSpec:
        """What it was asked to start."""

    def start(self) -> None:
        """Start everything and return when each part answers.

        Raises:
            StackError: a part is missing, refused its configuration, died, or did not become ready in time;
                everything started so far is stopped.
        """

    def stop(self) -> None:
        """Stop everything in reverse order. Safe to call twice."""

    def components(self) -> Sequence[Component]:
        """The running parts, in the order in which they were started."""

    def component(self, name: str) -> Component:
        """One part by its name."""

    def check_alive(self) -> None:
        """Raise ``StackError`` with its last output if a part has died."""

    def write_config(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a running proxy, each by rename, in the order given."""

    def placement(self, proxy: str) -> Placement:
        """The placement that the proxy's files were rendered for."""

    def control_plane(self) -> ControlPlane | None:
        """What feeds its proxies; None: files do."""

    def own_files(self) -> Sequence[Path]:
        """Files that describe the stack as a whole, such as its Compose file; no keys."""

    def containers(self) -> Sequence[int] | None:
        """Ids of the first process of each container that it runs, clients and load workers among them.

        Empty where all its processes are this one's children; None where they cannot be seen from here.
        """

    def client(self, proxy: str) -> ClientPlace | None:
        """Where the client beside a sidecar runs; None: here, on this machine's own network."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class HotRestarting(Protocol):
    """What can be done where two Envoys of one proxy find each other: as processes of one machine."""

    def validate(self, proxy: str, files: Sequence[ConfigFile]) -> str | None:
        """Let an Envoy of its own look into files of a proxy, beside the one that serves.

        Returns:
            Why it would not start on them; None: it would.

        Raises:
            StackError: it does not say so in time.
        """

    def restart_hot(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a proxy, start its Envoy's successor on them, and return when that one serves.

        Raises:
            StackError: the proxy was started without ``hot_restart``, its former Envoy has not ended yet, or
                the successor refuses the files: then the Envoy that there was serves on, without an admin
                API, and Envoy lets it have no other successor. So ``validate`` first.
        """

    def is_handing_over(self, proxy: str) -> bool:
        """Whether the Envoy before the present one still runs: it drains."""
