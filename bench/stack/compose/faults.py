"""Faults over containers: end, freeze, cut off, slow down; and the way back from each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from docker.errors import ContainerError

from bench.errors import StackError
from bench.stack.compose.folders import KEYS, proxy_account, replace_server_certificate
from bench.stack.compose.layout import EXTERNAL
from bench.stack.compose.stack import ComposeStack
from bench.stack.engine import RUN_LABEL, engine_errors_explained
from bench.stack.images import LABEL, supply_image
from bench.stack.nodes import await_new_workers, children_of, is_running

_TC = "/usr/sbin/tc"
_UNKNOWN_QDISC = "qdisc kind is unknown"
_DEVICE = re.compile(r"^qdisc .*? dev (\S+)", re.MULTILINE)
"""In what ``tc qdisc show`` lists."""


class NoNetemError(StackError):
    """This kernel cannot delay or lose packets."""


class ContainerFaults:
    """What can be done to the parts of a running stack; what was ended on purpose is not reported as dead."""

    def __init__(self, stack: ComposeStack) -> None:
        self._stack = stack
        self._tools: str | None = None

    def kill(self, part: str, signal: str = "SIGKILL") -> None:
        """End a part at once, as a crash does.

        Raises:
            StackError: the engine refuses.
        """
        container = self._stack.container(part)
        self._stack.excuse(part)
        with engine_errors_explained(f"killing {part}"):
            self._stack.project.engine.api.kill(container.id, signal)
            self._stack.project.engine.api.wait(container.id, timeout=10)

    def restart(self, part: str) -> None:
        """Start a part that was killed, and return when it answers; errors as ``kill``."""
        with engine_errors_explained(f"starting {part}"):
            self._stack.project.engine.api.start(self._stack.container(part).id)
        self._stack.await_again(part)

    def pause(self, part: str) -> None:
        """Freeze a part: it holds its connections and does nothing; errors as ``kill``."""
        with engine_errors_explained(f"pausing {part}"):
            self._stack.project.engine.api.pause(self._stack.container(part).id)

    def resume(self, part: str) -> None:
        """Let a frozen part go on; errors as ``kill``."""
        with engine_errors_explained(f"resuming {part}"):
            self._stack.project.engine.api.unpause(self._stack.container(part).id)

    def reload(self, node: str) -> None:
        """Let a node read its files again, and return when its new worker serves; errors as ``kill``."""
        container = self._stack.container(node)
        pid = container.visible_pid()
        if pid is None:
            raise StackError(f"the processes of {node} cannot be seen from here, and so not its reload.")
        old = children_of(pid)
        with engine_errors_explained(f"reloading {node}"):
            self._stack.project.engine.api.kill(container.id, "SIGHUP")
        await_new_workers(node, pid, old, container.last_output)

    def use_certificates(self, node: str, folder: Path) -> None:
        """Let a node serve with ``server.crt`` and ``server.key`` of *folder*; errors as ``kill``."""
        replace_server_certificate(self._stack.project.folders.node_keys(node), folder)
        self.reload(node)

    def runs(self, part: str) -> bool:
        """Whether a part's container is there, frozen or not; errors as ``kill``."""
        pid = self._stack.component(part).pid
        # The process table is asked first: it answers at once, and while the load runs.
        return is_running(pid) if pid is not None else self._stack.container(part).exit_code() is None

    def folder(self, node: str) -> Path:
        """Where a node's files lie on this machine."""
        self._stack.component(node)
        return self._stack.project.folders.node(node).path

    def show(self, proxy: str, file: Path) -> str:
        """Put a copy among the proxy's keys; returns its path in the container. Raises ``OSError``."""
        keys = self._stack.project.folders.proxy(proxy).keys
        fresh = keys / f"shown-{len(list(keys.iterdir()))}-{file.name}"
        shutil.copyfile(file, fresh)
        fresh.chmod(0o400)
        proxy_account().own(fresh)
        return f"{KEYS}/{fresh.name}"

    def relay_host(self) -> str:
        """This machine's own address on the network of the gateway and the nodes; no other network has it."""
        return str(next(self._stack.project.layout.subnets[EXTERNAL].hosts()))

    def disconnect(self, part: str) -> None:
        """Take a part off its networks, as when a cable is pulled; errors as ``kill``."""
        for network, _ in self._networks(part):
            with engine_errors_explained(f"disconnecting {part}"):
                self._stack.project.engine.api.disconnect_container_from_network(
                    self._stack.container(part).id, network, force=True
                )

    def reconnect(self, part: str) -> None:
        """Put a part back on its networks, under its own addresses; errors as ``kill``."""
        for network, address in self._networks(part):
            with engine_errors_explained(f"reconnecting {part}"):
                self._stack.project.engine.api.connect_container_to_network(
                    self._stack.container(part).id, network, ipv4_address=address
                )

    def disturb(self, part: str, *, delay_ms: float = 0, loss_percent: float = 0) -> None:
        """Delay, or lose, what a part sends (``tc netem``), in place of an earlier disturbance.

        Args:
            part: a node or proxy.
            delay_ms: added to each packet.
            loss_percent: of the packets.

        Raises:
            NoNetemError: this kernel has no netem.
            StackError: tc refuses.
        """
        netem = ["netem"]
        netem += ["delay", f"{delay_ms:g}ms"] if delay_ms else []
        netem += ["loss", f"{loss_percent:g}%"] if loss_percent else []
        for device in self._devices(part):
            self._tc(part, ["qdisc", "replace", "dev", device, "root", *netem])

    def calm(self, part: str) -> None:
        """End a disturbance; errors as ``disturb``."""
        for device in self._devices(part):
            self._tc(part, ["qdisc", "del", "dev", device, "root"])

    def why_undisturbed(self, part: str) -> str | None:
        """Why this machine cannot delay or lose packets, found by trying; None: it can."""
        try:
            self.disturb(part)
        except NoNetemError as error:
            return error.what.rstrip(".")
        self.calm(part)
        return None

    def _networks(self, part: str) -> Iterator[tuple[str, str]]:
        """Name and address of each network that a part belongs on."""
        for network, address in self._stack.hosts(part).items():
            yield f"{self._stack.project.name}_{network}", address

    def _devices(self, part: str) -> list[str]:
        """The part's network devices: one that was taken off its network comes back under another name."""
        said = self._tc(part, ["qdisc", "show"])
        return [name for name in dict.fromkeys(_DEVICE.findall(said)) if name != "lo"]

    def _tc(self, part: str, arguments: list[str]) -> str:
        """Run tc in a part's network, in a container that has the right to and ends with it; what it said."""
        if self._tools is None:
            self._tools = supply_image(self._stack.project.engine, "tools").id
        try:
            with engine_errors_explained(f"disturbing {part}"):
                said: bytes = self._stack.project.engine.containers.run(
                    self._tools,
                    arguments,
                    entrypoint=[_TC],
                    remove=True,
                    network_mode=f"container:{self._stack.container(part).id}",
                    read_only=True,
                    cap_drop=["ALL"],
                    cap_add=["NET_ADMIN"],
                    user="0:0",
                    labels={LABEL: "tools", RUN_LABEL: self._stack.project.name},
                    stderr=True,
                )
        except StackError as error:
            cause = error.__cause__
            reported = cause.stderr if isinstance(cause, ContainerError) else b""
            text = (
                reported.decode("utf-8", "replace").strip() if isinstance(reported, bytes) else str(reported)
            )
            if _UNKNOWN_QDISC in text:
                raise NoNetemError(
                    "this kernel cannot delay or lose packets: it was built without netem.",
                    remedy="Load it with `modprobe sch_netem`, or use the other faults.",
                ) from error
            raise StackError(f"{part} cannot be disturbed: tc says: {text or error.what}") from error
        return said.decode("utf-8", "replace")
