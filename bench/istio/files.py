"""Which files of a folder hold resources, and their text; what else lies there is named and left alone."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError, Position
from bench.istio.problem import Code, InvalidResourcesError, Problem

SUFFIXES = (".yaml", ".yml", ".json")
"""As kubectl and istioctl read them."""
SCENARIO_FILES = tuple(f"scenario{suffix}" for suffix in SUFFIXES)
INVENTORY_FILES = tuple(f"inventory{suffix}" for suffix in SUFFIXES)
OWN_FILES = frozenset((*SCENARIO_FILES, *INVENTORY_FILES))
"""Files of this suite that may lie beside the Istio YAML."""
STDIN = Path("-")
"""Means standard input where a file may be named."""
MOST_BYTES = 256 * 1024 * 1024
"""Of one file; more is not YAML that somebody wrote, and parsing it would exhaust the machine."""
_DEEPEST_FOLDERS = 32
_RESOURCE = re.compile(rb"""(^[ \t"'{\[-]*|[{,][ \t]*["']?)apiVersion["']?[ \t]*:""", re.MULTILINE)
"""Says in a text, whatever its style, that there is a resource in it."""
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What lies in a folder and in the folders below it."""

    files: tuple[Path, ...]
    """Files to read, by name."""
    ignored: tuple[Problem, ...]
    """What has the name of such a file and is not read, and why."""
    others: tuple[Path, ...]
    """Folders below that have a scenario or an inventory of their own, and are not entered."""


def find_files(folder: Path) -> FoundFiles:
    """Look for YAML and JSON files in *folder* and below, without those of the suite and without hidden ones.

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    if not folder.is_dir():
        raise InputError(
            "there is no such folder.", where=str(folder), remedy="Name a folder with Istio YAML files."
        )
    search = _Search()
    search.enter(folder, 0)
    return FoundFiles(tuple(search.files), tuple(search.ignored), tuple(search.others))


class _Search:
    def __init__(self) -> None:
        self.files: list[Path] = []
        self.ignored: list[Problem] = []
        self.others: list[Path] = []
        self._seen: set[tuple[int, int]] = set()

    def enter(self, folder: Path, depth: int) -> None:
        identity = _identity(folder)
        if identity in self._seen or depth > _DEEPEST_FOLDERS:
            return
        self._seen.add(identity)
        for path in _listed(folder):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                self._folder(path, depth + 1)
            elif path.suffix in SUFFIXES and path.name not in OWN_FILES:
                self._file(path)

    def _folder(self, path: Path, depth: int) -> None:
        if any((path / name).is_file() for name in OWN_FILES):
            self.others.append(path)
            return
        texts = list(_texts_below(path))
        if any(_RESOURCE.search(text) for text in texts):
            self.enter(path, depth)
        elif texts:
            # Proxies' configurations, values of charts and recorded answers lie beside manifests as well.
            self._ignore(path, "this folder has YAML files, and none of them has a Kubernetes resource.")

    def _file(self, path: Path) -> None:
        reason = _why_not_read(path)
        if reason is None:
            self.files.append(path)
        else:
            self._ignore(path, reason)

    def _ignore(self, path: Path, reason: str) -> None:
        self.ignored.append(Problem(Position(str(path), 1), reason, code=Code.NOT_READ))


def read_text(path: Path) -> str:
    """Give the text of the file at *path*, or of standard input for ``-``.

    Raises:
        InvalidResourcesError: a byte is not UTF-8; it names the line.
        InputError: it is not a file, cannot be read, or is larger than ``MOST_BYTES``.
    """
    data = read_bytes(path)
    name = shown(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        where = Position(name, data.count(b"\n", 0, error.start) + 1)
        raise InvalidResourcesError(
            [
                Problem(
                    where,
                    f"byte 0x{data[error.start]:02x} is not UTF-8.",
                    "Save the file in UTF-8.",
                    code=Code.UNREADABLE,
                )
            ]
        ) from error
    return _joined_surrogates(text) if path.suffix == ".json" else text


def read_bytes(path: Path) -> bytes:
    """Give the content of the file at *path*, or of standard input for ``-``.

    Raises:
        InputError: it is not a file, cannot be read, or is larger than ``MOST_BYTES``.
    """
    data = _read(path)
    if len(data) > MOST_BYTES:
        raise InputError(
            f"is larger than {MOST_BYTES // 1024**2} MiB.", where=shown(path), remedy="Split the file."
        )
    return data


def shown(path: Path) -> str:
    """Name *path* in messages."""
    return "stdin" if path == STDIN else str(path)


def _read(path: Path) -> bytes:
    if path == STDIN:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    reason = _why_not_read(path)
    # A pipe that a shell made (`check <(kubectl get …)`) has a writer, any other may keep us forever.
    if reason is not None and not (path.is_fifo() and str(path).startswith(("/dev/fd/", "/proc/self/fd/"))):
        raise InputError(f"cannot be read: {reason}", where=str(path), remedy="Name a file or a folder.")
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", where=str(path)) from error


def _why_not_read(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "it is a link that leads back to itself."
        if path.is_symlink():
            return "it is a link that leads nowhere."
        return f"{error.strerror}."
    if stat.S_ISREG(mode):
        return None
    kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    return f"it is {'a folder' if stat.S_ISDIR(mode) else kind}, not a file."


def _texts_below(folder: Path) -> Iterator[bytes]:
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if _identity(Path(parent)) in seen:
            folders.clear()
            continue
        seen.add(_identity(Path(parent)))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in sorted(names) if not name.startswith(".")):
            if path.suffix in SUFFIXES and _why_not_read(path) is None:
                with path.open("rb") as file:
                    yield file.read(MOST_BYTES)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot be listed: {error.strerror}.", where=str(folder)) from error


def _joined_surrogates(text: str) -> str:
    r"""Write JSON's pairs (``\ud83d\ude00``) as YAML has them (``\U0001f600``), on the same line."""
    if "\\ud" not in text and "\\uD" not in text:
        return text

    def joined(match: re.Match[str]) -> str:
        high, low = int(match[2], 16), int(match[3], 16)
        return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"

    return _SURROGATES.sub(joined, text)
