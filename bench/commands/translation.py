"""Translation of a folder by hand: Istio YAML in, a folder of Envoy files out that starts as it is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from bench.errors import InputError
from bench.istio.inventory import Inventory
from bench.istio.load import load_folder
from bench.istio.registry import build_registry
from bench.stack.watches import watch_limit
from bench.translate import (
    Address,
    ConfigFile,
    ConfigSource,
    Placement,
    ProxyConfig,
    RenderOptions,
    render,
    translate,
)
from bench.translate.files.tls_secrets import SYSTEM_ROOTS

Role = Literal["sidecar", "egress"]
_INVENTORY_ROLES = {"sidecar": "sidecar", "egress": "gateway"}
_INVENTORY_FILES = (("inventory.yaml", None), ("scenario.yaml", "inventory"))
_ISTIO_FOLDER = "istio"
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

    def document(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {
            "proxy": self.proxy,
            "out": str(self.out),
            "files": [str(file.relative_to(self.out)) for file in self.files],
            "command": self.command,
            "warnings": list(self.warnings),
        }


def write_translation(
    folder: Path, *, role: Role, proxy: str | None = None, config_source: ConfigSource, out: Path
) -> Translation:
    """Translate the Istio YAML in *folder* for one proxy into Envoy files below *out*.

    The inventory stands in ``inventory.yaml``, or as a part of ``scenario.yaml``; a scenario keeps its
    Istio YAML in the folder ``istio``. Without *proxy* there must be one proxy of that role. Files whose
    content stays the same are not touched, others are replaced by a rename, so that a running Envoy notices
    exactly what changed; files of an earlier translation that have no successor are removed.

    Raises:
        InputError: the folder, the inventory or a resource is wrong, or *out* cannot be written.
        UnsupportedError: files alone cannot do what a resource asks for.
    """
    inventory, inventory_file = read_inventory(folder)
    name = _choose_proxy(inventory, role, proxy, inventory_file)
    registry = build_registry(
        load_folder(istio_folder(folder)), inventory, inventory_file=str(inventory_file)
    )
    config = translate(registry, name, config_source=config_source)
    root = out.resolve()
    binds = {
        address: ("127.0.0.1", 0)
        for address in config.listener_addresses
        if address[0] != _ANY_ADDRESS and inventory.proxies[name].interception == "none"
    }
    placement = Placement(config_root=str(root), log_root=str(root), listeners=binds)
    files = render(config, placement, RenderOptions(node_id=name))
    try:
        written = write_files(files, root)
        _remove_stale(root, written)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}.",
            where=str(error.filename or root),
            remedy="Choose another --out.",
        ) from error
    # A base id of its own: sidecar and gateway can be started side by side.
    command = f"envoy -c {shlex.quote(str(root / 'bootstrap.yaml'))} --use-dynamic-base-id"
    return Translation(name, root, written, command, _warnings(config, binds))


def istio_folder(folder: Path) -> Path:
    """Give the folder that holds the Istio YAML: *folder* itself, or its ``istio`` if there is one."""
    inner = folder / _ISTIO_FOLDER
    return inner if inner.is_dir() else folder


def read_inventory(folder: Path) -> tuple[Inventory, Path]:
    """Read the inventory that lies in *folder*; give the file that it stands in, too.

    Raises:
        InputError: there is none, or it is wrong.
    """
    for name, part in _INVENTORY_FILES:
        file = folder / name
        if not file.is_file():
            continue
        try:
            data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"is no YAML: {error}", where=str(file)) from error
        if part is not None:
            data = _inventory_part(data, part)
        if not isinstance(data, dict):
            raise InputError(
                f"has no {part or 'mapping at its top'}.", where=str(file), remedy="It must name the proxies."
            )
        try:
            return Inventory.model_validate(data), file
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(step) for step in first["loc"])
            raise InputError(f"{place}: {first['msg']}.", where=str(file)) from error
    raise InputError(
        "has neither inventory.yaml nor scenario.yaml.",
        where=str(folder),
        remedy="Write inventory.yaml with semantics and proxies (role, namespace, labels, ip).",
    )


def _inventory_part(data: Any, part: str) -> Any:
    """Take the inventory out of a scenario, with the workload certificates that its ``tls`` names."""
    if not isinstance(data, dict):
        return None
    inventory, tls = data.get(part), data.get("tls")
    made = tls.get("workload") if isinstance(tls, dict) else None
    if not isinstance(inventory, dict) or not isinstance(made, dict):
        return inventory
    return {**inventory, "workload": {name: made[name] for name in made if name != "key"}}


def _choose_proxy(inventory: Inventory, role: Role, proxy: str | None, file: Path) -> str:
    wanted = _INVENTORY_ROLES[role]
    names = [name for name, each in inventory.proxies.items() if each.role == wanted]
    if proxy is not None:
        if proxy not in names:
            raise InputError(
                f"has no {role} proxy {proxy!r}.",
                where=str(file),
                remedy=f"It has {', '.join(names) or 'none'}.",
            )
        return proxy
    if len(names) != 1:
        raise InputError(
            f"has {len(names) or 'no'} proxies of the role {role}.",
            where=str(file),
            remedy=f"Choose one with --proxy: {', '.join(names)}."
            if names
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
            if path.read_text(encoding="utf-8") == file.text:
                continue
        except FileNotFoundError:
            path.write_text(file.text, encoding="utf-8")
            continue
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(file.text, encoding="utf-8")
        fresh.replace(path)
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
        f"the listener of {host}:{port} is bound to a free port of 127.0.0.1, because {host} is no address "
        "of this machine; Envoy's admin API shows it under /listeners."
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
