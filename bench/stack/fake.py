"""A stack that starts nothing: for tests of everything that uses a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from bench.errors import ControlPlaneLostError, StackError
from bench.placement import Address, ConfigFile
from bench.stack.components import ComponentTable
from bench.stack.placing import LOOPBACK, endpoints_of, place, proxies_in_order, require_sound, wished_port
from bench.stack.protocol import ClientPlace, Component, ProxySpec, StackSpec

FIRST_PORT = 20_001
CLOSED_PORT = (LOOPBACK, 20_000)


class FakeStack(ComponentTable):
    """Keeps the promises of ``Stack`` without a process: renders files, hands out addresses, records calls.

    Ports count up from 20001 in start order, admin ports included. Files are kept in ``files``; a part can be
    made to die (``kill``), and a start to fail (``failure``).
    """

    def __init__(
        self, spec: StackSpec, *, failure: StackError | None = None, folder: Path | None = None
    ) -> None:
        """Prepare; *failure* is what ``start`` then raises; with a *folder* files are really below it."""
        super().__init__(spec)
        self.failure = failure
        self._folder = folder
        self.calls: list[str] = []
        """Names of the methods called, in order; ``write_config`` with its proxy: ``write_config egress``."""
        self.files: dict[str, dict[str, str]] = {}
        """Proxy -> path -> text, as its Envoy would see it now; stays after ``stop``."""
        self.writes: list[tuple[str, str]] = []
        """Every file written, in order: proxy and path."""
        self._dead: dict[str, str] = {}
        self._lost: str | None = None
        self._next_port = FIRST_PORT

    def start(self) -> None:
        """Hand out addresses and render every proxy's files, in the order in which they would start."""
        self.calls.append("start")
        if self._components:
            raise StackError(f"stack {self.spec.name} is running already.")
        require_sound(self.spec)
        if self.failure is not None:
            raise self.failure
        try:
            endpoints: dict[Address, Address] = {}
            for node in self.spec.nodes:
                real = self._address(wished_port(self.spec, node.name, [node.plays], node.plays))
                endpoints |= dict.fromkeys(node.every, real)
                self._add(node.name, "node", dict.fromkeys(node.every, real))
            for proxy in proxies_in_order(self.spec):
                endpoints |= self._start_proxy(proxy, endpoints)
        except BaseException:
            self._forget()
            raise

    def stop(self) -> None:
        """Forget the running parts. Safe to call twice."""
        self.calls.append("stop")
        self._forget()

    def _check_parts(self) -> None:
        self.calls.append("check_alive")
        for name, how in self._dead.items():
            raise StackError(f"{name} {how}. Its last output:\n(none)")
        if self._lost is not None:
            raise ControlPlaneLostError(f"the control plane {self._lost}.", how=self._lost)

    def kill(self, name: str, how: str = "was ended by SIGKILL") -> None:
        """Let one part be dead from now on."""
        self.component(name)
        self._dead[name] = how

    def lose_control_plane(self, how: str = "was ended by SIGKILL") -> None:
        """Let what feeds the proxies be gone from now on; they serve on."""
        self._lost = how

    def write_config(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        """Replace files of a running proxy."""
        self.calls.append(f"write_config {proxy}")
        if self.component(proxy).kind != "envoy":
            raise StackError(f"{proxy} is a node: only a proxy's files can be replaced.")
        self._write(proxy, files)

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

    def _start_proxy(self, proxy: ProxySpec, endpoints: Mapping[Address, Address]) -> dict[Address, Address]:
        root = self._root(proxy.name)
        placement = place(
            self.spec,
            proxy,
            config_root=root / "config",
            log_root=root / "logs",
            endpoints=endpoints,
            closed_port=CLOSED_PORT,
        )
        self._write(proxy.name, proxy.render(placement))
        real = {bound: self._address(port) for bound, (_, port) in placement.listeners.items()}
        self._placements[proxy.name] = placement
        _, admin_port = self._address(0)
        self._add(proxy.name, proxy.role, real, admin_url=f"http://{LOOPBACK}:{admin_port}")
        return endpoints_of(proxy, real)

    def _write(self, proxy: str, files: Sequence[ConfigFile]) -> None:
        for file in files:
            if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
                raise StackError(f"{proxy} may not write {file.path!r}: it is outside its folder.")
            self.files.setdefault(proxy, {})[file.path] = file.text
            if self._folder is not None:
                real = self._root(proxy) / "config" / file.path
                real.parent.mkdir(parents=True, exist_ok=True)
                real.write_text(file.text, encoding="utf-8")
            self.writes.append((proxy, file.path))

    def _root(self, name: str) -> Path:
        return (self._folder or Path("/fake")) / name

    def _address(self, requested: int) -> Address:
        if requested:
            return LOOPBACK, requested
        self._next_port += 1
        return LOOPBACK, self._next_port - 1

    def _add(
        self,
        name: str,
        role: Literal["sidecar", "egress", "node"],
        addresses: Mapping[Address, Address],
        admin_url: str | None = None,
    ) -> None:
        root = self._root(name)
        if self._folder is not None:
            (root / "config").mkdir(parents=True, exist_ok=True)
        self._components[name] = Component(
            name=name,
            kind="nginx" if role == "node" else "envoy",
            role=role,
            pid=None,
            addresses=addresses,
            admin_url=admin_url,
            log=root / "output.log",
            access_log=root / "access.log",
            tls="mutual" if role == "node" else None,
            config=root / "config",
        )

    def _forget(self) -> None:
        self._components.clear()
        self._placements.clear()
        self._dead.clear()
        self._lost = None
