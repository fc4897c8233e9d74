"""The stack as Compose services: sidecar and client share a pod's network, nodes lie behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from bench.errors import StackError
from bench.placement import Address, ConfigFile
from bench.stack import nodes, proxies
from bench.stack.compose.client import ContainerClient
from bench.stack.compose.command import Compose, find_compose, find_docker
from bench.stack.compose.containers import Container, end_in_order
from bench.stack.compose.folders import proxy_account
from bench.stack.compose.layout import node_address
from bench.stack.compose.project import Project
from bench.stack.compose.services import named_by_dns, redirects
from bench.stack.compose.writing import seen_from_outside
from bench.stack.engine import connect
from bench.stack.images import ImageSet, supply_all
from bench.stack.placing import match_listeners, proxies_in_order
from bench.stack.processes import stop_all
from bench.stack.protocol import ClientPlace, Component, NodeSpec, ProxySpec, StackSpec
from bench.stack.runs import RunFolder, end_processes, write_components
from bench.stack.supervised import SupervisedStack
from bench.stack.watches import require_container_watches, watches_of

_POLL_S = 0.02
_OUTBOUND = "virtualOutbound"
_ANY = "0.0.0.0"  # noqa: S104 - compared only


@dataclass(frozen=True, slots=True)
class _Programs:
    """What containers are started with."""

    compose: Compose
    docker: str
    engine: DockerClient


class ComposeStack(SupervisedStack):
    """Sidecar, gateway, nodes and client as containers of one Compose project.

    Each part has an address of its own, so the ports are those of the Istio resources, unless ``spec.ports``
    says otherwise. Whatever ends this process, a guard process removes all containers and networks of the
    run and deletes its folder.
    """

    def __init__(
        self,
        spec: StackSpec,
        *,
        images: ImageSet | None = None,
        project: str | None = None,
        start_timeout_s: float = 30.0,
        stop_grace_s: int = 3,
        parent: Path | None = None,
    ) -> None:
        """Prepare; nothing starts yet.

        Args:
            spec: what to start.
            images: default: those that ``supply_all`` finds.
            project: Compose project; default: a new name.
            start_timeout_s: for each part, until it must answer.
            stop_grace_s: for all parts together, before they are killed.
            parent: where the run folder is made; default: the system's folder for temporary files.
        """
        super().__init__(spec, start_timeout_s=start_timeout_s, poll_s=_POLL_S, parent=parent)
        self._images = images
        self._project_wish = project
        self._stop_grace_s = stop_grace_s
        self._programs: _Programs | None = None
        self._project: Project | None = None
        self._containers: dict[str, Container] = {}
        self._beside: list[Container] = []
        self._clients: dict[str, ContainerClient] = {}

    @property
    def project(self) -> Project:
        """The Compose project."""
        if self._project is None:
            raise StackError(f"stack {self.spec.name} is not running.")
        return self._project

    def container(self, name: str) -> Container:
        """The container of one part."""
        self.component(name)
        return self._containers[name]

    def hosts(self, name: str) -> Mapping[str, str]:
        """Network -> a part's address there."""
        self.component(name)
        return self.project.layout.hosts[name]

    def await_again(self, name: str) -> None:
        """Wait until a part that was started again answers; raises ``StackError`` as ``start``."""
        container = self.container(name)
        self._excused.discard(name)
        container.follow()
        with self.named():
            for node in self.spec.nodes:
                if node.name == name:
                    self._await_node(node)
            for proxy in self.spec.proxies:
                if proxy.name == name:
                    self._await_proxy(proxy)
        # It is another process now.
        write_components(self._running_folder(), self.components())

    def _check_parts(self) -> None:
        if not self._containers:
            return
        alive = self.project.alive()
        for container in list(self._containers.values()):
            if container.id not in alive and container.name not in self._excused:
                container.catch_up()
                raise self._why_dead(container)
        for container in list(self._beside):
            if container.id not in alive:
                raise container.died()
        for node in self.spec.nodes:
            # Before it is ready, too: nginx replaces a worker that ends, over and over.
            if crash := nodes.crash_in(self.project.folders.node(node.name).log):
                raise self._containers[node.name].crashed(crash)
        self._check_control_plane()

    def write_config(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a running proxy, each by rename, in the order given."""
        if self.component(proxy).kind != "envoy":
            raise StackError(f"{proxy} is a node: only a proxy's files can be replaced.")
        folder = self.project.folders.proxy(proxy).proxy
        proxies.write_files(folder, proxy, files, owner=proxy_account().own)
        if self._control is not None:
            self._control.publish(proxy, folder.config_root, files)

    def own_files(self) -> Sequence[Path]:
        """The Compose file."""
        return (self.project.folders.compose_file,)

    def containers(self) -> Sequence[int] | None:
        """First processes of all that run; None if the engine's processes cannot be seen from here."""
        project, folder = self.project, self.folder
        pids = [Container("", each, folder, project.engine).visible_pid() for each in sorted(project.alive())]
        return None if None in pids else [pid for pid in pids if pid is not None]

    def client(self, proxy: str) -> ClientPlace | None:
        """The container beside a sidecar."""
        self.component(proxy)
        if proxy not in self._clients:
            raise StackError(f"{proxy} is not a sidecar: no client is beside it.")
        return self._clients[proxy]

    def _find_programs(self) -> None:
        # Containers share the kernel's count for their user, whose other processes cannot be seen from here.
        require_container_watches(watches_of(self.spec))
        self._programs = _Programs(find_compose(), find_docker(), connect())
        if self._images is None:
            needs_tools = any(redirects(proxy) for proxy in self.spec.proxies)
            needs_scripts = any(node.behaviour.delays for node in self.spec.nodes)
            self._images = supply_all(
                self._programs.engine, with_tools=needs_tools, with_scripts=needs_scripts
            )

    def _start_parts(self) -> None:
        assert self._programs is not None  # noqa: S101 - found before
        assert self._images is not None  # noqa: S101 - the same
        folder = self._running_folder()
        name = self._project_wish or folder.path.name
        self._project = Project(name, folder, self._programs.engine, self._programs.compose)
        self._start_control_plane()
        self._start_containers(self._project, self._images, self._programs.docker)

    def _end_parts(self, folder: RunFolder, *, is_interrupted: bool) -> None:
        if self._control is not None:
            self._control.close()
            stop_all([self._control.process], grace_s=self._stop_grace_s)
        if self._project is None:
            return
        if is_interrupted:
            # A Compose that is cut short would go on asking for containers.
            end_processes(folder)
        else:
            end_in_order(self._last_first(), grace_s=self._stop_grace_s)
        self._project.sweep()
        for container in self._containers.values():
            container.catch_up()

    def _last_first(self) -> Iterator[Sequence[Container]]:
        """The containers in the order in which they end: clients, sidecars, gateways, nodes."""
        yield self._beside
        for role in ("sidecar", "egress"):
            yield [self._containers[proxy.name] for proxy in self.spec.proxies if proxy.role == role]
        yield [self._containers[node.name] for node in self.spec.nodes]

    def _forget(self) -> None:
        super()._forget()
        self._containers.clear()
        self._beside.clear()
        self._clients.clear()
        self._project = None
        if self._programs is not None:
            self._programs.engine.close()
            self._programs = None

    def _start_containers(self, project: Project, images: ImageSet, docker: str) -> None:
        self._placements = project.up(self.spec, images)
        if self._control is not None:
            for proxy in self.spec.proxies:
                # Nothing was served so far: a proxy waits for its first answer as long as it takes.
                root = project.folders.proxy(proxy.name).proxy.config_root
                self._control.publish_all(proxy.name, root)
        folders, listed = project.folders, project.containers()
        names = [node.name for node in self.spec.nodes]
        for name in names + [proxy.name for proxy in proxies_in_order(self.spec)]:
            limits = self.spec.resource_limits.get(name)
            container = Container(
                name,
                listed[project.layout.services[name]][0],
                folders.proxy(name).proxy.log,
                project.engine,
                limits.memory_bytes if limits is not None else None,
            )
            container.follow()
            self._containers[name] = container
        for sidecar, pod in project.layout.pods.items():
            client, workers = listed[pod.client][0], listed.get(pod.worker, ())
            self._clients[sidecar] = ContainerClient(docker, client, workers, folders.files)
            names = [f"the client beside {sidecar}", *(f"a load worker beside {sidecar}" for _ in workers)]
            self._beside += [
                Container(each, id_, folders.path, project.engine)
                for each, id_ in zip(names, (client, *workers), strict=True)
            ]
        for node in self.spec.nodes:
            self._await_node(node)
        for proxy in proxies_in_order(self.spec):
            self._await_proxy(proxy)
            beside = project.layout.pods.get(proxy.name)
            services = {"redirection": project.layout.redirects[proxy.name]}
            services |= {"routes": beside.route} if beside is not None else {}
            for what, service in services.items():
                for id_ in listed.get(service, ()):
                    name = f"the {what} of {proxy.name}"
                    Container(name, id_, folders.path, project.engine).await_success(self._start_timeout_s)

    def _await_node(self, node: NodeSpec) -> None:
        folders = self.project.folders
        address = node_address(self.spec, self.project.layout, node)
        self._wait(self._containers[node.name], lambda: nodes.answers(address, node.tls, 0.5, node.behaviour))
        self._components[node.name] = Component(
            name=node.name,
            kind="nginx",
            role="node",
            pid=self._containers[node.name].visible_pid(),
            addresses=dict.fromkeys(node.every, address),
            admin_url=None,
            log=folders.node(node.name).log,
            access_log=folders.node(node.name).access_log,
            tls=node.tls,
            protocol=node.behaviour.protocol,
            config=folders.node(node.name).config,
            container=self._containers[node.name].id,
        )

    def _await_proxy(self, proxy: ProxySpec) -> None:
        folder = self.project.folders.proxy(proxy.name)
        container = self._containers[proxy.name]
        self._wait(container, lambda: proxies.is_live(folder.socket))
        if refused := proxies.refusals(folder.socket):
            container.catch_up()
            raise proxies.refusal_error(container, proxy, refused)
        found = proxies.listener_addresses(folder.socket)
        if proxy.intercepts:
            # The one listener that Istio does not name after its address.
            found = {name.replace(_OUTBOUND, f"{at[0]}_{at[1]}"): at for name, at in found.items()}
        real = match_listeners(proxy, found)
        if real is None:
            container.catch_up()
            raise proxies.missing_listener_error(container, proxy, found)
        self._components[proxy.name] = Component(
            name=proxy.name,
            replica_of=proxy.replica_of,
            kind="envoy",
            role=proxy.role,
            pid=container.visible_pid(),
            addresses=self._reached(proxy, real),
            admin_url=f"unix://{folder.socket}",
            log=folder.proxy.log,
            access_log=folder.proxy.log_root / proxies.ACCESS_LOG,
            config=folder.proxy.config_root,
            container=container.id,
            is_redirected=proxy.intercepts,
        )

    def _reached(self, proxy: ProxySpec, real: Mapping[Address, Address]) -> dict[Address, Address]:
        """Where the client's connections go: with redirection, to any address but its own pod's."""
        layout = self.project.layout
        if not proxy.intercepts:
            return seen_from_outside(layout, proxy.name, real)
        named = self._named_by_dns()
        return {(ip, port): (named if ip == _ANY else ip, port) for ip, port in proxy.listeners}

    def _named_by_dns(self) -> str:
        """The address under which the mesh's DNS knows the names that a client calls."""
        return self.project.layout.address(named_by_dns(self.spec))

    def _why_dead(self, container: Container) -> StackError:
        """Two cases: a part that never got ready was refused by its program, a later death is a death."""
        for proxy in self.spec.proxies:
            is_starting = proxy.name == container.name and proxy.name not in self._components
            if is_starting and proxies.reasons_in(container.log):
                return proxies.refusal_error(container, proxy)
        return container.died("" if container.name in self._components else " before it was ready")
