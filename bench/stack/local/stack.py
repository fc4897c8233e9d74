"""The stack as processes on loopback: nothing but Envoy, nginx and Python is needed."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from bench.errors import StackError
from bench.placement import Address, ConfigFile, Placement
from bench.stack import nodes, proxies
from bench.stack.binaries import Binary, find_envoy, find_nginx
from bench.stack.descriptors import require_descriptors
from bench.stack.local.node_processes import NodeProcesses
from bench.stack.local.ports import address_of, closed_port, require_free
from bench.stack.local.succession import Succession
from bench.stack.placing import (
    LOOPBACK,
    endpoints_of,
    match_listeners,
    place,
    proxies_in_order,
    wished_port,
)
from bench.stack.processes import Process, stop_all
from bench.stack.protocol import ClientPlace, Component, HotRestart, ProxySpec, StackSpec
from bench.stack.runs import RunFolder, end_processes, write_components
from bench.stack.supervised import SupervisedStack, write_errors_explained
from bench.stack.watches import require_local_watches, watches_of

_POLL_S = 0.005


class LocalStack(SupervisedStack):
    """Sidecar, gateway and nodes as child processes of this one.

    Every port is chosen by the system unless ``spec.ports`` says otherwise, so any number of stacks run
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
        super().__init__(spec, start_timeout_s=start_timeout_s, poll_s=_POLL_S, parent=parent)
        self._envoy = envoy_binary
        self._nginx = nginx_binary
        self._stop_grace_s = stop_grace_s
        self._processes: dict[str, Process] = {}
        self._closed_port: socket.socket | None = None
        self._proxy_folders: dict[str, proxies.ProxyFolder] = {}
        self._succession = Succession()

    def process(self, name: str) -> Process:
        """The process of a part; raises ``StackError`` if there is none of that name."""
        self.component(name)
        return self._processes[name]

    def start_again(self, name: str) -> None:
        """Start a part that has ended, on the addresses that it had; raises ``StackError`` as ``start``."""
        known = self.component(name)
        if self._processes[name].exit_code() is None:
            raise StackError(f"{name} still runs.")
        with write_errors_explained(self.folder), self.named():
            if known.role == "node":
                self._start_node_again(known)
            else:
                self._start_proxy_again(known)
            self._excused.discard(name)
            write_components(self._running_folder(), self.components())

    def _check_parts(self) -> None:
        for process in list(self._processes.values()):
            if process.exit_code() is not None and process.name not in self._excused:
                raise self._why_dead(process)
        for process in self._succession.former():
            if process.exit_code() is not None:
                raise process.died(" beside its successor")
        for component in self.components():
            if component.kind == "nginx" and (crash := nodes.crash_in(component.log)):
                raise StackError(f"a worker of {component.name} crashed: {crash}")
        self._check_control_plane()

    def write_config(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a running proxy, each by rename, in the order given."""
        self.component(proxy)
        if proxy not in self._proxy_folders:
            raise StackError(f"{proxy} is a node: only a proxy's files can be replaced.")
        folder = self._proxy_folders[proxy]
        proxies.write_files(folder, proxy, files)
        if self._control is not None:
            self._control.publish(proxy, folder.config_root, files)

    def validate(self, proxy: str, files: Sequence[ConfigFile]) -> str | None:
        """Let an Envoy of its own look into a proxy's files; see ``HotRestarting``."""
        self._spec_of(proxy)
        with write_errors_explained(self.folder), self.named():
            trial = proxies.ProxyFolder(self.folder / f"{proxy}.validation")
            trial.make()
            proxies.write_files(trial, proxy, files)
            command = proxies.validation_command(trial, self._envoy or find_envoy())
            process = Process(proxy, command, log=trial.log, folder=self._running_folder())
            try:
                if not process.wait(self._start_timeout_s):
                    raise StackError(
                        f"Envoy did not look into files of {proxy} within {self._start_timeout_s:g} s."
                    )
                if process.exit_code() == 0:
                    return None
                return "; ".join(proxies.reasons_in(trial.log)) or process.last_output()
            finally:
                process.end()
                shutil.rmtree(trial.path, ignore_errors=True)

    def restart_hot(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Let a successor take over from a proxy's Envoy; see ``HotRestarting``."""
        known = self.component(proxy)
        epoch = self._succession.next(proxy)
        with write_errors_explained(self.folder), self.named():
            folder = self._proxy_folders[proxy]
            proxies.write_files(folder, proxy, files)
            former, successor = self._processes[proxy], self._start_successor(proxy, folder, epoch)
            self._processes[proxy] = successor
            self._succession.follow(proxy, epoch, former)
            self._components[proxy] = dataclasses.replace(known, pid=successor.pid)
            write_components(self._running_folder(), self.components())

    def is_handing_over(self, proxy: str) -> bool:
        """Whether the Envoy before the present one still runs; see ``HotRestarting``."""
        self.component(proxy)
        return bool(self._succession.former(proxy))

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

    def _find_programs(self) -> None:
        _require_no_redirection(self.spec)
        require_local_watches(watches_of(self.spec))
        require_descriptors(self.spec.connections)
        self._nginx = self._nginx or find_nginx()
        self._envoy = self._envoy or find_envoy()

    def _start_parts(self) -> None:
        for proxy in self.spec.proxies:
            for address in proxy.listeners:
                # Port 0 is always free.
                require_free(wished_port(self.spec, proxy.name, proxy.listeners, address), proxy.name)
        endpoints = self._start_nodes()
        self._start_control_plane()
        for proxy in proxies_in_order(self.spec):
            endpoints |= self._start_proxy(proxy, self._envoy or find_envoy(), endpoints)

    def _end_parts(self, folder: RunFolder, *, is_interrupted: bool) -> None:
        control = []
        if self._control is not None:
            self._control.close()
            control.append(self._control.process)
        # From the end: a successor that still asks its parent what it has counted would wait for it for ever.
        others = self._succession.others()
        stop_all([*control, *others, *self._processes.values()], grace_s=self._stop_grace_s)
        if is_interrupted:
            # Ctrl-C can hit the moment in which a process exists and is not in the list yet.
            end_processes(folder)

    def _forget(self) -> None:
        super()._forget()
        if self._closed_port is not None:
            self._closed_port.close()
            self._closed_port = None
        self._processes.clear()
        self._proxy_folders.clear()
        self._succession.close()

    def _closed_address(self) -> Address:
        """Where connections to what no node plays are refused, as long as this stack runs."""
        if self._closed_port is None:
            self._closed_port = closed_port()
        return address_of(self._closed_port)

    def _node_processes(self) -> NodeProcesses:
        return NodeProcesses(self.spec, self._running_folder(), self._nginx or find_nginx())

    def _start_nodes(self) -> dict[Address, Address]:
        """Start all nodes, then wait for each: they get ready side by side."""
        starting = self._node_processes()
        addresses: dict[str, Address] = {}
        for node in self.spec.nodes:
            self._processes[node.name], addresses[node.name] = starting.start(node)
        for node in self.spec.nodes:
            process, address = self._processes[node.name], addresses[node.name]
            self._wait(process, functools.partial(nodes.answers, address, node.tls, 0.5, node.behaviour))
            self._components[node.name] = starting.component(node, process, address)
        return {each: addresses[node.name] for node in self.spec.nodes for each in node.every}

    def _start_proxy(
        self, proxy: ProxySpec, binary: Binary, endpoints: dict[Address, Address]
    ) -> dict[Address, Address]:
        folder = proxies.ProxyFolder(self.folder / proxy.name)
        folder.make()
        placement = place(
            self.spec,
            proxy,
            config_root=folder.config_root,
            log_root=folder.log_root,
            endpoints=endpoints,
            closed_port=self._closed_address(),
            # In a folder that is closed to others; a port of loopback is open to every user of this machine.
            admin=str(folder.admin_socket) if proxies.socket_fits(folder.admin_socket) else (LOOPBACK, 0),
            control=str(self._control.folder.socket) if self._control is not None else "",
        )
        files = proxy.render(placement)
        proxies.write_files(folder, proxy.name, files)
        if self._control is not None:
            self._control.publish(proxy.name, folder.config_root, files)
        return endpoints_of(proxy, self._launch_proxy(proxy, folder, placement, binary))

    def _launch_proxy(
        self, proxy: ProxySpec, folder: proxies.ProxyFolder, placement: Placement, binary: Binary
    ) -> dict[Address, Address]:
        """Start Envoy on files that are written, and return the addresses of its listeners."""
        epoch: proxies.Epoch | None = None
        if proxy.hot_restart is not None:
            epoch = self._begin_line(proxy.name, proxy.hot_restart, placement)
        process = self._processes[proxy.name] = self._start_envoy(proxy, folder, binary, epoch)
        admin: proxies.AdminAddress
        if isinstance(placement.admin, str):
            admin, admin_url = folder.admin_socket, f"unix://{folder.admin_socket}"
        else:
            self._wait(process, lambda: proxies.admin_address(folder) is not None)
            reported = proxies.admin_address(folder)
            assert reported is not None  # noqa: S101 - waited for
            admin, admin_url = reported, f"http://{reported[0]}:{reported[1]}"
        self._wait(process, lambda: proxies.is_live(admin))
        try:
            refused, listeners = proxies.refusals(admin), proxies.listener_addresses(admin)
        except ConnectionError as error:
            # It was live a moment ago: whoever ended it in between is reported by its exit.
            raise self._why_silent(process) from error
        if refused:
            raise proxies.refusal_error(process, proxy, refused)
        real = match_listeners(proxy, listeners)
        if real is None:
            raise proxies.missing_listener_error(process, proxy, listeners)
        self._proxy_folders[proxy.name] = folder
        # A successor is given the listening sockets whose addresses it names.
        self._placements[proxy.name] = (
            placement if epoch is None else dataclasses.replace(placement, listeners=real)
        )
        self._components[proxy.name] = Component(
            name=proxy.name,
            replica_of=proxy.replica_of,
            kind="envoy",
            role=proxy.role,
            pid=process.pid,
            addresses=real,
            admin_url=admin_url,
            log=folder.log,
            access_log=folder.log_root / proxies.ACCESS_LOG,
            config=folder.config_root,
        )
        return real

    def _begin_line(self, proxy: str, leave: HotRestart, placement: Placement) -> proxies.Epoch:
        if not isinstance(placement.admin, str):
            raise StackError(
                f"{proxy} cannot be restarted hot: its admin API is not found by the path of a socket.",
                where=str(self.folder),
                remedy="Set TMPDIR to a folder with a shorter path.",
            )
        base_id = proxies.choose_base_id()
        # Before it is made: there is no moment in which nobody knows of it.
        self._running_folder().record_shared_memory(proxies.memory_name(base_id))
        return self._succession.begin(proxy, base_id, leave)

    def _start_envoy(
        self, proxy: ProxySpec, folder: proxies.ProxyFolder, binary: Binary, epoch: proxies.Epoch | None
    ) -> Process:
        command = proxies.envoy_command(folder, binary, concurrency=proxy.concurrency, epoch=epoch)

        def make() -> Process:
            return Process(proxy.name, command, log=folder.log, folder=self._running_folder())

        return make() if epoch is None else self._succession.launch(make)

    def _start_successor(self, name: str, folder: proxies.ProxyFolder, epoch: proxies.Epoch) -> Process:
        """Start the next Envoy of a line and return when it serves."""
        proxy = self._spec_of(name)
        said_before = folder.log.stat().st_size
        process = self._start_envoy(proxy, folder, self._envoy or find_envoy(), epoch)
        self._succession.expect(name, process)

        def serves() -> bool:
            if process.exit_code() is not None:
                raise proxies.refusal_error(process, proxy, since=said_before)
            admin = folder.admin_socket
            return proxies.epoch_of(admin) == epoch.number and proxies.is_live(admin)

        try:
            self._wait(process, serves)
        except StackError:
            self._succession.give_up(name, process)
            raise
        return process

    def _start_node_again(self, known: Component) -> None:
        address = next(iter(known.addresses.values()))
        node = next(each for each in self.spec.nodes if each.name == known.name)
        process = self._processes[node.name] = self._node_processes().start_again(node, address)
        self._wait(process, functools.partial(nodes.answers, address, node.tls, 0.5, node.behaviour))
        self._components[node.name] = dataclasses.replace(known, pid=process.pid)

    def _start_proxy_again(self, known: Component) -> None:
        proxy = self._spec_of(known.name)
        placement = dataclasses.replace(self._placements[known.name], listeners=dict(known.addresses))
        folder = self._proxy_folders[known.name]
        folder.admin_address.unlink(missing_ok=True)
        folder.admin_socket.unlink(missing_ok=True)
        files = proxy.render(placement)
        proxies.write_files(folder, proxy.name, files)
        if self._control is not None:
            self._control.publish(proxy.name, folder.config_root, files)
        self._launch_proxy(proxy, folder, placement, self._envoy or find_envoy())

    def _spec_of(self, name: str) -> ProxySpec:
        for proxy in self.spec.proxies:
            if proxy.name == name:
                return proxy
        raise StackError(f"{name} is a node, and no Envoy.")

    def _why_silent(self, process: Process) -> StackError:
        """What to say of a part that answered before and does not now."""
        deadline = time.monotonic() + 1.0
        while process.exit_code() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if process.exit_code() is not None:
            return self._why_dead(process)
        return StackError(f"{process.name} stopped answering. Its last output:\n{process.last_output()}")

    def _why_dead(self, process: Process) -> StackError:
        """Two cases: a part that never got ready was refused by its program, a later death is a death."""
        if process.name in self._components:
            return process.died()
        for proxy in self.spec.proxies:
            if proxy.name == process.name:
                return proxies.refusal_error(process, proxy)
        return process.died(" before it was ready")


def _require_no_redirection(spec: StackSpec) -> None:
    for proxy in spec.proxies:
        if proxy.intercepts:
            raise StackError(
                f"{proxy.name} has interception redirect: processes share this machine's network, and nothing"
                " is redirected there.",
                remedy="Run it with `--stack docker`, or set interception to none.",
            )
