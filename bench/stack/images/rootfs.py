"""The file tree of a small image: programs of this machine with the libraries that they load, as a tar.

Only Linux: the tree holds this machine's binaries, so it runs where they run.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench.errors import StackError

_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_MISSING = re.compile(r"(\S+) => not found")


@dataclass(slots=True)
class Rootfs:
    """Files by their path in the image, absolute."""

    files: dict[str, Path] = field(default_factory=dict)
    """Path in the image -> file of this machine."""
    texts: dict[str, str] = field(default_factory=dict)
    """Path in the image -> its text."""
    folders: list[str] = field(default_factory=list)
    """Empty folders, open to everybody, as ``/tmp`` is."""

    def add_program(self, source: Path, target: str) -> None:
        """Add a program and the libraries that the linker names for it; errors as ``libraries_of``."""
        self.files[target] = source
        self.add_libraries([source])

    def add_libraries(self, programs: Iterable[Path]) -> None:
        """Add the libraries of *programs* under their own paths; errors as ``libraries_of``."""
        for library in libraries_of(programs):
            self.files.setdefault(str(library), library)

    def add_tree(self, source: Path, target: str, *, without: Iterable[str] = ()) -> None:
        """Add all files below a folder but those below folders named in *without*."""
        excluded = frozenset(without)
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            if path.is_file() and not excluded.intersection(relative.parts):
                self.files[f"{target}/{relative}"] = path

    def digest(self, known: Mapping[str, str] | None = None) -> str:
        """SHA-256 over paths and contents.

        Args:
            known: path in the image -> a hash that somebody else keeps of it, instead of reading the file.
        """
        whole = hashlib.sha256()
        for target, source in sorted(self.files.items()):
            of_file = (known or {}).get(target) or hashlib.sha256(source.read_bytes()).hexdigest()
            whole.update(f"{target}\0{of_file}\0".encode())
        for target, text in sorted(self.texts.items()):
            whole.update(f"{target}\0{text}\0".encode())
        whole.update("\0".join(sorted(self.folders)).encode())
        return whole.hexdigest()

    def write_tar(self, out: IO[bytes]) -> None:
        """Write all of it as an archive."""
        with tarfile.open(fileobj=out, mode="w") as archive:
            for folder in sorted(self.folders):
                archive.addfile(_entry(folder, kind=tarfile.DIRTYPE, mode=0o1777))
            for target, source in sorted(self.files.items()):
                # Resolved: a library is a link to its version, and the image needs the name that is loaded.
                with source.resolve().open("rb") as content:
                    mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
                    entry = _entry(target, mode=mode, size=source.stat().st_size)
                    # Python's compiled modules name the time of their source.
                    entry.mtime = int(source.stat().st_mtime)
                    archive.addfile(entry, content)
            for target, text in sorted(self.texts.items()):
                data = text.encode()
                archive.addfile(_entry(target, mode=0o644, size=len(data)), io.BytesIO(data))


def libraries_of(programs: Iterable[Path]) -> list[Path]:
    """The libraries that the dynamic linker loads for *programs*, each once, the loader among them.

    Raises:
        StackError: there is no ``ldd``, or a library is missing.
    """
    paths = [str(program) for program in programs]
    if not paths:
        return []
    try:
        done = subprocess.run(
            ["ldd", *paths],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(
            f"the libraries of {paths[0]} cannot be determined: {error}.",
            remedy="Images are built from this machine's programs with ldd, on Linux with glibc.",
        ) from error
    said = done.stdout.decode("utf-8", "replace")
    if missing := _MISSING.search(said):
        raise StackError(f"{missing.group(1)} is needed for an image and is not installed.", where=paths[0])
    return [Path(path) for path in dict.fromkeys(_LIBRARY.findall(said))]


def _entry(path: str, *, mode: int, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type = kind
    entry.mode = mode
    entry.size = size
    return entry
