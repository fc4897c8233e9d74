"""What containers find in their folders: configuration, keys, code; owned by the user that reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bench
from bench.placement import ConfigFile
from bench.stack import nodes, proxies
from bench.stack.binaries import Binary
from bench.stack.protocol import NodeSpec

ROOT = "/egress-bench"
"""Where a container finds its folders."""
CONFIG = f"{ROOT}/config"
LOGS = f"{ROOT}/logs"
ADMIN = f"{ROOT}/admin"
KEYS = f"{ROOT}/keys"
CODE = f"{ROOT}/code"
FILES = f"{ROOT}/files"
NODE = f"{ROOT}/node"
CONTROL = f"{ROOT}/control"
"""The socket of the control plane, where there is one."""
ADMIN_SOCKET = "sock"

_COMPILED = "__pycache__"
_UNPRIVILEGED = 10_101
"""Root's containers do not run as root: any number that no system account has."""
PROXY_GROUP = 1337
"""Istio's own number for the proxy: redirection lets this group's connections pass."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a container's process is."""

    uid: int
    gid: int

    @property
    def text(self) -> str:
        """As Compose writes it."""
        return f"{self.uid}:{self.gid}"

    def own(self, *paths: Path) -> None:
        """Make it the owner of all files below *paths*; only root can give files away, and only root must."""
        if os.geteuid() != 0:
            return
        for path in paths:
            os.chown(path, self.uid, self.gid)
            if path.is_dir():
                for inner in path.rglob("*"):
                    os.chown(inner, self.uid, self.gid, follow_symlinks=False)


def account() -> Account:
    """Who nodes and clients run as: this user, or somebody without privileges if this is root."""
    if os.geteuid() == 0:
        return Account(_UNPRIVILEGED, _UNPRIVILEGED)
    return Account(os.geteuid(), os.getegid())


def proxy_account() -> Account:
    """Who proxies run as: the same user in the proxies' group."""
    return Account(account().uid, PROXY_GROUP)


@dataclass(frozen=True, slots=True)
class PartFolder:
    """The folders of one proxy on this machine."""

    proxy: proxies.ProxyFolder

    @property
    def admin(self) -> Path:
        """Holds the socket of the admin API."""
        return self.proxy.path / "admin"

    @property
    def socket(self) -> Path:
        """The admin API itself: reachable through this folder alone, and the run folder is 0700."""
        return self.admin / ADMIN_SOCKET

    @property
    def keys(self) -> Path:
        """Copies of the keys and certificates that the configuration names."""
        return self.proxy.path / "keys"

    def make(self) -> None:
        """Create the folders."""
        self.proxy.make()
        for folder in (self.admin, self.keys):
            folder.mkdir(mode=0o700)


def seen_files(files: Mapping[str, Path]) -> dict[str, str]:
    """File name in the Istio resources -> where a proxy's container finds it."""
    return {written: f"{KEYS}/{number}-{real.name}" for number, (written, real) in enumerate(files.items())}


def write_proxy(
    folder: PartFolder, name: str, rendered: Sequence[ConfigFile], files: Mapping[str, Path]
) -> None:
    """Write a proxy's configuration and copies of the keys and certificates that it names, and no others.

    Raises:
        StackError: a file cannot be written.
        OSError: the same.
    """
    folder.make()
    proxies.write_files(folder.proxy, name, rendered)
    text = "\n".join(file.text for file in rendered)
    for written, seen in seen_files(files).items():
        if seen in text:
            target = folder.keys / Path(seen).name
            shutil.copyfile(files[written], target)
            target.chmod(0o400)
    proxy_account().own(folder.proxy.path)


def write_node(
    folder: nodes.NodeFolder, keys: Path, node: NodeSpec, port: int, *, certificates: Path, binary: Binary
) -> None:
    """Write a node's configuration and copies of its certificates; errors as ``nodes.write_node``."""
    if node.behaviour.is_http:
        nodes.write_node(
            folder,
            node,
            address=("0.0.0.0", port),  # noqa: S104 - of the container
            certificates=certificates,
            binary=binary,
            seen=KEYS,
        )
    else:
        seen = nodes.NodeFolder(Path(NODE))
        nodes.write_contained_bytes_node(folder, node, certificates, port=port, seen=seen, keys=KEYS)
    keys.mkdir(mode=0o700)
    for name in nodes.files_needed(node) if node.tls != "none" else ():
        shutil.copyfile(certificates / name, keys / name)
        (keys / name).chmod(0o400)
    account().own(folder.path, keys)


def replace_server_certificate(keys: Path, source: Path) -> None:
    """Put ``server.crt`` and ``server.key`` of *source* in place of a node's, each by rename."""
    for name in ("server.crt", "server.key"):
        fresh = keys / f"{name}.new"
        shutil.copyfile(source / name, fresh)
        fresh.chmod(0o400)
        account().own(fresh)
        fresh.replace(keys / name)


_RUN_INSIDE = ("analysis", "istio", "load", "result", "scenario", "stack", "verify")
"""Rooms that calls, load and nodes of bytes import; beside them all modules that are no rooms."""


def write_code(folder: Path) -> None:
    """Copy of this program's own code what runs in containers, so that it is exactly what this process is.

    A copy, because a container's user may not be allowed to read the original, and because it must not change
    in the middle of a run.
    """
    source = Path(bench.__file__).resolve().parent
    target = folder / source.name
    _copy_modules(source, target)
    for room in _RUN_INSIDE:
        for path, folders, _ in os.walk(source / room):
            folders[:] = [each for each in folders if each != _COMPILED]
            _copy_modules(Path(path), target / Path(path).relative_to(source))
    account().own(folder)


def _copy_modules(source: Path, target: Path) -> None:
    """The modules of one folder, and what is compiled of them."""
    for folder, into, pattern in (
        (source, target, "*.py"),
        (source / _COMPILED, target / _COMPILED, "*.pyc"),
    ):
        files = list(folder.glob(pattern))
        if files:
            into.mkdir(parents=True, exist_ok=True)
        for file in files:
            # With its time, by which Python knows whether the compiled module beside it is current.
            shutil.copy2(file, into / file.name)
