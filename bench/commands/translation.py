"""Translation of a folder by hand: Istio YAML in, a folder of Envoy files out that starts as it is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.collection import collection_paused
from bench.disks import write_whole
from bench.errors import InputError, Position
from bench.istio.inventory import Inventory
from bench.scenario.read import read_folder
from bench.stack.watches import watch_limit
from bench.translate import (
    SYSTEM_ROOTS,
    Address,
    ConfigFile,
    ConfigSource,
    Placement,
    ProxyConfig,
    RenderOptions,
    render,
    translate,
)

Role = Literal["sidecar", "egress"]
_INVENTORY_ROLES = {"sidecar": "sidecar", "egress": "gateway"}
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what listeners are called, not a socket


@dataclass(frozen=True, slots=True)
class Translation:
    """What was written."""

    proxy: str
    out: Path
    files: tuple[Path, ...]
    """In the order in which they were written: each refers only to files before it."""
    command: str
    """Starts Envoy with them."""
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    """Of proxies, where no inventory says which there are."""

    def document(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {
            "proxy": self.proxy,
            "out": str(self.out),
            "files": [str(file.relative_to(self.out)) for file in self.files],
            "command": self.command,
            "warnings": list(self.warnings),
            "assumptions": list(self.assumptions),
        }


@collection_paused()
def write_translation(
    folder: Path,
    *,
    role: Role,
    proxy: str | None = None,
    config_source: ConfigSource,
    out: Path,
    initial_fetch_timeout_s: float = 0.0,
) -> Translation:
    """Translate the Istio YAML in *folder* for one proxy into Envoy files below *out*.

    *folder* may be a file, and ``-`` is standard input. Without *proxy* there must be one proxy of that role.
    With a control plane that does not answer it starts after *initial_fetch_timeout_s*; 0: never.
    Files whose content stays the same are not touched, others are replaced by a rename, so that a running
    Envoy notices exactly what changed; files of an earlier translation that have no successor are removed.

    Raises:
        InputError: the folder, its inventory or a resource is wrong, or *out* cannot be written.
        UnsupportedError: files alone cannot do what a resource asks for.
    """
    read = read_folder(folder)
    read.require_resources()
    inventory = read.require_inventory()
    name = _choose_proxy(inventory, role, proxy, read.inventory_position("proxies"))
    registry = read.registry()
    config = translate(registry, name, config_source=config_source)
    root = out.resolve()
    binds = {
        address: ("127.0.0.1", 0)
        for address in config.listener_addresses
        if address[0] != _ANY_ADDRESS and inventory.proxies[name].interception == "none"
    }
    placement = Placement(config_root=str(root), log_root=str(root), listeners=binds)
    options = RenderOptions(node_id=name, initial_fetch_timeout_s=initial_fetch_timeout_s)
    files = render(config, placement, options)
    try:
        written = write_files(files, root)
        _remove_stale(root, written)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}.",
            where=str(error.filename or root),
            remedy="Choose another --out.",
        ) from error
    # Sidecar and gateway can be started side by side so, and leave no shared memory behind.
    command = f"envoy -c {shlex.quote(str(root / 'bootstrap.yaml'))} --disable-hot-restart"
    return Translation(name, root, written, command, _warnings(config, binds), read.assumption_texts)


def _choose_proxy(inventory: Inventory, role: Role, proxy: str | None, where: Position) -> str:
    wanted = _INVENTORY_ROLES[role]
    names = [name for name, each in inventory.proxies.items() if each.role == wanted]
    if proxy is not None:
        if proxy not in names:
            raise InputError(
                f"has no {role} proxy {proxy!r}.",
                where=where,
                remedy=f"It has {', '.join(names) or 'none'}.",
            )
        return proxy
    if len(names) != 1:
        raise InputError(
            f"has {len(names) or 'no'} proxies of the role {role}.",
            where=where,
            remedy=f"Choose one with --proxy: {', '.join(names)}."
            if names
            else f"Add one with role: {wanted}, in an inventory.yaml, or a Gateway that one serves."
            if wanted == "gateway"
            else f"Add one with role: {wanted}.",
        )
    return names[0]


def write_files(files: Sequence[ConfigFile], root: Path) -> tuple[Path, ...]:
    """Write *files* below *root* in their order, each by a rename, and only those whose content is new."""
    written: list[Path] = []
    folders: set[Path] = set()
    for file in files:
        path = root / file.path
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        written.append(path)
        try:
            with path.open("x", encoding="utf-8") as fresh_file:
                fresh_file.write(file.text)
            continue
        except FileExistsError:
            if path.read_text(encoding="utf-8") == file.text:
                continue
        write_whole(path, file.text)
    return tuple(written)


def _remove_stale(root: Path, written: Sequence[Path]) -> None:
    """Remove the files of an earlier translation that nothing refers to any more."""
    kept = set(written)
    for path in (root / "xds").rglob("*.yaml"):
        if path not in kept:
            path.unlink()


def _warnings(config: ProxyConfig, binds: dict[Address, Address]) -> tuple[str, ...]:
    found = [str(warning) for warning in config.warnings]
    found += [
        f"the listener of {host}:{port} is bound to a free port of 127.0.0.1, because {host} is not an "
        "address of this machine; Envoy's admin API shows it under /listeners."
        for host, port in binds
    ]
    missing = [file for file in config.files if file != SYSTEM_ROOTS and not Path(file).is_file()]
    found += [
        f"{file} does not exist here: Envoy starts, but what needs it cannot connect. Put it there before "
        "Envoy starts."
        for file in missing
    ]
    limit = watch_limit()
    if limit is not None and config.file_watches > limit:
        found.append(
            f"Envoy watches {config.file_watches} files, each with an inotify instance, and this machine "
            f"allows {limit} for each user: Envoy will crash. Raise fs.inotify.max_user_instances, write "
            "`clusters: reachable` in the inventory, or use the config source static."
        )
    return tuple(found)
