"""The images that run by default: the official ones, by digest where a registry was asked for it.

``docker/images.lock.yaml`` is written by ``egress-bench images pin`` and read by every run:

    envoy:
      of: envoyproxy/envoy:distroless-v1.40.0        the tag that was asked for
      image: envoyproxy/envoy@sha256:…               what it named

A tag can be moved by whoever owns it, a digest cannot. Without the file the tag of the exact version holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from docker import DockerClient
from docker.errors import APIError, NotFound

from bench.disks import write_whole
from bench.errors import StackError
from bench.stack.engine import engine_errors_explained
from bench.stack.images.definitions import definitions_folder
from bench.stack.images.recipes import Role

OFFICIAL: Mapping[Role, str] = {
    "envoy": "envoyproxy/envoy:distroless-v1.40.0",
    "nginx": "nginx:1.30.0",
}
"""What people run. Envoy's version is that of the wheel that the local stack uses, nginx is a stable one."""

LOCK = "images.lock.yaml"
_HEAD = "# Written by `egress-bench images pin`: the images of `--stack docker`, by digest.\n"
_PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Default:
    """The official image of one role."""

    role: Role
    reference: str
    """By digest, else by tag."""
    is_pinned: bool


def lock_path() -> Path:
    """Where the lock file is, or would be; raises ``StackError`` as ``definitions_folder``."""
    return definitions_folder() / LOCK


def default_image(role: Role, lock: Path | None = None) -> Default | None:
    """The official image of *role*; None where there is none. *lock*: default: ``lock_path()``.

    A pin of another tag than this version's is none: it was made by an earlier version.

    Raises:
        StackError: the lock file is there and cannot be read.
    """
    official = OFFICIAL.get(role)
    if official is None:
        return None
    entry = _read(lock if lock is not None else lock_path()).get(role)
    if entry is None or entry["of"] != official:
        return Default(role, official, is_pinned=False)
    return Default(role, entry["image"], is_pinned=True)


def defaults(lock: Path | None = None) -> list[Default]:
    """All official images; errors as ``default_image``."""
    found = (default_image(role, lock) for role in OFFICIAL)
    return [each for each in found if each is not None]


def pin(client: DockerClient, *, mirror: str | None = None, lock: Path | None = None) -> list[Default]:
    """Ask the registry which digest each official tag names now, and write all of them down.

    Nothing is pulled. The lock file changes only if every tag was answered.

    Args:
        client: the engine, which asks.
        mirror: ``HOST[:PORT][/PATH]`` of a registry that has the images under their own names.
        lock: default: ``lock_path()``.

    Raises:
        StackError: no registry answers, or it does not have an image; the file cannot be written.
    """
    path = lock if lock is not None else lock_path()
    entries = {role: _resolved(client, official, mirror) for role, official in OFFICIAL.items()}
    try:
        write_whole(path, _HEAD + yaml.safe_dump(entries, sort_keys=False, width=110))
    except OSError as error:
        raise StackError(
            f"cannot be written: {error.strerror or error}.",
            where=str(path),
            remedy="Pin as the user who installed egress-bench, or name images in scenario.yaml.",
        ) from error
    return defaults(path)


def _resolved(client: DockerClient, official: str, mirror: str | None) -> dict[str, str]:
    asked = f"{mirror.rstrip('/')}/{official}" if mirror else official
    try:
        with engine_errors_explained(f"asking for the digest of {asked}"):
            digest = client.images.get_registry_data(asked).id
    except StackError as error:
        if isinstance(error.__cause__, NotFound):
            raise StackError(f"no registry has {asked}.", remedy="Correct --mirror.") from error
        if isinstance(error.__cause__, APIError):
            raise StackError(
                error.what, remedy="Is there a way to the registry? `--mirror HOST` asks another one."
            ) from error
        raise
    # The tag is behind the last colon that is not a port's.
    name = asked.rpartition(":")[0]
    return {"of": official, "image": f"{name}@{digest}"}


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _damaged(path, "it is not YAML") from error
    if not isinstance(tree, dict):
        raise _damaged(path, "it is not a mapping")
    for role, entry in tree.items():
        is_sound = isinstance(entry, dict) and entry.keys() == {"of", "image"}
        if not is_sound or not _PINNED.fullmatch(str(entry["image"])):
            raise _damaged(path, f"{role} has no `of` and `image: NAME@sha256:…`")
    return tree


def _damaged(path: Path, why: str) -> StackError:
    return StackError(
        f"the pinned images cannot be read: {why}.",
        where=str(path),
        remedy="Write it again with `egress-bench images pin`, or remove it: tags hold then.",
    )
