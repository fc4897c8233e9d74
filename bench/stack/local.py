"""The stack as processes on loopback: nothing but Envoy, nginx and Python is needed."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import StackError
from bench.stack import envoy, nginx
from bench.stack.binaries import Binary, find_envoy, find_nginx
from bench.stack.guard import Guard
from bench.stack.leftovers import end_processes
from bench.stack.parts import write_parts
from bench.stack.placing import (
    endpoints_of,
    match_listeners,
    place,
    proxies_in_order,
    require_sound,
    wished_port,
)
from bench.stack.ports import address_of, listen, require_free
from bench.stack.processes import Process, stop_all
from bench.stack.protocol import ClientPlace, Component, NodeSpec, ProxySpec, StackSpec
from bench.stack.runfolder import RunFolder
from bench.stack.watches import require_watches, watch_limit, watches_in_use
from bench.translate.placement import Address, ConfigFile, Placement

POLL_S = 0.005


class LocalStack:
    """Sidecar, gateway and nodes as child processes of this one.

    Every port is chosen by the system unless ``spec.ports`` wishes otherwise, so any number of stacks stand
    side by side. Whatever ends this process, a guard process stops all parts and deletes the run folder.
    """

    def __init__(
        self,
        spec: StackSpec,
        *,
        envoy_binary: Binary | None = None,
        nginx_binary: Binary | None = None,
        start_timeout_s: float = 20.0,
        stop_grace_s: float = 3.0,
        parent: Path | None = None,
    ) -> None:
        """Prepare; nothing starts yet.

        Args:
            spec: what to start.
            envoy_binary: default: ``find_envoy()``.
            nginx_binary: default: ``find_nginx()``.
            start_timeout_s: for each part, until it must answer.
            stop_grace_s: for all parts together, before they are killed.
            parent: where the run folder is made; default: the system's folder for temporary files.
        """
        self.spec = spec
        self.ready_s: float | None = None
        """Seconds from ``start`` to ready; None before."""
        self._envoy = envoy_binary
        self._nginx = nginx_binary
        self._start_timeout_s = start_timeout_s
        self._stop_grace_s = stop_grace_s
        self._parent = parent
        self._folder: RunFolder | None = None
        self._guard: Guard | None = None
        self._processes: dict[str, Process] = {}
        self._components: dict[str, Component] = {}
        self._placements: dict[str, Placement] = {}
        self._proxy_folders: dict[str, envoy.ProxyFolder] = {}
        self._excused: set[str] = set()

    @property
    def folder(self) -> Path:
        """The run folder, 0700; gone when the stack is stopped."""
        return self._running_folder().path

    def start(self) -> None:
        """Start everything and return when each part answers; see ``Stack.start``."""
        if self._folder is not None:
            raise StackError(f"stack {self.spec.name} is running already.")
        began = time.monotonic()
        require_sound(self.spec)
        _require_no_redirection(self.spec)
        require_watches(self.spec, limit=watch_limit(), in_use=watches_in_use())
        nginx_binary = self._nginx or find_nginx()
        envoy_binary = self._envoy or find_envoy()
        try:
            # The guard first: there is no moment in which the folder exists unguarded.
            self._folder = RunFolder.choose(self._parent)
            self._guard = Guard(self._folder.path)
            self._folder.make(self.spec.name)
            for proxy in self.spec.proxies:
                for address in proxy.listeners:
                    # Port 0 is always free.
                    require_free(wished_port(self.spec, proxy.name, proxy.listeners, address), proxy.name)
            with _write_errors_explained(self._folder.path):
                endpoints = self._start_nodes(nginx_binary)
                for proxy in proxies_in_order(self.spec):
                    endpoints |= self._start_proxy(proxy, envoy_binary, endpoints)
                write_parts(self._folder, self.components())
        except BaseException:
            self._stop(is_interrupted=True)
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

    def process(self, name: str) -> Process:
        """The process of a part; raises ``StackError`` if there is none of that name."""
        self.component(name)
        return self._processes[name]

    def excuse(self, name: str) -> None:
        """Do not tell a part as dead from now on: it is ended on purpose."""
        self.component(name)
        self._excused.add(name)

    def start_again(self, name: str) -> None:
        """Start a part that has ended, on the addresses that it had; raises ``StackError`` as ``start``."""
        known = self.component(name)
        if self._processes[name].exit_code() is None:
            raise StackError(f"{name} still runs.")
        with _write_errors_explained(self.folder):
            if known.kind == "nginx":
                self._start_node_again(known)
            else:
                self._start_proxy_again(known)
            self._excused.discard(name)
            write_parts(self._running_folder(), self.components())

    def check_alive(self) -> None:
        """Raise ``StackError`` with its last output if a part has died."""
        for process in list(self._processes.values()):
            if process.exit_code() is not None and process.name not in self._excused:
                raise self._why_dead(process)
        for component in self.components():
            if component.kind == "nginx" and (crash := nginx.crash_in(component.log)):
                raise StackError(f"a worker of {component.name} crashed: {crash}")

    def write_config(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a running proxy, each by rename, in the order given."""
        self.component(proxy)
        if proxy not in self._proxy_folders:
            raise StackError(f"{proxy} is a node: only a proxy's files can be replaced.")
        envoy.write_files(self._proxy_folders[proxy], proxy, files)

    def placement(self, proxy: str) -> Placement:
        """The placement that the proxy's files were rendered for."""
        try:
            return self._placements[proxy]
        except KeyError:
            raise StackError(f"stack {self.spec.name} has no running proxy called {proxy}.") from None

    def own_files(self) -> Sequence[Path]:
        """None: each part's files say it all."""
        return ()

    def containers(self) -> Sequence[int] | None:
        """None at all."""
        return ()

    def client(self, proxy: str) -> ClientPlace | None:
        """Here: the listeners are on loopback."""
        self.component(proxy)
        return None

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
        folder, guard = self._folder, self._guard
        try:
            stop_all(list(self._processes.values()), grace_s=self._stop_grace_s)
            if is_interrupted and folder is not None:
                # Ctrl-C can hit the moment in which a process exists and is not in the list yet.
                end_processes(folder)
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
            self._folder = None
            self._guard = None
            for state in (self._processes, self._components, self._placements, self._proxy_folders):
                state.clear()
            self._excused.clear()

    def _start_nodes(self, binary: Binary) -> dict[Address, Address]:
        """Start all nodes, then wait for each: they get ready side by side."""
        addresses = {node.name: self._start_node(node, binary) for node in self.spec.nodes}
        for node in self.spec.nodes:
            process, address = self._processes[node.name], addresses[node.name]
            self._wait(process, lambda at=address: nginx.answers(at, timeout_s=0.5))  # type: ignore[misc]
            folder = nginx.NodeFolder(self.folder / node.name)
            self._components[node.name] = Component(
                name=node.name,
                kind="nginx",
                role="node",
                pid=process.pid,
                addresses={node.plays: address},
                admin_url=None,
                log=folder.log,
                access_log=folder.access_log,
                config=folder.config,
            )
        return {node.plays: addresses[node.name] for node in self.spec.nodes}

    def _start_node(self, node: NodeSpec, binary: Binary) -> Address:
        folder = nginx.NodeFolder(self.folder / node.name)
        port = wished_port(self.spec, node.name, [node.plays], node.plays)
        opened: socket.socket
        with contextlib.closing(listen(port, node.name)) as opened:
            address = address_of(opened)
            nginx.write_node(
                folder,
                name=node.name,
                page=node.page,
                address=address,
                certificates=self.spec.certificates,
                binary=binary,
            )
            self._processes[node.name] = Process(
                node.name,
                nginx.node_command(folder, binary),
                log=folder.log,
                folder=self._running_folder(),
                environment=nginx.inherit(opened.fileno()),
                inherited=[opened.fileno()],
            )
        return address

    def _start_proxy(
        self, proxy: ProxySpec, binary: Binary, endpoints: dict[Address, Address]
    ) -> dict[Address, Address]:
        folder = envoy.ProxyFolder(self.folder / proxy.name)
        folder.make()
        placement = place(
            self.spec,
            proxy,
            config_root=folder.config_root,
            log_root=folder.log_root,
            endpoints=endpoints,
        )
        envoy.write_files(folder, proxy.name, proxy.render(placement))
        return endpoints_of(proxy, self._launch_proxy(proxy, folder, placement, binary))

    def _launch_proxy(
        self, proxy: ProxySpec, folder: envoy.ProxyFolder, placement: Placement, binary: Binary
    ) -> dict[Address, Address]:
        """Start Envoy on files that are written, and return the addresses of its listeners."""
        process = self._processes[proxy.name] = Process(
            proxy.name,
            envoy.envoy_command(folder, binary, concurrency=proxy.concurrency),
            log=folder.log,
            folder=self._running_folder(),
        )
        self._wait(process, lambda: envoy.admin_address(folder) is not None)
        admin = envoy.admin_address(folder)
        assert admin is not None  # noqa: S101 - waited for
        self._wait(process, lambda: envoy.is_live(admin))
        try:
            refused, listeners = envoy.refusals(admin), envoy.listener_addresses(admin)
        except ConnectionError as error:
            # It was live a moment ago: whoever ended it in between is told by its exit.
            raise self._why_silent(process) from error
        if refused:
            raise envoy.refusal_error(process, refused)
        real = match_listeners(proxy, listeners)
        if real is None:
            raise envoy.missing_listener_error(process, proxy, listeners)
        self._proxy_folders[proxy.name] = folder
        self._placements[proxy.name] = placement
        self._components[proxy.name] = Component(
            name=proxy.name,
            kind="envoy",
            role=proxy.role,
            pid=process.pid,
            addresses=real,
            admin_url=f"http://{admin[0]}:{admin[1]}",
            log=folder.log,
            access_log=folder.log_root / envoy.ACCESS_LOG,
            config=folder.config_root,
        )
        return real

    def _start_node_again(self, known: Component) -> None:
        folder = nginx.NodeFolder(self.folder / known.name)
        address = next(iter(known.addresses.values()))
        process = self._processes[known.name] = Process(
            known.name,
            nginx.node_command(folder, self._nginx or find_nginx()),
            log=folder.log,
            folder=self._running_folder(),
        )
        self._wait(process, lambda: nginx.answers(address, timeout_s=0.5))
        self._components[known.name] = dataclasses.replace(known, pid=process.pid)

    def _start_proxy_again(self, known: Component) -> None:
        proxy = next(each for each in self.spec.proxies if each.name == known.name)
        placement = dataclasses.replace(self._placements[known.name], listeners=dict(known.addresses))
        folder = self._proxy_folders[known.name]
        folder.admin_address.unlink(missing_ok=True)
        envoy.write_files(folder, proxy.name, proxy.render(placement))
        self._launch_proxy(proxy, folder, placement, self._envoy or find_envoy())

    def _wait(self, process: Process, is_ready: Callable[[], bool]) -> None:
        """Return when *process* is ready; raise as soon as any part so far cannot be any more."""
        deadline = time.monotonic() + self._start_timeout_s
        while not is_ready():
            self.check_alive()
            if time.monotonic() >= deadline:
                raise StackError(
                    f"{process.name} did not answer within {self._start_timeout_s:g} s. Its last output:\n"
                    f"{process.last_output() or '(none)'}"
                )
            time.sleep(POLL_S)

    def _why_silent(self, process: Process) -> StackError:
        """What to say of a part that answered before and does not now."""
        deadline = time.monotonic() + 1.0
        while process.exit_code() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if process.exit_code() is not None:
            return self._why_dead(process)
        return StackError(f"{process.name} stopped answering. Its last output:\n{process.last_output()}")

    def _why_dead(self, process: Process) -> StackError:
        """Told apart: a part that never got ready was refused by its program, a later death is a death."""
        if process.name in self._components:
            return process.died()
        if process.name in (proxy.name for proxy in self.spec.proxies):
            return envoy.refusal_error(process)
        return process.died(" before it was ready")


def _require_no_redirection(spec: StackSpec) -> None:
    for proxy in spec.proxies:
        if proxy.intercepts:
            raise StackError(
                f"{proxy.name} has interception redirect: processes share this machine's network, and nothing"
                " is redirected there.",
                remedy="Run it with `--stack docker`, or set interception to none.",
            )


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
