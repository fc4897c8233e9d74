"""The stack as Compose services: sidecar and client share a pod's network, nodes lie behind the gateway."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import StackError
from bench.stack import envoy, nginx
from bench.stack.compose.client import ContainerClient
from bench.stack.compose.command import find_compose, find_docker
from bench.stack.compose.containers import Container
from bench.stack.compose.engine import connect
from bench.stack.compose.folders import proxy_account
from bench.stack.compose.layout import node_address
from bench.stack.compose.project import Project
from bench.stack.compose.writing import seen_from_outside
from bench.stack.guard import Guard
from bench.stack.images.supply import ImageSet, supply_all
from bench.stack.leftovers import end_processes
from bench.stack.parts import write_parts
from bench.stack.placing import match_listeners, proxies_in_order, require_sound
from bench.stack.protocol import ClientPlace, Component, NodeSpec, ProxySpec, StackSpec
from bench.stack.runfolder import RunFolder
from bench.stack.watches import require_watches, watch_limit
from bench.translate.placement import Address, ConfigFile, Placement

POLL_S = 0.02
_OUTBOUND = "virtualOutbound"
_ANY = "0.0.0.0"  # noqa: S104 - compared only


class ComposeStack:
    """Sidecar, gateway, nodes and client as containers of one Compose project.

    Each part has an address of its own, so the ports are those of the Istio resources, unless ``spec.ports``
    wishes otherwise. Whatever ends this process, a guard process removes all containers and networks of the
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
        self.spec = spec
        self.ready_s: float | None = None
        """Seconds from ``start`` to ready; None before."""
        self._images = images
        self._project_wish = project
        self._start_timeout_s = start_timeout_s
        self._stop_grace_s = stop_grace_s
        self._parent = parent
        self._folder: RunFolder | None = None
        self._guard: Guard | None = None
        self._project: Project | None = None
        self._containers: dict[str, Container] = {}
        self._components: dict[str, Component] = {}
        self._placements: dict[str, Placement] = {}
        self._clients: dict[str, ContainerClient] = {}
        self._excused: set[str] = set()

    @property
    def folder(self) -> Path:
        """The run folder, 0700; gone when the stack is stopped."""
        return self._running_folder().path

    @property
    def project(self) -> Project:
        """The Compose project."""
        if self._project is None:
            raise StackError(f"stack {self.spec.name} is not running.")
        return self._project

    def start(self) -> None:
        """Start everything and return when each part answers; see ``Stack.start``."""
        if self._folder is not None:
            raise StackError(f"stack {self.spec.name} is running already.")
        began = time.monotonic()
        require_sound(self.spec)
        # Containers share the kernel's count for their user, whose other processes cannot be seen from here.
        require_watches(self.spec, limit=watch_limit(), in_use=0)
        compose, docker, engine = find_compose(), find_docker(), connect()
        try:
            needs_tools = any(proxy.intercepts for proxy in self.spec.proxies)
            images = self._images or supply_all(engine, with_tools=needs_tools)
            # The guard first: there is no moment in which the folder exists unguarded.
            self._folder = RunFolder.choose(self._parent)
            self._guard = Guard(self._folder.path)
            self._folder.make(self.spec.name)
            self._project = Project(
                self._project_wish or self._folder.path.name, self._folder, engine, compose
            )
            with _write_errors_explained(self._folder.path):
                self._start_containers(self._project, images, docker)
                write_parts(self._folder, self.components())
        except BaseException:
            self._stop(is_interrupted=True)
            engine.close()
            raise
        self.ready_s = time.monotonic() - began

    def stop(self) -> None:
        """Stop everything in reverse order and delete the run folder. Safe to call twice."""
        self._stop(is_interrupted=False)

    def components(self) -> Sequence[Component]:
        """The running parts, in the order in which they were started."""
        return tuple(self._components.values())

    def component(self, name: str) -> Component:
        """One part by its name."""
        try:
            return self._components[name]
        except KeyError:
            raise StackError(f"stack {self.spec.name} has no running part called {name}.") from None

    def container(self, name: str) -> Container:
        """The container of one part."""
        self.component(name)
        return self._containers[name]

    def hosts(self, name: str) -> Mapping[str, str]:
        """Network -> a part's address there."""
        self.component(name)
        return self.project.layout.hosts[name]

    def excuse(self, name: str) -> None:
        """Do not tell a part as dead from now on: it is ended on purpose."""
        self.component(name)
        self._excused.add(name)

    def await_again(self, name: str) -> None:
        """Wait until a part that was started again answers; raises ``StackError`` as ``start``."""
        container = self.container(name)
        self._excused.discard(name)
        container.follow()
        for node in self.spec.nodes:
            if node.name == name:
                self._await_node(node)
        for proxy in self.spec.proxies:
            if proxy.name == name:
                self._await_proxy(proxy)
        # It is another process now.
        write_parts(self._running_folder(), self.components())

    def check_alive(self) -> None:
        """Raise ``StackError`` with its last output if a part has died."""
        if not self._containers:
            return
        alive = self.project.alive()
        for container in list(self._containers.values()):
            if container.id not in alive and container.name not in self._excused:
                container.catch_up()
                raise self._why_dead(container)
        for node in self.spec.nodes:
            # Before it is ready, too: nginx replaces a worker that ends, over and over.
            if crash := nginx.crash_in(self.project.folders.node(node.name).log):
                raise self._containers[node.name].crashed(crash)

    def write_config(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a running proxy, each by rename, in the order given."""
        if self.component(proxy).kind != "envoy":
            raise StackError(f"{proxy} is a node: only a proxy's files can be replaced.")
        folder = self.project.folders.proxy(proxy).proxy
        envoy.write_files(folder, proxy, files, owner=proxy_account().own)

    def placement(self, proxy: str) -> Placement:
        """The placement that the proxy's files were rendered for."""
        try:
            return self._placements[proxy]
        except KeyError:
            raise StackError(f"stack {self.spec.name} has no running proxy called {proxy}.") from None

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
            raise StackError(f"{proxy} is no sidecar: no client is beside it.")
        return self._clients[proxy]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running_folder(self) -> RunFolder:
        if self._folder is None:
            raise StackError(f"stack {self.spec.name} is not running.")
        return self._folder

    def _stop(self, *, is_interrupted: bool) -> None:
        folder, guard, project = self._folder, self._guard, self._project
        try:
            if folder is not None and project is not None:
                self._remove(project, folder, politely=not is_interrupted)
        except BaseException:
            if guard is not None:
                guard.act()
            raise
        else:
            if folder is not None:
                folder.remove()
            if guard is not None:
                guard.dismiss()
        finally:
            if project is not None:
                project.engine.close()
            self._folder = self._guard = self._project = None
            for state in (self._containers, self._components, self._placements, self._clients):
                state.clear()
            self._excused.clear()

    def _remove(self, project: Project, folder: RunFolder, *, politely: bool) -> None:
        if politely:
            project.down(grace_s=self._stop_grace_s)
        else:
            # A Compose that is cut short would go on asking for containers.
            end_processes(folder)
        project.sweep()
        for container in self._containers.values():
            container.catch_up()

    def _start_containers(self, project: Project, images: ImageSet, docker: str) -> None:
        self._placements = project.up(self.spec, images)
        folders, listed = project.folders, project.containers()
        names = [node.name for node in self.spec.nodes]
        for name in names + [proxy.name for proxy in proxies_in_order(self.spec)]:
            allowance = self.spec.allowances.get(name)
            container = Container(
                name,
                listed[project.layout.services[name]][0],
                folders.proxy(name).proxy.log,
                project.engine,
                allowance.memory_bytes if allowance is not None else None,
            )
            container.follow()
            self._containers[name] = container
        for sidecar, pod in project.layout.pods.items():
            self._clients[sidecar] = ContainerClient(
                docker, listed[pod.client][0], listed.get(pod.worker, ()), folders.files
            )
        for node in self.spec.nodes:
            self._await_node(node)
        for proxy in proxies_in_order(self.spec):
            self._await_proxy(proxy)
            if proxy.intercepts:
                redirect = listed[project.layout.pods[proxy.name].redirect][0]
                name = f"the redirection of {proxy.name}"
                Container(name, redirect, folders.path, project.engine).await_success(self._start_timeout_s)

    def _await_node(self, node: NodeSpec) -> None:
        folders = self.project.folders
        address = node_address(self.spec, self.project.layout, node)
        self._wait(node.name, lambda: nginx.answers(address, timeout_s=0.5))
        self._components[node.name] = Component(
            name=node.name,
            kind="nginx",
            role="node",
            pid=self._containers[node.name].visible_pid(),
            addresses={node.plays: address},
            admin_url=None,
            log=folders.node(node.name).log,
            access_log=folders.node(node.name).access_log,
            config=folders.node(node.name).config,
            container=self._containers[node.name].id,
        )

    def _await_proxy(self, proxy: ProxySpec) -> None:
        folder = self.project.folders.proxy(proxy.name)
        container = self._containers[proxy.name]
        self._wait(proxy.name, lambda: envoy.is_live(folder.socket))
        if refused := envoy.refusals(folder.socket):
            container.catch_up()
            raise envoy.refusal_error(container, refused)
        found = envoy.listener_addresses(folder.socket)
        if proxy.intercepts:
            # The one listener that Istio does not name after its address.
            found = {name.replace(_OUTBOUND, f"{at[0]}_{at[1]}"): at for name, at in found.items()}
        real = match_listeners(proxy, found)
        if real is None:
            container.catch_up()
            raise envoy.missing_listener_error(container, proxy, found)
        self._components[proxy.name] = Component(
            name=proxy.name,
            kind="envoy",
            role=proxy.role,
            pid=container.visible_pid(),
            addresses=self._reached(proxy, real),
            admin_url=f"unix://{folder.socket}",
            log=folder.proxy.log,
            access_log=folder.proxy.log_root / envoy.ACCESS_LOG,
            config=folder.proxy.config_root,
            container=container.id,
        )

    def _reached(self, proxy: ProxySpec, real: Mapping[Address, Address]) -> dict[Address, Address]:
        """Where the client's connections go: with redirection, to any address but its own pod's."""
        layout = self.project.layout
        if not proxy.intercepts:
            return seen_from_outside(layout, proxy.name, real)
        named = self._named_by_dns()
        return {(ip, port): (named if ip == _ANY else ip, port) for ip, port in proxy.listeners}

    def _named_by_dns(self) -> str:
        """The address under which the mesh's DNS knows the names that a client calls: a gateway's."""
        gateways = [proxy.name for proxy in self.spec.proxies if proxy.role == "egress"]
        return self.project.layout.address(gateways[0])

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Return when a part is ready; raise as soon as any part cannot be any more."""
        deadline = time.monotonic() + self._start_timeout_s
        while not is_ready():
            self.check_alive()
            if time.monotonic() >= deadline:
                container = self._containers[name]
                raise StackError(
                    f"{name}{container.limit_text()} did not answer within {self._start_timeout_s:g} s."
                    f" Its last output:\n{container.last_output() or '(none)'}"
                )
            time.sleep(POLL_S)

    def _why_dead(self, container: Container) -> StackError:
        """Told apart: a part that never got ready was refused by its program, a later death is a death."""
        is_proxy = container.name in (proxy.name for proxy in self.spec.proxies)
        if container.name not in self._components and is_proxy and envoy.reasons_in(container.log):
            return envoy.refusal_error(container)
        return container.died("" if container.name in self._components else " before it was ready")


@contextlib.contextmanager
def _write_errors_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StackError(
            f"cannot write there: {error.strerror or error}.",
            where=str(error.filename or folder),
            remedy="Make room on the disk, or set TMPDIR to a folder that has it.",
        ) from error
